"""The tab What if? in a real browser: the red pot in one click, drawing by mouse, touch and keys, the image slider."""

import re

import pytest
from browsing import PATIENCE
from PIL import Image

from explorer.photos.edits import POT_COLOURS


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
    assert tab.locator("table.logits tbody th").all_inner_texts() == ["Rudo", "Baya", "Greg", "Yuki"]
    assert tab.locator(".what-if .pair img").count() == 2
    captions = tab.locator(".paints figcaption").all_inner_texts()
    assert [text.split("\n")[0].strip() for text in captions] == ["as it is", *POT_COLOURS]
    assert "Baya" in captions[0] and "Rudo" in captions[1]


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
    wait_for_answer(tab, "repainted #00ff88")


def test_an_uploaded_photo_is_offered_other_regions(tab, tmp_path):
    Image.new("RGB", (300, 200), (90, 120, 80)).save(tmp_path / "mine.png")
    tab.click("#photo button[aria-label='Remove Image']")
    wait_for_answer(tab, "No photo")
    tab.locator("#photo input[type=file]").first.set_input_files(tmp_path / "mine.png")
    sentence = wait_for_answer(tab, "Nobody has marked the pot")
    assert "hottest" in sentence and "brush" in sentence
    assert tab.locator(".what-if").count() == 0


def test_an_enlarged_heatmap_has_no_link_to_step_by_step(tab):
    tab.click(".what-if .pair button.cell >> nth=0")
    tab.wait_for_selector("dialog.lightbox img")
    assert tab.locator("dialog.lightbox button:visible").all_inner_texts() == ["←", "→", "Save", "Close"]
