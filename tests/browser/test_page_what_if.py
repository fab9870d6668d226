"""The tab What if? in a real browser: the red pot in one click, drawing by mouse, touch and keys, the image slider."""

import re

import numpy as np
import pytest
from browsing import PATIENCE, settle
from PIL import Image

from explorer.photos import examples
from explorer.photos.colours import hues
from explorer.photos.edits import POT_COLOURS, repaint
from explorer.photos.masks import part, read_mask


@pytest.fixture
def tab(page):
    page.click("button[role=tab]:has-text('What if?')")
    page.wait_for_selector(".what-if")
    return page


def wait_for_answer(tab, text):
    tab.wait_for_function(
        "text => document.querySelector('#what-if-answer .verdict')?.innerText.includes(text)", arg=text
    )
    return tab.inner_text("#what-if-answer .verdict")


def open_drawing_pad(tab):
    tab.click("#region label:has-text('Draw it')")
    tab.wait_for_selector("#what-if-answer .hint")
    canvas = tab.locator("#pad canvas")
    canvas.scroll_into_view_if_needed()
    return canvas.bounding_box()


def at(box, x, y):
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_one_click_repaints_the_pot_red(tab):
    tab.click("#examples button:has-text('Yuki') >> nth=0")
    wait_for_answer(tab, "Yuki")
    tab.click("#edit label:has-text('Blur')")
    wait_for_answer(tab, "blurred")
    tab.click("#red-pot")
    verdict = re.sub(r"\s+", " ", wait_for_answer(tab, "repainted red it says Rudo"))
    assert "The model said Baya" in verdict and "of the pixels changed" in verdict and "unlike any" in verdict
    assert tab.locator("#what-if-answer table.logits tbody th").all_inner_texts() == ["Rudo", "Baya", "Greg", "Yuki"]
    assert tab.locator(".what-if .pair img").count() == 4  # for Baya and for Rudo
    captions = tab.locator(".paints figcaption").all_inner_texts()
    assert [text.split("\n")[0].strip() for text in captions] == ["as it is", *POT_COLOURS]
    assert "Baya" in captions[0] and "Rudo" in captions[1]


def test_a_picture_to_share_is_saved(tab):
    with tab.expect_download() as download:
        tab.click("#card")
    assert download.value.suggested_filename == "where-did-it-look.jpg"
    assert Image.open(download.value.path()).size == (1200, 630)


def test_the_slider_moves_by_pointer_and_keys_and_keeps_its_position(tab):
    cut = "document.querySelector('.curtain').style.getPropertyValue('--cut')"
    tab.locator(".curtain .stage").scroll_into_view_if_needed()
    box = tab.locator(".curtain .stage").bounding_box()
    tab.mouse.move(*at(box, 0.5, 0.5))
    tab.mouse.down()
    tab.mouse.move(*at(box, 0.2, 0.5), steps=4)
    tab.mouse.up()
    assert tab.evaluate(cut) == "20%"
    tab.mouse.move(*at(box, 0.8, 0.5))  # after the release
    tab.focus(".curtain input")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate(cut) == "25%"
    tab.click("#colour label:has-text('Cream')")
    wait_for_answer(tab, "cream")
    assert tab.evaluate(cut) == "25%"


def test_a_mouse_stroke_changes_the_pixels_under_it(tab):
    box = open_drawing_pad(tab)
    tab.mouse.move(*at(box, 0.25, 0.5))
    tab.mouse.down()
    tab.mouse.move(*at(box, 0.75, 0.5), steps=6)
    tab.mouse.up()
    verdict = wait_for_answer(tab, "the part drawn over repainted red")
    share = float(re.search(r"([\d.]+) % of the pixels", verdict)[1]) / 100
    assert 128 * 20 < share * 256**2 < (128 + 26) * 26  # half the width, 20 pixels thick, soft edges
    tab.click("#pad [data-do=undo]")
    tab.wait_for_selector("#what-if-answer .hint")


def test_keys_draw_and_a_drawing_is_cleared_with_its_photo(tab):
    open_drawing_pad(tab)
    tab.focus("#pad canvas")
    tab.keyboard.down(" ")
    for _ in range(4):
        tab.keyboard.press("ArrowDown")
    tab.keyboard.up(" ")
    assert "of the pixels changed" in wait_for_answer(tab, "the part drawn over")
    tab.click("#examples button:has-text('Greg') >> nth=0")
    tab.wait_for_selector("#what-if-answer .hint")
    tab.wait_for_function("""() => {
        const canvas = document.querySelector('#pad canvas');
        return !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
    }""")


def test_touch_draws_without_scrolling(browser, app_url):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.goto(f"{app_url}/?tab=what-if")  # a link opens the tab with its answer
    tab.wait_for_selector(".what-if")
    box, height = open_drawing_pad(tab), tab.evaluate("scrollY")
    devtools = context.new_cdp_session(tab)
    for kind, y in (("touchStart", 0.4), ("touchMove", 0.5), ("touchMove", 0.6), ("touchMove", 0.7)):
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [dict(zip("xy", at(box, 0.4, y)))]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_for_answer(tab, "the part drawn over")
    assert tab.evaluate("scrollY") == height
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_custom_colour_and_hottest_region(tab):
    tab.click("#region label:has-text('Hottest part')")
    assert "the hottest 10 % for Baya at conv3" in wait_for_answer(tab, "hottest")
    tab.click("#colour label:has-text('Another')")
    tab.click("#own-colour .dialog-button")
    tab.fill("#own-colour input[type=text]", "#00ff88")
    tab.keyboard.press("Enter")
    wait_for_answer(tab, "repainted spring green (#00ff88)")


