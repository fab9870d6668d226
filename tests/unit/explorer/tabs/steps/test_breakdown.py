"""Grad-CAM step by step: the parts add up, in the tensors and in what is written on the page."""

import base64
import io
import json
import re
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import potplants
from explorer.explanation import service as service_module
from explorer.explanation.service import COLUMNS, ExplanationService, explain_photo
from explorer.photos import examples
from explorer.rendering.wording import signed_number
from explorer.settings import View
from explorer.tabs.steps import breakdown as steps
from explorer.tabs.steps.breakdown import (
    diverging_table,
    largest_magnitude,
    colour_indices,
    signed_picture,
    steps_of,
    summary,
    break_down,
    robust_magnitude,
)
from explorer.tabs.steps.view import SHOWN, walkthrough
from gradcam import take_apart

STORY = examples.embedded().story.file


@pytest.fixture(scope="module")
def service():
    return ExplanationService()


@pytest.fixture(scope="module")
def story(service):
    return service.explain_file(STORY, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def taken(service, story):
    return steps_of(service.device, story, "predicted", "conv3")


@pytest.fixture(scope="module")
def page(taken):
    return walkthrough(taken, View())


def anatomy_of(weights, activation):
    """An anatomy whose weights and maps are given; its gradients are the weights spread evenly."""
    weights, activation = torch.tensor(weights), torch.tensor(activation)
    summed = sum(weight * one for weight, one in zip(weights, activation))
    heat = nn.functional.interpolate(summed.relu()[None, None], scale_factor=128, mode="nearest")[0, 0]
    gradient = weights[:, None, None].expand_as(activation).clone()
    return steps.Anatomy(
        torch.tensor([1.0, 3.0, 0.0, -1.0]), 3.0, activation, gradient, weights, summed, summed.relu(), heat
    )


@pytest.fixture
def hand_made(taken):
    """Two weights, 2 and −1, on maps of 2 × 2. S = [[2, −3], [0, 1]]."""
    return replace(taken, anatomy=anatomy_of([2.0, -1.0], [[[1.0, 0.0], [0.5, 1.0]], [[0.0, 3.0], [1.0, 1.0]]]))


# ----------------------------------------------------------------------------------------------------- in numbers


def test_every_heatmap_is_the_one_that_explain_shows(service, story):
    cells = {(cell["target"], cell["layer"]): cell for cell in story.report()["cells"]}
    assert len(cells) == 15
    for target in story.targets:
        for column in COLUMNS:
            one = steps_of(service.device, story, target, column)
            cell = cells[target, one.layer]
            assert one.peak == pytest.approx(cell["peak"], rel=1e-4) and one.empty == cell["empty"]
            heat = story.heat(target, column).numpy()
            np.testing.assert_allclose(one.anatomy.heatmap.numpy(), heat, rtol=1e-3, atol=1e-4 * heat.max())


def test_the_hand_made_sum(hand_made):
    assert hand_made.order == (0, 1)
    assert (hand_made.evidence_for, hand_made.evidence_against) == (3.0, -3.0)
    assert hand_made.positive_share == 0.5
    assert hand_made.hottest == (0, 0) and hand_made.terms((1, 1)).tolist() == [2.0, -1.0]
    # S is above zero at (0, 0) and (1, 1): map 0 puts 2 + 2 there, map 1 takes 1 away, 3 in all
    assert hand_made.shares == pytest.approx((4 / 3, -1 / 3))
    assert hand_made.share_of_top(1) == pytest.approx(4 / 3) and hand_made.share_of_top(2) == pytest.approx(1)


def test_the_heaviest_weight_of_either_sign_comes_first(taken):
    weights = taken.anatomy.weights.tolist()
    assert sorted(taken.order) == list(range(64))
    assert [abs(weights[k]) for k in taken.order] == sorted(map(abs, weights), reverse=True)


def test_the_report_adds_up(taken):
    report = json.loads(json.dumps(taken.report()))
    maps = taken.anatomy.activation.double().numpy()
    summed = sum(entry["weight"] * maps[entry["index"]] for entry in report["weights"])
    assert (summed.min(), summed.max()) == pytest.approx((report["sum_min"], report["sum_max"]), rel=1e-4)
    assert report["score"] == report["logits"]["baya"] == max(report["logits"].values())
    assert 0 < report["peak"] <= report["sum_max"] and report["empty"] is False
    positive = summed[summed > 0].sum()
    assert report["positive_share"] == pytest.approx(positive / abs(summed).sum(), rel=1e-4)
    for entry in report["heat_by_top_maps"]:
        top = sum(e["weight"] * maps[e["index"]] for e in report["weights"][: entry["maps"]])
        assert entry["share"] == pytest.approx(top[summed > 0].sum() / positive, rel=1e-3)
    assert sum(taken.shares) == pytest.approx(1)
    assert report["layer"] == "conv_layers.6" and report["map_shape"] == [64, 64]


def test_the_mixture_is_its_classes_by_probability(service, story):
    network = service.network("embedded")
    weights = {name: break_down(story, network, name, "conv3").anatomy.weights.double() for name in story.targets}
    mixed = sum(p * weights[name] for name, p in zip(story.model.classes, story.probabilities))
    torch.testing.assert_close(weights["mixture"], mixed, rtol=1e-4, atol=1e-9)


def random_study(model):
    torch.manual_seed(1)
    photo = np.random.default_rng(0).integers(0, 255, (model.size, model.size, 3), np.uint8)
    network = model.network().eval()
    return explain_photo(photo, "", model, network, "Grad-CAM"), network


def test_a_number_is_taken_apart_to_either_side():
    car, network = random_study(replace(potplants.MODELS["car_single_room"], network=partial(potplants.CNN, 1, 8, 224)))
    right, left = (break_down(car, network, side, "conv2") for side in ("further right", "further left"))
    assert break_down(car, network, "predicted", "conv2").target == "further right"
    assert right.anatomy.score == -left.anatomy.score == pytest.approx(car.logits[0])
    torch.testing.assert_close(right.anatomy.weights, -left.anatomy.weights)
    for one in (right, left):
        html = walkthrough(one, View(base="photo", colormap="viridis"))
        assert f"speaks for {one.target}" in html and "<mtext>position</mtext>" in html
        assert one.report()["logits"] == {"position": pytest.approx(car.logits[0])}


def test_a_network_that_averages_its_maps_is_taken_apart():
    """The last convolution's gradient is the head's own weight over the area, wherever the ReLU after it lets through."""
    gap, network = random_study(replace(potplants.MODELS["pot_plant_classifier_gap"], size=32))
    one = break_down(gap, network, "greg", "conv3")
    through = (one.anatomy.activation > 0).double().mean((1, 2)) / 32**2
    expected = network.fc[1].weight[2].detach().double() * through
    torch.testing.assert_close(one.anatomy.weights.double(), expected, rtol=1e-4, atol=1e-10)
    assert "conv_layers.4" in walkthrough(one, View(base="none", colormap="cividis"))


def test_wrong_askers_get_a_sentence(service, story):
    network = service.network("embedded")
    for target, column, told in (
        ("fern", "conv1", "rudo"),
        ("further left", "conv1", "mixture"),
        ("rudo", "conv9", "conv3"),
    ):
        with pytest.raises(ValueError, match=told):
            break_down(story, network, target, column)


# ---------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("name", potplants.MODELS)
def test_the_summary_is_what_a_plain_forward_sees(name):
    model = potplants.MODELS[name]
    rows, network = summary(model), model.network()
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in network.parameters())
    assert set(model.layers) <= {row.layer for row in rows}
    flowing = torch.zeros(1, 3, model.size, model.size)
    for row, module in zip(rows, network.conv_layers):  # no hooks: one module after the other
        flowing = module(flowing)
        assert row.output_shape == tuple(flowing.shape[1:]) and row.kind == type(module).__name__
    assert rows[-1].output_shape == (len(model.classes),)


