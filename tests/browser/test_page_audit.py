"""The tab Audit in a real browser: start, stop, downloads, and photos that open in Explain."""

import csv
import json
from pathlib import Path

from browsing import audit_val, wait_for_verdict

import potplants

SHIPPED = json.loads(potplants.MODELS["embedded"].weights.with_suffix(".json").read_text())


def open_tab(page):
    page.click("#tabs button[role=tab]:has-text('Audit') >> nth=0")
    page.wait_for_selector("#audit-start")


def test_an_audit_has_tables_downloads_and_links_to_explain(page):
    open_tab(page)
    audit_val(page)
    run = next(run for run in SHIPPED["runs"] if run["seed"] == SHIPPED["shipped seed"])
    assert f"{100 * run['val']['accuracy']:.1f} %" in page.inner_text("#audit-result table.accuracy")
    assert page.locator("#audit-result table.confusion").count() == 1
    with page.expect_download() as download:
        page.click("button:has-text('Download CSV')")
    with Path(download.value.path()).open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 120
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    link = page.locator("#audit-result .instances a").first
    key = link.locator("xpath=..").locator("small").inner_text()
    link.click()
    page.wait_for_selector("table.matrix")
    wait_for_verdict(page, "✗ really Rudo")  # the first shown is Rudo's most confident mistake
    page.wait_for_function("key => decodeURIComponent(location.search).includes(key)", arg=key)


def test_the_tab_opens_with_its_sentence_which_came_with_the_app_and_computes_it_again(page):
    open_tab(page)
    assert "follows the pot" in page.inner_text("#audit-result .headline")
    assert "Computed beforehand" in page.inner_text("#audit-result")
    order = page.locator("#audit-result h3").all_inner_texts()
    assert order[0] == "Every plant in every pot"
    table, heading = (
        page.locator(f"#audit-result {part}").first.bounding_box() for part in (".pots", "h3:has-text('How often')")
    )
    assert heading["y"] > table["y"] + table["height"] + 15
    page.click("label:has-text('Repaint every pot')")  # a third of the work is enough to see it
    page.wait_for_selector("#audit-result .headline:has-text('is right for')")
    page.click("#audit-start")
    page.wait_for_selector("#audit-result .audit:not(:has-text('Computed beforehand')) table.accuracy", timeout=120_000)


def test_the_report_fits_on_a_phone(page):
    open_tab(page)
    page.wait_for_selector("#audit-result .headline")
    with page.expect_download() as download:
        page.click("button:has-text('Download report')")
    page.set_viewport_size({"width": 390, "height": 844})
    page.set_content(download.value.path().read_text(encoding="utf-8"))
    assert page.locator("h1").count() == 1 and page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_number_opens_its_photos_which_can_be_filtered(page):
    open_tab(page)
    cell = "table.confusion:has(caption:has-text('embedded, test')) tbody tr"
    page.locator(cell).first.locator("button.count").first.click()
    page.wait_for_selector("#audit-photos.open .chosen")
    assert "29 photos of test that show Rudo, called Baya" in page.inner_text("#audit-photos [role=status]")
    assert page.locator("#audit-photos figure").count() == 29
    page.select_option("#audit-photos select[name=said]", "")
    page.wait_for_selector("#audit-photos [role=status]:has-text('30 photos of test that show Rudo')")
    assert page.evaluate("document.activeElement.name") == "said"
    page.keyboard.press("Escape")
    page.locator("#audit-photos").wait_for(state="hidden")
    page.locator(".pots[aria-label=embedded] tbody tr").first.locator("button.count").nth(1).click()
    page.wait_for_selector("#audit-photos [role=status]:has-text('the pot painted blue')")
    link = page.locator("#audit-photos figure a").first.get_attribute("href")
    assert "tab=what-if" in link and "colour=blue" in link


def test_a_stopped_audit_can_be_followed_by_another(page):
    open_tab(page)
    page.wait_for_selector("#audit-result .headline")
    page.click("#audit-start")
    page.click("#audit-stop")
    page.wait_for_selector("#audit-result :text('Stopped')")
    page.wait_for_selector("#audit-stop", state="hidden")
    audit_val(page)
