"""The page in a real browser: examples, heatmaps, uploads, invalid files; no external request."""

import re

import numpy as np
import pytest
from browsing import WIDE, choose, settle, wait_for_verdict
from PIL import Image

from explorer.explanation.service import ExplanationService
from explorer.photos import examples


def pictures(page):
    return page.eval_on_selector_all("table.matrix td img", "images => images.map(image => image.src)")


def test_page_opens_with_the_misclassified_example(page):
    """Rudo in his blue pot, predicted as Baya."""
    assert "Baya" in wait_for_verdict(page, "really Rudo")
    headings = [re.sub(r"\s+", " ", text).strip() for text in page.locator("table.matrix thead th").all_inner_texts()]
    assert [heading.split(" conv_")[0] for heading in headings[1:]] == ["conv1", "conv2", "conv3", "all layers"]
    rows = page.locator("table.matrix tbody th").all_inner_texts()
    assert [row.split("\n")[0] for row in rows] == ["Rudo", "Baya", "Greg", "Yuki", "Mixture"]
    assert all(re.search(r"logit [+-]\d", row) for row in rows[:4])
    assert len(set(pictures(page))) > 10


def test_two_examples_show_the_effect_of_the_pot(page):
    page.click("#examples button:has-text('Rudo, old red pot')")
    assert "Rudo" in wait_for_verdict(page, "✓ really Rudo")
    page.click("#examples button:has-text('Rudo, new blue pot')")
    assert "Baya" in wait_for_verdict(page, "✗ really Rudo")


def test_every_cell_has_an_alt_text_and_can_be_enlarged_and_saved(page):
    alts = page.eval_on_selector_all("table.matrix td img", "images => images.map(image => image.alt)")
    assert len(alts) == 20 and all(re.search("peak|no positive evidence|rescaled", alt) for alt in alts)
    cell = page.locator("button.cell").nth(2)
    cell.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog.lightbox img.heat").bounding_box()["width"] > 500
    assert page.locator("dialog.lightbox img.beside").bounding_box()["width"] > 300  # the photo
    with page.expect_download() as download:
        page.click("dialog.lightbox button.save")
    assert download.value.suggested_filename == "rudo-conv3.png"
    assert Image.open(download.value.path()).size == (1024, 1120)  # with its caption and the colours
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.lightbox", state="detached")


def bright(picture):
    """How many of a picture's pixels are nearly white."""
    return (np.asarray(picture.convert("RGB")).min(-1) > 230).sum()


def saved_cell(page):
    page.locator("button.cell[data-target=baya][data-column=conv3]").click()
    with page.expect_download() as download:
        page.click("dialog.lightbox button.save")
    page.keyboard.press("Escape")
    return Image.open(download.value.path()).crop((0, 0, 1024, 1024))


def test_a_line_is_drawn_around_what_is_hot_in_the_grid_in_a_large_cell_and_in_a_saved_one(page):
    plain = saved_cell(page)
    page.click("#appearance button.label-wrap")
    page.click("#outline label:has-text('15 %')")
    page.wait_for_selector("table.matrix svg.outline")
    assert page.locator("table.matrix svg.outline").count() == 20
    assert "outline=15+%25" in page.evaluate("location.search")
    box = page.get_attribute("button.cell[data-target=baya][data-column=conv3] path.box", "d")
    left, top, wide, _, _, high, *_ = map(int, re.findall(r"-?\d+", box))
    report = ExplanationService().explain_file(examples.embedded().story.file, "embedded", "Grad-CAM").report()
    (cell,) = [each for each in report["cells"] if each["target"] == "baya" and each["layer"] == "conv_layers.6"]
    assert [left, top, left + wide, top + high] == [round(1000 * side) for side in cell["box"]]
    assert bright(saved_cell(page)) > bright(plain) + 2000
    page.locator("button.cell").first.click()
    large = page.locator("dialog.lightbox svg.outline").bounding_box()
    assert large == page.locator("dialog.lightbox .stage").bounding_box() and large["width"] > 500


def test_two_models_are_asked_about_one_photo(page):
    page.click("#beside input")
    page.click("[role=option]:has-text('debiased')")
    page.wait_for_selector(".pair section:nth-child(2) table.matrix")
    heads = page.locator(".pair h3").all_inner_texts()
    assert heads[0].startswith("embedded says Baya") and heads[1].startswith("debiased says Rudo")
    assert page.evaluate("location.search").endswith("beside=debiased")
    boxes = [section.bounding_box() for section in page.locator(".pair section").all()]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[1]["x"] > boxes[0]["x"] + boxes[0]["width"]
    page.locator(".pair section:nth-child(2) button.cell").first.click()
    page.wait_for_selector("dialog.lightbox img.heat")
    assert page.locator("dialog.lightbox button:has-text('Step by step')").is_hidden()
    assert page.inner_text("dialog.lightbox p").startswith("debiased · Rudo · conv3")  # or nobody knew whose it is