def test_the_summary_in_numbers():
    first = summary(potplants.MODELS["embedded"])[0]
    assert (first.layer, first.output_shape, first.parameters) == (
        "conv_layers.0",
        (16, 256, 256),
        16 * (3 * 3 * 3 + 1),
    )


# -------------------------------------------------------------------------------------------------------- colours


def test_zero_is_neutral_and_no_sign_looks_stronger():
    table = diverging_table()
    assert table.shape == (255, 3) and len(set(table[127].tolist())) == 1
    lightness = cv2.cvtColor(table[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0, :, 0]
    assert abs(lightness - lightness[::-1]).max() < 1
    assert (np.diff(lightness[127:]) < 0.3).all() and lightness[127] - lightness[254] > 50
    assert (table[:100, 2] > table[:100, 0]).all() and (table[155:, 0] > table[155:, 2]).all()


def test_the_signs_differ_to_an_eye_without_green():
    """Deuteranopia after Viénot, Brettel and Mollon 1999, in linear RGB."""
    seen = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    linear = (diverging_table() / 255) ** 2.2
    eye = np.clip(linear @ seen.T, 0, 1) ** (1 / 2.2) * 255
    for away in (30, 60, 127):
        assert np.abs(eye[127 - away] - eye[127 + away]).max() > 25, away


def test_numbers_take_their_places():
    values = torch.tensor([[-2.0, 0.0], [1.0, 2.0]])
    assert colour_indices(values, 2.0).tolist() == [[0, 127], [127 + 64, 254]]
    assert colour_indices(values * 5, 2.0).tolist() == [[0, 127], [254, 254]]  # and no further
    assert (colour_indices(torch.zeros(2, 2), 0.0) == 127).all()
    with pytest.raises(ValueError, match="overflowed"):
        colour_indices(torch.tensor([[float("nan")]]), 1.0)


def test_a_small_map_is_enlarged_pixel_by_pixel():
    picture = signed_picture(torch.tensor([[-1.0, 0.0], [0.5, 1.0]]), 8, 1.0)
    assert picture.shape == (8, 8, 3)
    for row in range(2):
        for column in range(2):
            block = picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].reshape(-1, 3)
            assert (block == block[0]).all()
    assert (picture[0, 0] == diverging_table()[0]).all() and (picture[0, 7] == diverging_table()[127]).all()


