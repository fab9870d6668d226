"""The photos behind a number of an audit: each number counts the photos that it opens."""

import re
from dataclasses import asdict, replace
from html import unescape
from urllib.parse import parse_qsl

import pytest

from explorer.settings import View
from explorer.tabs.audit.chosen import ANY, Filter, choices, chosen, filter_of
from explorer.tabs.audit.chosen_view import sheet
from explorer.tabs.audit.view import document, shown


def buttons(html):
    """(words, the filter's values) of each number that can be pressed."""
    for attributes, words in re.findall(r'<button type="button" class="count"([^>]*)>([^<]*)</button>', html):
        yield unescape(words), dict(re.findall(r' data-(\w+)="([^"]*)"', attributes))


def test_every_number_opens_as_many_photos_as_it_says(result):
    counted = 0
    for words, values in buttons(shown(result, View())):
        photos = chosen(result, filter_of(values, result))
        number = re.match(r"\d+", words)
        expected = int(number[0]) if number else len(result.audits[0].predictions)  # "All of embedded"
        assert len(photos) == expected, (words, values)
        counted += 1
    # of two models: right and wrong in two splits, confusions, every plant in every pot, all
    assert counted >= 2 * (2 + 2 * 4 + 16 + 1)


def test_a_report_alone_has_no_number_to_press(result):
    assert not list(buttons(document(result, View())))


def test_a_filter_lets_through_what_a_plain_loop_finds(result):
    audit = result.audits[0]
    for wanted in (
        Filter("embedded", split="test", really="rudo", said="baya"),
        Filter("embedded", answer="wrong"),
        Filter("embedded", hottest="pot", answer="right"),
    ):
        expected = set()
        for one in audit.predictions:
            fits = wanted.split in ("", one.example.split) and wanted.really in ("", one.example.really)
            fits = fits and wanted.said in ("", one.predicted) and (not wanted.hottest or wanted.hottest in one.hottest)
            right = one.predicted == one.example.really
            if fits and {"": True, "right": right, "wrong": not right}[wanted.answer]:
                expected.add(one.example.key)
        photos = chosen(result, wanted)
        assert {one.example.key for one in photos} == expected and expected
        probabilities = [one.probability for one in photos]
        assert probabilities == sorted(probabilities, reverse=True)


def test_of_a_painted_pot_the_answer_to_that_paint_counts(result):
    colour = choices(result)["colour"][0]
    photos = chosen(result, Filter("embedded", really="rudo", colour=colour))
    said = {one.example.key: one.predicted for one in result.repainted["embedded"] if one.colour == colour}
    assert photos and all(one.said == said[one.example.key] and one.probability is None for one in photos)
    html = unescape(sheet(result, Filter("embedded", really="rudo", colour=colour)))
    for address in re.findall(r'<a href="\?([^"]*)"', html):
        link = dict(parse_qsl(address))
        assert link["tab"] == "what-if" and link.get("colour", "red") == colour


def test_the_sheet_shows_the_photos_and_its_filter(result):
    wanted = Filter("embedded", split="test", really="rudo", said="baya")
    html, photos = sheet(result, wanted), chosen(result, wanted)
    assert f"{len(photos)} photo" in html and html.count("<figure>") == len(photos) > 0
    selected = re.findall(r'<option value="([^"]*)" selected>', html)
    assert selected == [value for value in asdict(wanted).values() if value != ANY]
    assert " selected>Rudo</option>" in html and " selected>test</option>" in html  # as the tables call them


@pytest.mark.parametrize("values", [{}, {"model": "nobody"}, {"model": "embedded", "really": "<b>"}])
def test_a_filter_that_the_audit_does_not_have_is_a_sentence(result, values):
    with pytest.raises(ValueError, match="This audit has no (model|really) of that name; choose one of") as error:
        filter_of(values, result)
    assert "<b>" not in str(error.value)


def test_without_repainting_there_is_no_paint_to_filter_by(result):
    plain = replace(result, repainted=dict.fromkeys(result.repainted, ()))
    assert choices(plain)["colour"] == () and 'name="colour"' not in sheet(plain, Filter("embedded"))