def test_an_uploaded_photo_is_offered_other_regions(tab, tmp_path):
    with Image.open(examples.EMBEDDED / "test/3_001.jpg") as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mine.png")
    tab.click("#photo button[aria-label='Remove Image']")
    wait_for_answer(tab, "No photo")
    tab.locator("#photo input[type=file]").first.set_input_files(tmp_path / "mine.png")
    wait_for_answer(tab, "the hottest 10 %")
    assert tab.locator("#region input:disabled").count() == 3 and tab.is_checked("#region input[value=hottest]")
    assert "nobody has marked it in this photo" in tab.inner_text("#not-offered")
    tab.click("#examples button:has-text('Rudo, new blue pot') >> nth=0")
    wait_for_answer(tab, "the pot repainted")  # and the pot is back with a photo that has one


def test_an_enlarged_heatmap_has_no_link_to_step_by_step(tab):
    tab.click(".what-if .pair button.cell >> nth=0")
    tab.wait_for_selector("dialog.lightbox img")
    assert tab.locator("dialog.lightbox button:visible").all_inner_texts() == ["←", "→", "Save", "Close"]


def test_the_curtain_opens_in_the_middle_of_what_changed(tab):
    """Both colours of the pot are seen without a touch; the pot is left of the photo's middle."""
    wait_for_answer(tab, "repainted red")
    tab.wait_for_function("document.querySelector('.curtain').getAnimations({ subtree: true }).length === 0")
    edge, stage = (tab.locator(f".curtain {part}").bounding_box() for part in (".edge", ".stage"))
    assert 0.25 < (edge["x"] - stage["x"]) / stage["width"] < 0.4


def test_a_click_selects_and_its_link_opens_the_same(tab, visit):
    tab.click("#region label:has-text('Click on it')")
    canvas = tab.locator("#pad canvas[data-mode=click]")
    canvas.scroll_into_view_if_needed()
    tab.mouse.click(*at(canvas.bounding_box(), 0.4, 0.7))
    verdict = wait_for_answer(tab, "the part clicked on repainted red")
    assert "Rudo" in verdict and tab.locator("#pad .outline polygon").count() >= 2
    tab.wait_for_function("location.search.includes('points=')")
    settle(tab)
    again = visit("/" + tab.url.split("/", 3)[3])
    assert wait_for_answer(again, "the part clicked on repainted red") == verdict


def test_the_hue_wheel_finds_where_the_answer_turns(tab):
    tab.locator("#hues").scroll_into_view_if_needed()
    tab.wait_for_selector("#hues polyline")
    assert tab.locator("#hues .legend li").first.bounding_box()["height"] < 27  # a name beside its line, not under it
    words = tab.inner_text("#hues .flips")
    assert "becomes Baya between" in words and "Rudo becomes" in words
    slider = tab.locator("#hues input[type=range]")
    assert slider.input_value() == "40" and "Rudo" in tab.inner_text("#hues .now")
    slider.focus()
    for _ in range(12):
        tab.keyboard.press("ArrowRight")
    assert slider.input_value() == "160" and "Baya" in tab.inner_text("#hues .now")
    tab.wait_for_selector("#hue-heat h4")
    tab.wait_for_function("location.search.includes('hue=160')")


def test_the_browser_repaints_as_the_server_does(tab):
    """At a pot's hue: the canvas of the wheel against the server's photo of the same colour."""
    tab.locator("#hues").scroll_into_view_if_needed()
    tab.wait_for_selector("#hues polyline")
    pixel = """(at) => { const canvas = document.querySelector('#hues canvas');
        return [...canvas.getContext('2d').getImageData(...at, 1, 1).data.slice(0, 3)]; }"""
    story = examples.embedded().story
    with Image.open(story.file) as photo:
        before = np.array(photo)
    pot = part(read_mask(story.mask), "pot")
    expected = repaint(before, pot, hues()[4])
    for x, y in ((80, 160), (100, 170), (60, 150), (110, 150)):
        assert pot[y, x] and np.abs(np.array(tab.evaluate(pixel, [x, y])) - expected[y, x]).max() <= 12  # JPEG before


def test_points_of_a_link_are_for_its_photo_only(visit):
    page = visit("/?tab=what-if&region=click&points=101,178")
    wait_for_answer(page, "the part clicked on repainted red")
    page.click("#examples button:has-text('Yuki') >> nth=0")
    page.wait_for_selector("#what-if-answer :text('Nothing has been clicked yet')")


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_both_tables_of_logits_stay_on_their_card(tab, width):
    tab.set_viewport_size({"width": width, "height": 1024})  # as high as a tablet, so that the photo is large
    tab.wait_for_selector("#what-if-answer table.logits")
    card = tab.locator("#tabs").bounding_box()
    for table in tab.locator("table.logits").all():
        box = table.bounding_box()
        assert box["x"] > card["x"] and box["x"] + box["width"] < card["x"] + card["width"]