def test_the_usual_reach_leaves_out_a_hundredth():
    values = torch.arange(1.0, 101.0).reshape(10, 10) * torch.tensor([1.0, -1.0]).repeat(5)
    assert robust_magnitude(values) == 99 and largest_magnitude(values) == 100
    lone = torch.zeros(20, 20)
    lone[3, 4] = -7
    assert robust_magnitude(lone) == 7 and robust_magnitude(torch.zeros(3, 3)) == 0


def test_the_gallery_is_captioned(taken):
    pictures = steps.captioned_pictures(taken, View())
    captions = [caption for _, caption in pictures]
    assert len(pictures) == 16 + 3 and all(p.shape == (256, 256, 3) and p.dtype == np.uint8 for p, _ in pictures)
    assert [int(re.match(r"A(\d+) ", caption)[1]) for caption in captions[:16]] == list(taken.order[:16])
    assert captions[16].startswith("weighted sum") and captions[17].startswith("after ReLU") and "peak" in captions[18]


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (0.0012951, "+0.00130"), (-8.35e-5, "−8.35e-5"), (18.989, "+19.0"), (-512.4, "−512")]
)
def test_numbers_are_written_with_sign_and_three_digits(value, words):
    assert signed_number(value) == words


# ------------------------------------------------------------------------------------------------------- the page


def read(words):
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


def test_the_weights_on_the_page_times_the_maps_are_the_sum_on_the_page(taken, page):
    titles = re.findall(r"<title>α (\d+) = ([^<]+)</title>", page)
    assert len(titles) == 64
    summed = sum(read(words) * taken.anatomy.activation[int(k)].double().numpy() for k, words in titles)
    low, high = (read(words) for words in re.search(r"Weighted sum<small>(\S+) … (\S+)</small>", page).groups())
    # sixty-four weights rounded to three digits, and a sum rounded likewise
    assert summed.min() == pytest.approx(low, rel=0.02) and summed.max() == pytest.approx(high, rel=0.02)
    assert read(re.search(r"peak ([^<]+)</small>", page)[1]) == pytest.approx(
        taken.explained.heat("predicted", "conv3").max().item(), rel=5e-3
    )


def test_the_mean_on_the_page_is_the_gradient_over_its_area(taken, page):
    k, height, width, total, mean = re.match(r"α(\d+)Baya=1(\d+)·(\d+)·\((.+?)\)=(.+)", formula(page, "ours")).groups()
    assert int(k) == taken.order[0]
    assert read(total) / (int(height) * int(width)) == pytest.approx(read(mean), rel=0.01)


def test_the_point_on_the_page_adds_up(taken, page):
    """Three terms, the rest, and their sum, as printed."""
    written = re.search(r'<p class="formula worked">(.*?)</p>', page, re.DOTALL)[1]
    terms = [text(part) for part in re.findall(r"<mrow>(.{0,40}?<munder><mn>[\d.]+</mn>)", written)]
    values = [read(term) for term in terms]
    total = read(re.search(r"=\s*([−\d.]+)×10", text(written).split(")")[-1])[1])
    assert len(values) == 4 and sum(values) == pytest.approx(total, abs=0.0051 * 5)
    row, column = map(int, re.match(r"S(\d+),(\d+)", text(written)).groups())
    assert taken.anatomy.summed[row, column] == taken.anatomy.summed.max()


def test_for_and_against_are_all_there_is(taken, page):
    speaks_for, against = (float(share) for share in re.findall(r"<b>([\d.]+) %</b>", page))
    assert speaks_for + against == pytest.approx(100, abs=1e-9)
    assert speaks_for == pytest.approx(100 * taken.positive_share, abs=0.051)


