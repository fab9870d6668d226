"""HTML of the tab Step by step: formulas, numbers, bars and pictures agree with the computed steps."""

import base64
import io
import re
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from explorer.rendering.wording import signed_number
from explorer.settings import View
from explorer.tabs.steps import view
from explorer.tabs.steps.breakdown import diverging_table
from explorer.tabs.steps.view import SHOWN, walkthrough


@pytest.fixture(scope="module")
def page(steps):
    return walkthrough(steps, View())


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (0.0012951, "+0.00130"), (-8.35e-5, "−8.35e-5"), (18.989, "+19.0"), (-512.4, "−512")]
)
def test_signed_number_has_three_digits(value, words):
    assert signed_number(value) == words


def parse(words):
    """A number as it is written on the page, "−1.35×10−3" of a formula included."""
    plain = words.replace("−", "-").replace("+", "").strip()
    mantissa, _, power = plain.partition("×10")
    return float(mantissa) * 10 ** int(power or 0)


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).strip()


def flat(html):
    """Without the spaces that only lay the template out."""
    return re.sub(r"\s+", " ", re.sub(r"\s*(<[^>]+>)\s*", r"\1", html))


def formula(page, kind):
    return text(re.search(rf'<p class="formula {kind}">(.*?)</p>', page, re.DOTALL)[1])


def test_printed_weights_times_maps_are_the_printed_sum(steps, page):
    titles = re.findall(r"<title>α (\d+) = ([^<]+)</title>", page)
    assert len(titles) == 64
    summed = sum(parse(words) * steps.anatomy.activation[int(k)].double().numpy() for k, words in titles)
    low, high = (parse(words) for words in re.search(r"Weighted sum<small>(\S+) … (\S+)</small>", page).groups())
    # sixty-four weights rounded to three digits, and a sum rounded likewise
    assert summed.min() == pytest.approx(low, rel=0.02) and summed.max() == pytest.approx(high, rel=0.02)
    assert parse(re.search(r"peak ([^<]+)</small>", page)[1]) == pytest.approx(
        steps.explained.heat("predicted", "conv3").max().item(), rel=5e-3
    )


def test_printed_mean_is_the_printed_gradient_sum_over_its_area(steps, page):
    k, height, width, total, mean = re.match(r"α(\d+)Baya=1(\d+)·(\d+)·\((.+?)\)=(.+)", formula(page, "ours")).groups()
    assert int(k) == steps.by_share[0]
    assert parse(total) / (int(height) * int(width)) == pytest.approx(parse(mean), rel=0.01)


def test_printed_terms_at_the_hottest_point_add_up(steps, page):
    """Three terms, the rest, and their sum, as printed."""
    written = re.search(r'<p class="formula worked">(.*?)</p>', page, re.DOTALL)[1]
    terms = [text(part) for part in re.findall(r"<mrow>(.{0,40}?<munder><mn>[\d.]+</mn>)", written)]
    values = [parse(term) for term in terms]
    total = parse(re.search(r"=\s*([−\d.]+)×10", text(written).split(")")[-1])[1])
    assert len(values) == 4 and sum(values) == pytest.approx(total, abs=0.0051 * 5)
    row, column = map(int, re.match(r"S(\d+),(\d+)", text(written)).groups())
    assert steps.anatomy.summed[row, column] == steps.anatomy.summed.max()


def test_shares_for_and_against_add_up_to_100_percent(steps, page):
    speaks_for, against = (float(share) for share in re.findall(r"<b>([\d.]+) %</b>", page))
    assert speaks_for + against == pytest.approx(100, abs=1e-9)
    assert speaks_for == pytest.approx(100 * steps.positive_share, abs=0.051)


def test_formula_has_the_three_largest_terms(steps, page):
    written = formula(page, "sum")
    assert written.endswith("… and 61 more")
    for k in steps.by_share[:3]:
        assert re.search(rf"·A{k}\b", written)


def test_every_map_has_a_card_and_the_shares_add_up(steps, page):
    cards = re.findall(r'<figure class="card" data-map="(\d+)"[^>]*>.*?<small>(−?\d+) % of the heat', flat(page))
    assert [int(k) for k, _ in cards] == list(steps.by_share)
    shares = [steps.shares[int(k)] for k, _ in cards]
    assert shares == sorted(shares, reverse=True) and shares[-1] < 0
    assert page.index("<details>") > page.index(f'data-map="{steps.by_share[SHOWN - 1]}"')
    assert sum(parse(share) for _, share in cards) == pytest.approx(100, abs=32)  # 64 roundings to a whole percent
    assert sum(steps.shares) == pytest.approx(1)


