"""The guided story in a real browser: by key and button, with a guess, by link, on a phone, and out again."""

import pytest
from browsing import settle, wait_for_verdict

PANEL = "#story .panel"


def count(page):
    return page.inner_text("#story .count")


def test_the_story_is_told_on_the_live_page(page):
    page.click("#story .begin")
    wait_for_verdict(page, "✓ really Rudo")
    assert count(page) == "1 of 7" and "evidence, not proof" in page.inner_text(PANEL)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "Baya" in wait_for_verdict(page, "✗ really Rudo")
    page.keyboard.press("ArrowLeft")
    wait_for_verdict(page, "✓ really Rudo")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.click("#story [data-guess=Rudo]")
    page.wait_for_function("document.querySelector('#what-if-answer')?.innerText.includes('repainted red it says')")
    assert "you guessed it" in page.inner_text(PANEL) and count(page) == "5 of 7"
    page.click("#story [data-do=next]")
    page.click("#story [data-do=next]")
    wait_for_verdict(page, "✓ really Rudo")
    assert not page.locator("#story [data-do=next]").is_visible() and "model=debiased" in page.url
    page.keyboard.press("ArrowRight")  # there is no further beat
    assert count(page) == "7 of 7"
    page.keyboard.press("Escape")
    assert not page.locator(PANEL).is_visible()
    assert page.evaluate("document.activeElement.className") == "begin"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_link_begins_the_story(visit, width):
    page = visit("/?story=1")
    page.set_viewport_size({"width": width, "height": 844})
    page.locator(PANEL).wait_for()
    wait_for_verdict(page, "✓ really Rudo")
    settle(page)
    box = page.locator(PANEL).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") <= width