def test_the_three_largest_terms_are_written_out(taken, page):
    written = formula(page, "sum")
    assert written.endswith("… and 61 more")
    for k in taken.order[:3]:
        assert re.search(rf"·A{k}\b", written)


def test_every_map_is_on_the_page_and_the_shares_make_the_whole(taken, page):
    cards = re.findall(r'<figure class="card" data-map="(\d+)">.*?<small>(−?\d+) % of the heat', flat(page))
    assert [int(k) for k, _ in cards] == list(taken.order)
    assert page.index("<details>") > page.index(f'data-map="{taken.order[SHOWN - 1]}"')
    assert sum(read(share) for _, share in cards) == pytest.approx(100, abs=32)  # 64 roundings to a whole percent
    assert sum(taken.shares) == pytest.approx(1)


def test_bars_stand_on_the_side_of_their_sign(taken, page):
    bar = r'<g data-map="(\d+)">.*?class="(for|against)" x="[\d.]+" y="([\d.]+)" width="0.8" height="([\d.]+)"'
    bars = re.findall(bar, page)
    assert len(bars) == 64
    for k, kind, top, height in bars:
        weight = taken.anatomy.weights[int(k)].item()
        assert kind == ("for" if weight > 0 else "against")
        assert float(height) == pytest.approx(abs(weight) / taken.anatomy.weights.abs().max().item(), abs=1e-4)
        assert float(top) == pytest.approx(1 - float(height) if weight > 0 else 1, abs=2e-4)


def test_the_pictures_are_the_numbers(taken, page):
    """Each colour of the drawn sum, looked up again, gives the sum to within half a step of the table."""
    source = re.search(r'alt="weighted sum[^"]*" src="data:image/png;base64,([^"]+)"', page)[1]
    drawn = np.array(Image.open(io.BytesIO(base64.b64decode(source))))[2::4, 2::4].astype(int)  # [64, 64, 3]
    places = np.abs(drawn[:, :, None] - diverging_table().astype(int)).sum(-1).argmin(-1)
    limit = taken.anatomy.summed.abs().max().item()
    np.testing.assert_allclose((places - 127) / 127 * limit, taken.anatomy.summed.numpy(), atol=limit / 127 * 1.01)


def test_an_empty_map_says_so_and_why(taken, story):
    against = replace(taken, anatomy=anatomy_of([-2.0, -1.0], [[[1.0, 0.0], [0.5, 1.0]], [[0.0, 3.0], [1.0, 1.0]]]))
    assert against.empty and against.shares is None and against.report()["heat_by_top_maps"][0]["share"] is None
    html = walkthrough(against, View(base="photo"))
    assert "No positive evidence" in html and "of the heat</small>" not in html
    assert read(re.search(r'adds up to <span class="number">([^<]+)<', html)[1]) == -10  # −2 −3, −2 −3
    over = re.search(r'alt="over the photo: no positive evidence" src="data:image/jpeg;base64,([^"]+)"', html)[1]
    shown = np.array(Image.open(io.BytesIO(base64.b64decode(over)))).astype(int)
    assert np.abs(shown - story.photo).mean() < 3  # the photo itself, but for JPEG


def test_a_score_that_does_not_depend_on_the_layer(taken):
    nothing = replace(taken, anatomy=anatomy_of([0.0, 0.0], [[[1.0, 2.0], [3.0, 4.0]]] * 2))
    assert nothing.positive_share is None and "zero everywhere" in walkthrough(nothing, View())


def test_gradients_that_overflowed_are_a_sentence(taken):
    overflowed = replace(taken, anatomy=anatomy_of([float("inf"), 1.0], [[[1.0, 1.0], [0.5, 1.0]]] * 2))
    with pytest.raises(ValueError, match="overflowed; choose another layer"):
        walkthrough(overflowed, View())


def test_another_method_is_told_apart(taken, page):
    assert "LayerCAM" in walkthrough(taken, View(method="LayerCAM")) and "this tab takes" not in page


def test_names_are_escaped(taken):
    odd = replace(taken.explained.model, classes=("rudo", "<b>aya", "greg", "yuki"))
    html = walkthrough(
        replace(taken, target="<b>aya", explained=replace(taken.explained, model=odd, note="<i>note")), View()
    )
    assert "<b>aya" not in html.lower() and "<i>note" not in html and "&lt;i&gt;note" in html


def test_it_is_the_anatomy_of_the_layer(taken, story, service):
    """The steps are those of gradcam itself, on the photo that the study saw."""
    direct = take_apart(service.network("embedded"), "conv_layers.6", service_module.as_image(story.photo)[0], 1)
    torch.testing.assert_close(direct.summed, taken.anatomy.summed)
