"""The page in a real browser: the story in two clicks, an upload, a bad file, nothing asked of the outside world."""

import re

from browsing import say
from PIL import Image

from explorer.photos import examples


def pictures(page):
    return page.eval_on_selector_all("table.matrix td img", "images => images.map(image => image.src)")


def test_the_page_opens_with_the_story(page):
    """Rudo in his blue pot, called Baya."""
    assert "Baya" in say(page, "really Rudo")
    heads = [re.sub(r"\s+", " ", text).strip() for text in page.locator("table.matrix thead th").all_inner_texts()]
    assert [head.split(" conv_")[0] for head in heads[1:]] == ["conv1", "conv2", "conv3", "all layers"]
    rows = page.locator("table.matrix tbody th").all_inner_texts()
    assert [row.split("\n")[0] for row in rows] == ["Rudo", "Baya", "Greg", "Yuki", "Mixture"]
    assert all(re.search(r"logit [+-]\d", row) for row in rows[:4])
    assert len(set(pictures(page))) > 10


def test_two_clicks_tell_the_story(page):
    page.click("#examples button:has-text('Rudo, old red pot')")
    assert "Rudo" in say(page, "✓ really Rudo")
    page.click("#examples button:has-text('Rudo, new blue pot')")
    assert "Baya" in say(page, "✗ really Rudo")


def test_every_cell_has_words_and_can_be_enlarged_and_saved(page):
    alts = page.eval_on_selector_all("table.matrix td img", "images => images.map(image => image.alt)")
    assert len(alts) == 20 and all(re.search("peak|no positive evidence|rescaled", alt) for alt in alts)
    cell = page.locator("button.cell").nth(2)
    cell.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog.lightbox img").bounding_box()["width"] > 500
    with page.expect_download() as download:
        page.click("dialog.lightbox a")
    assert download.value.suggested_filename == "rudo-conv3.jpg"
    assert Image.open(download.value.path()).size == (256, 256)
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.lightbox", state="detached")


def test_a_cell_can_be_taken_apart(page):
    page.click("button.cell[data-target=greg][data-column=conv2]")
    page.click("dialog.lightbox button:has-text('Step by step')")
    page.wait_for_selector("p:has-text('Grad-CAM for Greg at conv2')")
    page.wait_for_function(
        "location.search.includes('target=greg') && location.search.includes('layer=conv2') && location.search.includes('tab=steps')"
    )
    page.click("button[role=tab]:has-text('Explain')")
    page.wait_for_selector("button.cell.chosen[data-target=greg][data-column=conv2]")


def test_colours_change_and_the_answer_stays(page):
    before, words = pictures(page), page.inner_text("#verdict")
    page.click("#colormap label:has-text('viridis')")
    page.wait_for_function("old => document.querySelector('table.matrix td img').src !== old", arg=before[0])
    assert page.inner_text("#verdict") == words


def upload(page, path):
    page.locator("#photo input[type=file]").first.set_input_files(path)


def test_an_upload_is_explained(page, tmp_path):
    page.click("#photo button[aria-label='Remove Image']")
    say(page, "No photo")
    photo = (
        Image.open(examples.EMBEDDED / "test/3_001.jpg")
        .transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        .crop((0, 40, 256, 216))
    )
    photo.save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    words = say(page, "The model says")
    assert "bars" in words and "really" not in words


def test_a_bad_file_is_a_sentence_and_the_page_goes_on(page, tmp_path, complaints):
    page.click("#photo button[aria-label='Remove Image']")
    say(page, "No photo")
    (tmp_path / "holiday.jpg").write_text("These are words, not a picture.")
    upload(page, tmp_path / "holiday.jpg")
    page.wait_for_selector("#verdict [role=alert]:not(:has-text('No photo'))")
    sentence = page.inner_text("#verdict")
    assert sentence.strip().endswith(".") and "Traceback" not in sentence and "Error" not in sentence
    assert page.locator("table.matrix").count() == 0  # no old answer under a new refusal
    page.click("#examples button:has-text('Greg')")
    say(page, "really Greg")


def test_a_narrow_page_does_not_scroll_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