def test_the_chip_says_who_is_asked_after_another_choice(visit):
    page, chip = visit("/"), "#speaking summary"
    assert page.inner_text(chip) == "embedded is speaking"
    choose(page, "#model", "debiased (rendered photos, pots of any colour)")
    page.wait_for_selector(f"{chip}:has-text('debiased is asked')")
    page.click(chip)
    assert page.inner_text("#speaking p").startswith("The page begins with embedded; here another was chosen.")
    choose(page, "#model", "embedded (rendered photos)")
    page.wait_for_selector(f"{chip}:has-text('embedded is speaking')")
    assert page.inner_text("#speaking p").startswith("The embedded classifier is speaking")
    page = visit("/?model=embedded_gap")
    page.wait_for_selector(f"{chip}:has-text('embedded_gap is asked')")


def test_a_cell_opens_step_by_step(page):
    page.click("button.cell[data-target=greg][data-column=conv2]")
    page.click("dialog.lightbox button:has-text('Step by step')")
    page.wait_for_selector("p:has-text('Grad-CAM for Greg at conv2')")
    page.wait_for_function(
        "['target=greg', 'layer=conv2', 'tab=steps'].every((part) => location.search.includes(part))"
    )
    page.click("button[role=tab]:has-text('Explain')")
    page.wait_for_selector("button.cell.chosen[data-target=greg][data-column=conv2]")


def test_another_colormap_keeps_the_prediction(page):
    before, verdict = pictures(page), page.inner_text("#verdict")
    cell = page.locator("table.matrix td .stage").nth(2)
    jet = cell.screenshot()
    page.click("#appearance button.label-wrap")
    page.click("#colormap label:has-text('viridis')")
    page.wait_for_function("() => document.querySelector('#heat-colours feFuncR').getAttribute('tableValues') > '0.26'")
    settle(page)
    assert page.inner_text("#verdict") == verdict
    assert pictures(page) == before and cell.screenshot() != jet  # the same shades, coloured by the browser


def upload(page, path):
    page.locator("#photo input[type=file]").first.set_input_files(path)


def test_an_upload_is_explained(page, tmp_path):
    page.click("#photo button[aria-label='Remove Image']")
    wait_for_verdict(page, "No photo")
    photo = (
        Image.open(examples.EMBEDDED / "test/3_001.jpg")
        .transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        .crop((0, 40, 256, 216))
    )
    photo.save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    verdict = wait_for_verdict(page, "The model says")
    assert "bars" in verdict and "really" not in verdict


def test_an_invalid_file_is_a_sentence_and_the_page_stays_usable(page, tmp_path, complaints):
    page.click("#photo button[aria-label='Remove Image']")
    wait_for_verdict(page, "No photo")
    (tmp_path / "holiday.jpg").write_text("This is text, not a picture.")
    upload(page, tmp_path / "holiday.jpg")
    page.wait_for_selector("#verdict [role=alert]:not(:has-text('No photo'))")
    sentence = page.inner_text("#verdict")
    assert sentence.strip().endswith(".") and "Traceback" not in sentence and "Error" not in sentence
    assert page.locator("table.matrix").count() == 0  # no old grid under the error
    page.wait_for_selector("#photo img.refused", state="attached")
    assert page.locator("#photo img").is_hidden() and page.locator("#keep").is_hidden()  # nor anything to keep of it
    page.click("#examples button:has-text('Greg')")
    wait_for_verdict(page, "really Greg")
    page.locator("#photo img").wait_for()
    assert page.locator("#keep").is_visible()


