"""The tab Audit in a real browser: a button begins it, another stops it, its photos open in Explain, its files can be had."""

import csv
import json

from browsing import ask_about_val, say

import potplants

SHIPPED = json.loads(potplants.MODELS["embedded"].weights.with_suffix(".json").read_text())


def open_tab(page):
    page.click("#tabs button[role=tab]:has-text('Audit') >> nth=0")
    page.wait_for_selector("#audit-start")


def test_an_audit_can_be_read_taken_away_and_opened(page):
    open_tab(page)
    ask_about_val(page)
    run = next(run for run in SHIPPED["runs"] if run["seed"] == SHIPPED["shipped seed"])
    assert f"{100 * run['val']['accuracy']:.1f} %" in page.inner_text("#audit-result table.accuracy")
    assert page.locator("#audit-result table.confusion").count() == 1
    with page.expect_download() as download:
        page.click("button:has-text('Download CSV')")
    with open(download.value.path(), newline="") as file:
        assert len(list(csv.DictReader(file))) == 120
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    link = page.locator("#audit-result .instances a").first
    key = link.locator("xpath=..").locator("small").inner_text()
    link.click()
    page.wait_for_selector("table.matrix")
    say(page, "✗ really Rudo")  # the first shown is Rudo's most confident mistake
    page.wait_for_function("key => decodeURIComponent(location.search).includes(key)", arg=key)


def test_stop_ends_it_and_another_can_begin(page):
    open_tab(page)
    page.wait_for_selector("#audit-result :text('One photo proves little')")
    page.click("#audit-start")
    page.click("#audit-stop")
    page.wait_for_selector("#audit-result :text('Stopped')")
    page.wait_for_selector("#audit-stop", state="hidden")
    ask_about_val(page)
