"""The tab What if? in a real browser: the story in one click, a stroke by mouse, finger and keys, and the curtain."""

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


def answer(tab, words):
    tab.wait_for_function(
        "words => document.querySelector('#what-if-answer .verdict')?.innerText.includes(words)", arg=words
    )
    return tab.inner_text("#what-if-answer .verdict")


def draw_it(tab):
    tab.click("#region label:has-text('Draw it')")
    tab.wait_for_selector("#what-if-answer .hint")
    canvas = tab.locator("#pad canvas")
    canvas.scroll_into_view_if_needed()
    return canvas.bounding_box()


def at(box, x, y):
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_one_click_gives_the_pot_back(tab):
    tab.click("#examples button:has-text('Yuki') >> nth=0")
    answer(tab, "Yuki")
    tab.click("#edit label:has-text('Blur')")
    answer(tab, "blurred")
    tab.click("#red-pot")
    words = re.sub(r"\s+", " ", answer(tab, "repainted red it says Rudo"))
    assert "The model said Baya" in words and "of the pixels changed" in words and "unlike any" in words
    assert tab.locator("table.logits tbody th").all_inner_texts() == ["Rudo", "Baya", "Greg", "Yuki"]
    assert tab.locator(".what-if .pair img").count() == 2
    paints = tab.locator(".paints figcaption").all_inner_texts()
    assert [text.split("\n")[0].strip() for text in paints] == ["as it is", *POT_COLOURS]
    assert "Baya" in paints[0] and "Rudo" in paints[1]


def test_the_curtain_moves_by_pointer_and_keys_and_stays(tab):
    cut = "document.querySelector('.curtain').style.getPropertyValue('--cut')"
    tab.locator(".curtain .stage").scroll_into_view_if_needed()
    box = tab.locator(".curtain .stage").bounding_box()
    tab.mouse.move(*at(box, 0.5, 0.5))
    tab.mouse.down()
    tab.mouse.move(*at(box, 0.2, 0.5), steps=4)
    tab.mouse.up()
    assert tab.evaluate(cut) == "20%"
    tab.mouse.move(*at(box, 0.8, 0.5))  # let go of
    tab.focus(".curtain input")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate(cut) == "25%"
    tab.click("#colour label:has-text('Cream')")
    answer(tab, "cream")
    assert tab.evaluate(cut) == "25%"


def test_a_stroke_with_the_mouse_changes_what_it_covers(tab):
    box = draw_it(tab)
    tab.mouse.move(*at(box, 0.25, 0.5))
    tab.mouse.down()
    tab.mouse.move(*at(box, 0.75, 0.5), steps=6)
    tab.mouse.up()
    words = answer(tab, "the part drawn over repainted red")
    share = float(re.search(r"([\d.]+) % of the pixels", words)[1])
    assert (
        100 * 128 * 20 / 256**2 < share < 100 * (128 + 26) * 26 / 256**2
    )  # half the width, 20 pixels thick, soft edges
    tab.click("#pad [data-do=undo]")
    tab.wait_for_selector("#what-if-answer .hint")


def test_keys_draw_too_and_a_drawing_stays_with_its_photo(tab):
    draw_it(tab)
    tab.focus("#pad canvas")
    tab.keyboard.down(" ")
    for _ in range(4):
        tab.keyboard.press("ArrowDown")
    tab.keyboard.up(" ")
    assert "of the pixels changed" in answer(tab, "the part drawn over")
    tab.click("#examples button:has-text('Greg') >> nth=0")
    tab.wait_for_selector("#what-if-answer .hint")
    pixels = "(canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)(document.querySelector('#pad canvas'))"
    tab.wait_for_function(f"!{pixels}.some(Boolean)")


def test_a_finger_draws_without_scrolling(browser, app_url):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.goto(f"{app_url}/?tab=what-if")  # a link opens the tab with its answer
    tab.wait_for_selector(".what-if")
    box, height = draw_it(tab), tab.evaluate("scrollY")
    finger = context.new_cdp_session(tab)
    for kind, y in (("touchStart", 0.4), ("touchMove", 0.5), ("touchMove", 0.6), ("touchMove", 0.7)):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [dict(zip("xy", at(box, 0.4, y)))]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    answer(tab, "the part drawn over")
    assert tab.evaluate("scrollY") == height
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_another_colour_and_the_hottest_part(tab):
    tab.click("#region label:has-text('Hottest part')")
    assert "the hottest 10 % for Baya at conv3" in answer(tab, "hottest")
    tab.click("#colour label:has-text('Another')")
    tab.click("#own-colour .dialog-button")
    tab.fill("#own-colour input[type=text]", "#00ff88")
    tab.keyboard.press("Enter")
    answer(tab, "repainted #00ff88")


def test_a_photo_of_ones_own_is_offered_the_other_regions(tab, tmp_path):
    Image.new("RGB", (300, 200), (90, 120, 80)).save(tmp_path / "mine.png")
    tab.click("#photo button[aria-label='Remove Image']")
    answer(tab, "No photo")
    tab.locator("#photo input[type=file]").first.set_input_files(tmp_path / "mine.png")
    sentence = answer(tab, "Nobody has marked the pot")
    assert "hottest" in sentence and "brush" in sentence
    assert tab.locator(".what-if").count() == 0


def test_a_map_is_enlarged_and_belongs_to_no_step(tab):
    tab.click(".what-if .pair button.cell >> nth=0")
    tab.wait_for_selector("dialog.lightbox img")
    assert tab.locator("dialog.lightbox button").all_inner_texts() == ["Close"]
