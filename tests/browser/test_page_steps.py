"""The tab Step by step in a real browser."""

import re

import pytest

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.steps.breakdown import steps_of_file


@pytest.fixture
def steps(page):
    page.click("button[role=tab]:has-text('Step by step')")
    page.wait_for_selector(".steps table.summary")
    return page


def choose(page, control, option):
    page.click(f"#{control} input")
    page.click(f"[role=option]:has-text('{option}')")


def test_formulas_are_typeset_all_maps_are_shown_and_peaks_agree_with_explain(steps):
    fraction = steps.locator(".formula.ours mfrac").bounding_box()
    number = steps.locator(".formula.ours mn").last.bounding_box()
    assert fraction["height"] > 1.5 * number["height"]  # numerator over denominator
    assert steps.locator(".card:visible").count() == 12
    steps.click(".steps details summary")
    assert steps.locator(".card:visible").count() == 64
    assert steps.locator(".bars svg g").count() == 64 and steps.locator(".bars svg title").count() == 64
    pixels = steps.locator(".card img").first.evaluate(
        "image => [image.naturalWidth, getComputedStyle(image).imageRendering]"
    )
    assert pixels == [64, "pixelated"]
    caption = steps.inner_text(".steps .four figure:last-child small")
    steps.click("button[role=tab]:has-text('Explain')")
    steps.wait_for_selector("button.cell.chosen")
    cell = steps.locator("button.cell.chosen + small").inner_text()
    peak = float(re.search(r"peak \+(\S+)", caption)[1])
    assert peak == pytest.approx(float(cell.split()[1]), rel=0.06)  # two digits there


def test_a_map_taken_out_of_the_sum_and_a_point_are_computed_as_by_the_server(steps):
    service, story = ExplanationService(), examples.embedded().story.file
    numbers = steps_of_file(service, story, "embedded", "predicted", "conv3")
    k = numbers.by_share[0]
    whole = numbers.anatomy.summed.double()
    without = whole - numbers.anatomy.weights[k].double() * numbers.anatomy.activation[k].double()
    assert "All maps in" in steps.inner_text(".recomputed [role=status]")
    steps.locator("button.take").first.click()
    words = steps.inner_text(".recomputed [role=status]")
    largest = re.search(r"largest \+(\S+), (\d+)\s%", words).groups()
    assert words.startswith(f"Without map {k}:") and float(largest[0]) == pytest.approx(without.max().item(), rel=0.01)
    share = without.clamp(min=0).sum() / whole.clamp(min=0).sum()
    assert int(largest[1]) == pytest.approx(100 * share.item(), abs=0.6)
    in_place = steps.locator(".card figcaption small").first  # what is left is said where it was pressed too
    assert in_place.inner_text().replace("\xa0", " ") == f"without it: {largest[1]} %"
    steps.focus(".recomputed canvas")
    for key in ("ArrowUp", "ArrowLeft"):  # from the middle of 64 × 64, row and column 31
        steps.keyboard.press(key)
    at = steps.inner_text(".recomputed .at")
    row, column, total = re.match(r"Row (\d+), column (\d+): .* the sum is (\S+)\.$", at).groups()
    assert (row, column) == ("30", "30")
    value = float(total.replace("−", "-"))
    assert value == pytest.approx(without[30, 30].item(), abs=whole.abs().max().item() * 13 / 32767 + abs(value) / 200)
    assert f"map {k} " not in at
    steps.locator("button.take").first.click()
    assert "All maps in" in steps.inner_text(".recomputed [role=status]") and "heat" in in_place.inner_text()


def test_a_maps_strongest_photos_are_shown_with_the_place(steps):
    k = steps.locator(".card").first.get_attribute("data-map")
    steps.locator("button.strongest").first.click()
    steps.wait_for_selector(".block.sheet.open .strong")
    assert f"Map {k} is strongest in these, of 240 photos" in steps.inner_text(".strong [role=status]")
    assert steps.locator(".strong figure").count() == 6
    photo, ring = (steps.locator(f".strong a {part}").first.bounding_box() for part in ("img", "i"))
    middle = ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2
    assert photo["x"] <= middle[0] <= photo["x"] + photo["width"]
    assert photo["y"] <= middle[1] <= photo["y"] + photo["height"]
    steps.keyboard.press("Escape")
    steps.locator(".block.sheet").first.wait_for(state="hidden")


def test_controls_select_the_heatmap_and_a_missing_photo_is_a_sentence(steps):
    choose(steps, "target", "Yuki")
    steps.wait_for_function("document.querySelector('.steps p strong').innerText === 'Yuki'")
    choose(steps, "layer", "conv1")
    steps.wait_for_function("document.querySelectorAll('.steps .card').length === 16")
    assert "conv_layers.0" in steps.inner_text("tr.here")
    choose(steps, "method", "LayerCAM")
    steps.wait_for_selector(".steps p:has-text('The method chosen is LayerCAM')")
    steps.click("#photo button[aria-label='Remove Image']")
    steps.wait_for_selector("#steps [role=alert]")
    assert "photo" in steps.inner_text("#steps [role=alert]") and steps.locator(".steps").count() == 0
    steps.click("#examples button:has-text('Greg')")
    steps.wait_for_selector(".steps p strong:has-text('Yuki')")  # the chosen class is kept


def test_a_narrow_page_does_not_scroll_sideways(steps):
    steps.set_viewport_size({"width": 390, "height": 844})
    steps.click(".steps details summary")
    assert steps.evaluate("document.documentElement.scrollWidth") <= 390
    assert steps.locator(".steps .four img").first.bounding_box()["width"] > 120