def test_bars_are_on_the_side_of_their_sign(steps, page):
    bar = r'<g data-map="(\d+)">.*?class="(for|against)" x="[\d.]+" y="([\d.]+)" width="0.8" height="([\d.]+)"'
    bars = re.findall(bar, page)
    assert len(bars) == 64
    for k, kind, top, height in bars:
        weight = steps.anatomy.weights[int(k)].item()
        assert kind == ("for" if weight > 0 else "against")
        assert float(height) == pytest.approx(abs(weight) / steps.anatomy.weights.abs().max().item(), abs=1e-4)
        assert float(top) == pytest.approx(1 - float(height) if weight > 0 else 1, abs=2e-4)


def test_colours_of_the_sum_decode_to_its_values(steps, page):
    """To within half a step of the colour table."""
    source = re.search(r'alt="weighted sum[^"]*" src="data:image/png;base64,([^"]+)"', page)[1]
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(source))))[2::4, 2::4].astype(int)  # [64, 64, 3]
    indices = np.abs(pixels[:, :, None] - diverging_table().astype(int)).sum(-1).argmin(-1)
    limit = steps.anatomy.summed.abs().max().item()
    np.testing.assert_allclose((indices - 127) / 127 * limit, steps.anatomy.summed.numpy(), atol=limit / 127 * 1.01)


def test_an_empty_map_is_explained_in_words(steps_with, explained):
    against = steps_with([-2.0, -1.0], [[[1.0, 0.0], [0.5, 1.0]], [[0.0, 3.0], [1.0, 1.0]]])
    assert against.empty and against.shares is None and against.report()["heat_by_top_maps"][0]["share"] is None
    html = walkthrough(against, View(base="photo"))
    assert "No positive evidence" in html and "of the heat</small>" not in html
    assert parse(re.search(r'adds up to <span class="number">([^<]+)<', html)[1]) == -10  # −2 −3, −2 −3
    over = re.search(r'alt="over the photo: no positive evidence" src="data:image/jpeg;base64,([^"]+)"', html)[1]
    shown = np.array(Image.open(io.BytesIO(base64.b64decode(over)))).astype(int)
    assert np.abs(shown - explained.photo).mean() < 3  # the photo itself, but for JPEG


def test_a_score_independent_of_the_layer_is_explained_in_words(steps_with):
    nothing = steps_with([0.0, 0.0], [[[1.0, 2.0], [3.0, 4.0]]] * 2)
    assert nothing.positive_share is None and "zero everywhere" in walkthrough(nothing, View())


def test_overflowed_gradients_raise_a_sentence(steps_with):
    overflowed = steps_with([float("inf"), 1.0], [[[1.0, 1.0], [0.5, 1.0]]] * 2)
    with pytest.raises(ValueError, match="overflowed; choose another layer"):
        walkthrough(overflowed, View())


def test_another_chosen_method_is_mentioned(steps, page):
    assert "LayerCAM" in walkthrough(steps, View(method="LayerCAM")) and "this tab takes" not in page


def test_names_are_escaped(steps):
    odd = replace(steps.explained.model, classes=("rudo", "<b>aya", "greg", "yuki"))
    html = walkthrough(
        replace(steps, target="<b>aya", explained=replace(steps.explained, model=odd, note="<i>note")), View()
    )
    assert "<b>aya" not in html.lower() and "<i>note" not in html and "&lt;i&gt;note" in html


def received(limit, values):
    """What the browser makes of the numbers of a map, by the struct module."""
    data = base64.b64decode(values)
    return np.array(struct.unpack(f"<{len(data) // 2}h", data)) * float(limit) / 32767


def test_the_browser_gets_each_shown_term_and_the_sum(steps, page):
    terms = re.findall(r'<figure class="card" data-map="(\d+)" data-limit="(\S+)" data-values="(\S+)"', page)
    assert [int(k) for k, *_ in terms] == list(steps.by_share[:SHOWN])
    activation, weights = steps.anatomy.activation.double().numpy(), steps.anatomy.weights.double().numpy()
    for k, limit, values in terms:
        term = weights[int(k)] * activation[int(k)].ravel()
        assert np.abs(received(limit, values) - term).max() <= 0.51 / 32767 * np.abs(term).max()
    whole = re.search(r'class="recomputed" data-limit="(\S+)" data-values="(\S+)"', page).groups()
    summed = steps.anatomy.summed.double().numpy().ravel()
    assert np.abs(received(*whole) - summed).max() <= 0.51 / 32767 * np.abs(summed).max()


def test_a_large_map_is_reduced_for_the_browser():
    """By means of its blocks, so that terms still add up."""
    limit, values = view._sent(torch.arange(128.0 * 128).reshape(128, 128))
    by_hand = np.arange(128.0 * 128).reshape(64, 2, 64, 2).mean((1, 3)).ravel()
    assert np.abs(received(limit, values) - by_hand).max() <= 0.51 / 32767 * limit
