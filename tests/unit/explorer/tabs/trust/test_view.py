"""The tab Trust as HTML: it says what the report says, and a missing map has its place and its reason."""

import re
from dataclasses import replace
from html import unescape

import pytest

from explorer.settings import View
from explorer.tabs.trust import view
from explorer.tabs.trust.methods import CURVES, Comparison, Row, Verdict
from gradcam import METHODS


def test_page_says_what_the_report_says(checks, measured):
    table = view.methods(measured, View(method="HiResCAM"))
    for row in measured.comparison.rows:
        assert row.name in table and measured.comparison.verdict(row).sentence in unescape(table)
    assert table.count('class="predicted"') == 1 and table.count("<tr") == 1 + len(measured.comparison.rows)
    assert checks.sanity.sentence in view.sanity(checks, View(base="photo"))
    assert view.sanity(checks, View(base="none")).count("<figure>") == len(checks.sanity.steps)
    html = view.seeds(checks, View(colormap="viridis"))
    assert "seed 1 (speaking)" in html and "Baya, 90.0 %" in html and "test 70 % right" in html
    assert "Not &lt;here&gt;." in view.costs(measured, View())


def test_missing_map_has_its_place_and_its_reason(checks, measured):
    refused = Row("Grad-CAM", "refused", refusal="it's <that>")
    only_refused = replace(measured, comparison=replace(measured.comparison, rows=(refused,)))
    table = view.methods(only_refused, View(method="HiResCAM"))
    assert '<span class="trust-none">no map</span>' in table
    assert "Not for this network: it's &lt;that&gt;." in table.replace("&#39;", "'")
    assert re.findall(r'<td class="number[^"]*" data-name="(.*?)">–</td>', table) == ["cost", "insertion", "deletion"]
    network = replace(checks.seeds.networks[0], heat=None, state="refused", accuracy={})
    without_map = replace(checks, seeds=replace(checks.seeds, networks=(network,)))
    assert ">no map<" in (html := view.seeds(without_map, View()))
    assert "<small>the method does not apply</small></figcaption>" in html


def test_sanity_check_without_steps_has_no_pictures_and_no_note(checks):
    html = view.sanity(replace(checks, sanity=replace(checks.sanity, steps=(), maps=())), View())
    assert "<figure>" not in html and 'class="note"' not in html


def test_unknown_base_is_refused_with_a_sentence(measured):
    with pytest.raises(ValueError, match="There is no base"):
        view.methods(measured, View(base="rainbow"))


def test_a_bar_is_as_long_as_the_area_and_the_tick_is_at_the_best_random_map(measured):
    comparison = measured.comparison
    table = view.methods(measured, View())
    curves = comparison.informative or CURVES
    rows = [row for row in comparison.rows if row.areas]
    widths = [int(width) for width in re.findall(r'<i style="width:(\d+)%"></i>', table)]
    assert widths == [round(100 * getattr(row.areas, curve)) for row in rows for curve in curves]
    best = {"insertion": max, "deletion": min}
    ticks = [int(left) for left in re.findall(r'<em style="left:(\d+)%"', table)]
    assert ticks == [round(100 * best[curve](comparison.chance(curve))) for _ in rows for curve in curves]


def test_a_curve_that_cannot_tell_is_named_once_and_has_no_column(measured, monkeypatch):
    reasons = {"insertion": "insertion is flat"}
    monkeypatch.setattr(Comparison, "why_uninformative", lambda self, curve: reasons.get(curve, ""))
    table = view.methods(measured, View())
    assert table.count("insertion") == 1 and "insertion is flat" in table and 'data-name="deletion"' in table


def test_the_summary_is_plain_english_for_any_number_of_maps(measured, monkeypatch):
    words = dict.fromkeys(METHODS, "refused")
    monkeypatch.setattr(Comparison, "verdict", lambda self, row: Verdict(words.get(row.name, "yardstick"), "."))
    for judged, summary in [
        ({"Grad-CAM": "better"}, "1 of 1 map that could be judged finds"),
        ({"Grad-CAM": "better", "HiResCAM": "partly"}, "1 of 2 maps that could be judged finds"),
        ({"Grad-CAM": "better", "HiResCAM": "better"}, "2 of 2 maps that could be judged find"),
    ]:
        words |= judged
        assert f"{summary} what the model needs better than random maps do" in view.methods(measured, View())
