"""The tab Trust in a real browser."""

import pytest
from browsing import settle


@pytest.fixture
def trust(page):
    page.click("button[role=tab]:has-text('Trust')")
    page.wait_for_selector("table.trust-methods")
    return page


def test_every_map_has_an_alt_text_and_every_check_a_verdict(trust):
    assert trust.locator("table.trust-methods tbody tr").count() == 9 + 2
    assert all(text.strip().endswith(".") for text in trust.locator("td.says").all_inner_texts())
    assert trust.locator("table.trust-methods tr.predicted b").inner_text() == "Grad-CAM"
    assert trust.locator("#trust-sanity figure").count() == 6 and trust.locator("#trust-costs figure").count() == 4
    assert trust.inner_text("#trust-sanity .trust-verdict").split()[0].rstrip(":") in ("Passes", "Doubtful", "Fails")
    alts = trust.eval_on_selector_all("[id^=trust-] img", "images => images.map(image => image.alt)")
    assert len(alts) >= 10 + 6 + 3 and all(alts)
    trust.locator("#trust-sanity button.cell").first.click()
    assert trust.locator("dialog.lightbox img").bounding_box()["width"] > 500
    trust.keyboard.press("Escape")


def test_checks_that_came_with_the_app_are_labelled_and_can_be_run_again(visit):
    trust = visit("/?tab=trust&example=val%2F0_000")  # not the story's photo, whose shipped answer the golden file has
    trust.wait_for_selector("#trust-origin p")
    assert "Computed beforehand" in trust.inner_text("#trust-origin")
    verdict = trust.inner_text("#trust-sanity .trust-verdict").split(":")[0]
    trust.click("#trust-origin button")
    trust.wait_for_selector("#trust-origin p", state="detached", timeout=120_000)
    trust.wait_for_selector("table.trust-methods", timeout=120_000)
    assert trust.inner_text("#trust-sanity .trust-verdict").split(":")[0] == verdict
    trust.click("button[role=tab]:has-text('Explain')")
    trust.click("button[role=tab]:has-text('Trust')")
    settle(trust)
    assert trust.locator("#trust-origin p").count() == 0  # what was computed here stays


SHOWING_PROGRESS = """() => [...document.querySelectorAll('#tabs .progress-text, #tabs .eta-bar, #tabs .loader')]
    .filter((e) => e.getClientRects().length).map((e) => e.closest('.block').id)"""


def test_progress_is_shown_in_one_place_at_a_time(trust):
    trust.click("#layer input")
    trust.click("ul[role=listbox] li[aria-label='conv2']")  # no answer for it comes with the app
    seen = []
    while not trust.locator("#trust-methods h3:has-text('conv2')").count():
        seen.append(trust.evaluate(SHOWING_PROGRESS))
        trust.wait_for_timeout(100)
    assert any(seen) and all(set(ids) <= {"trust-methods"} for ids in seen)


def test_without_a_photo_a_sentence_replaces_the_table(trust):
    trust.click("#photo button[aria-label='Remove Image']")
    trust.wait_for_selector("#trust-methods [role=alert]:has-text('photo')")
    assert trust.locator("table.trust-methods").count() == 0 and trust.locator("#trust-sanity figure").count() == 0


@pytest.mark.parametrize("width", [390, 768])
def test_in_a_card_the_words_are_beside_the_map_and_the_bars_beside_their_numbers(trust, width):
    trust.set_viewport_size({"width": width, "height": 900})
    for card in trust.locator("table.trust-methods tbody tr").all():
        picture, name = card.locator("td").first.bounding_box(), card.locator("th").bounding_box()
        assert picture["x"] + picture["width"] <= name["x"]
        for cell in card.locator("td[data-name]:has(.area)").all():
            bar, value = cell.locator(".area").bounding_box(), cell.bounding_box()
            assert bar["x"] > value["x"] + 100 and bar["y"] < value["y"] + 20  # behind its number, on the same line


def test_a_narrow_page_does_not_scroll_sideways(trust):
    trust.set_viewport_size({"width": 390, "height": 844})
    assert trust.evaluate("document.documentElement.scrollWidth") <= 390
    widths = trust.eval_on_selector_all(
        "table.trust-methods td, .trust-row figure", "cells => cells.map(cell => cell.getBoundingClientRect().right)"
    )
    assert max(widths) <= 390