def test_a_drawing_is_refused_with_the_sentence_alone(page, tmp_path, complaints):
    """Gradio's page sends an SVG within the message."""
    (tmp_path / "plan.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>')
    upload(page, tmp_path / "plan.svg")
    wait_for_verdict(page, "This SVG file is a drawing, not a photo; export it as PNG and try again.")
    assert page.locator(".toast-body, #tabs .error:visible").count() == 0 and complaints == []


def test_a_photo_that_only_the_server_can_show_is_in_its_box_too(page, tmp_path):
    Image.open(examples.EMBEDDED / "test/3_001.jpg").save(tmp_path / "mine.tiff")
    upload(page, tmp_path / "mine.tiff")
    wait_for_verdict(page, "The model says Yuki")
    page.locator("#photo img:not(.refused)").wait_for()
    assert page.evaluate("document.querySelector('#photo img').naturalWidth") == 256


def test_where_cam_does_not_apply_a_button_says_what_to_do(page):
    page.click("#method input")
    page.click("[role=option][aria-label='CAM']")
    page.wait_for_selector("#verdict [role=alert]")
    page.click("#verdict button[data-method]")
    wait_for_verdict(page, "really Rudo")
    page.wait_for_function("!location.search.includes('method=')")


def test_cam_shows_its_one_column_and_the_others_say_why(visit):
    """Also on a phone, where a row is a grid of its own; and What if? reads the same layer."""
    page = visit("/?model=embedded_gap&method=CAM&layer=conv1")
    assert page.locator("table.matrix td button.cell").count() == 5 and page.locator("#verdict .refusal").count() == 0
    gaps = page.locator("table.matrix td.gap").all_inner_texts()
    assert len(gaps) == 2 and "CAM reads only conv3" in gaps[0] and "nothing to combine" in gaps[1]
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        heads = [head.bounding_box() for head in page.locator("table.matrix thead th:visible:not(.corner)").all()]
        for cell in page.locator("table.matrix td button.cell").all():
            assert heads[2]["x"] <= cell.bounding_box()["x"] < heads[3]["x"]
        early, together = (gap.bounding_box() for gap in page.locator("table.matrix td.gap").all())
        assert early["x"] + early["width"] <= heads[2]["x"] + 8 and together["x"] >= heads[3]["x"] - 8
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size(WIDE)
    page.click("#tabs button[role=tab]:visible:has-text('What if?')")
    page.wait_for_selector("#tabs [role=alert]:has-text('CAM has no map at conv1; choose conv3'):visible")
    choose(page, "#layer", "deepest")
    page.wait_for_selector(".what-if .paints")


def test_a_narrow_page_does_not_scroll_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [390, 1440])
def test_words_under_a_cell_are_no_wider_than_it(page, width):
    """Numbers of five digits, and two neighbours without evidence."""
    page.set_viewport_size({"width": width, "height": 900})
    wide = "cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"
    assert page.eval_on_selector_all("table.matrix td small", wide) == []
    page.click("#examples button:has-text('Rudo, old red pot')")
    page.wait_for_selector("table.matrix td small.none")
    assert page.eval_on_selector_all("table.matrix td small", wide) == []


def test_on_a_phone_an_enlarged_cell_is_in_the_middle(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("button.cell").nth(6).click()
    for part in ("dialog.lightbox", "dialog.lightbox .stage"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["x"] == pytest.approx(390 - box["x"] - box["width"], abs=2)
        assert box["y"] >= 0 and box["y"] + box["height"] <= 844
    assert page.locator("dialog.lightbox img.beside").is_hidden()
    buttons = [button.bounding_box() for button in page.locator("dialog.lightbox button:visible").all()]
    assert len(buttons) == 5 and all(box["x"] > 0 and box["x"] + box["width"] < 390 for box in buttons)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_word_is_broken_or_covered(visit, width):
    """Words under the examples, and a long model's name beside its dropdown's arrow."""
    page = visit("/?model=imagenet")
    page.set_viewport_size({"width": width, "height": 900})
    broken = """(button) => {
        const range = document.createRange(), text = button.lastChild;
        return [...text.data.matchAll(/\\S+/g)].filter((word) => {
            range.setStart(text, word.index); range.setEnd(text, word.index + word[0].length);
            return range.getClientRects().length > 1;
        }).map((word) => word[0]);
    }"""
    assert [button.evaluate(broken) for button in page.locator(".strip button").all()] == [[]] * 16
    words, arrow = (page.locator(f"#model {part}").first.bounding_box() for part in ("input", ".icon-wrap"))
    assert words["x"] + words["width"] <= arrow["x"]


def test_nothing_of_the_controls_shows_through_the_photo(page):
    """Which stays in sight while they scroll under it."""
    page.click("#tabs button[role=tab]:visible:has-text('Step by step')")
    page.wait_for_selector(".steps table.summary")
    through = """() => {
        const photo = document.querySelector('#photo').getBoundingClientRect();
        return [...document.querySelectorAll('#controls [data-testid=block-info]')].filter((label) => {
            const { left, top, height } = label.getBoundingClientRect();
            const at = [left + 3, top + height / 2];
            if (at[1] <= photo.top || at[1] >= photo.bottom) return false;
            passed += 1;
            return !document.elementFromPoint(...at).closest('#photo');
        }).length;
    }"""
    page.evaluate("window.passed = 0")
    for top in range(0, 1500, 40):
        page.evaluate(f"scrollTo(0, {top})")
        assert page.evaluate(through) == 0
    assert page.evaluate("passed") > 3
