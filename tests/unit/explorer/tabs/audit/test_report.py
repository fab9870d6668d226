"""What is shown and what is taken away: the same figures in JSON, CSV and HTML, links that open, words where nothing can be measured."""

import csv
import json
import re
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qsl

import pytest

import potplants
from explorer.deep_links import link_of
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.audit import statistics as figures
from explorer.tabs.audit import store
from explorer.tabs.audit.report import ReportFiles, report, rows
from explorer.tabs.audit.view import invitation, shown

EXAMPLES = examples.embedded()


def few(every):
    return replace(EXAMPLES, every=every)


FEW = few({key: example for key, example in EXAMPLES.every.items() if key[-3:] in ("000", "001")})


@pytest.fixture(scope="module")
def result():
    """One model twice under two names, so that two columns stand side by side."""
    twin = replace(potplants.MODELS["embedded"], name="twin")
    potplants.MODELS["twin"] = twin
    try:
        return store.Audits(ExplanationService(), FEW, store.StoredAudits(8)).of(
            store.audit_request("embedded", "twin"), lambda part, task: True
        )
    finally:
        del potplants.MODELS["twin"]


@pytest.fixture(scope="module")
def files(result):
    shelf = ReportFiles()
    yield shelf.files(result, View())
    del shelf  # with it its folder goes


def text(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_the_json_holds_the_figures(result, files):
    told = json.loads(files.report.read_text())
    assert told == json.loads(json.dumps(report(result)))
    assert told["photos"]["splits"] == {"val": 8, "test": 8} and len(told["photos"]["sha256"]) == 64
    assert [model["name"] for model in told["models"]] == ["embedded", "twin"]
    for model, audit in zip(told["models"], result.audits):
        for split in ("val", "test"):
            found = figures.accuracy(figures.of_split(audit.answers, split))
            assert (model["splits"][split]["right"], model["splits"][split]["photos"]) == (found.count, 8)
            assert sum(map(sum, model["splits"][split]["confusion"])) == 8
        assert model["repaint"]["followed"]["pot"]["of"] == 16 * 3
        assert (
            sum(sum(said.values()) for pots in model["repaint"]["table"].values() for said in pots.values()) == 16 * 4
        )
    assert told["differences"]["embedded"] == told["differences"]["twin"] == 0


def test_the_table_has_a_row_for_every_photo_and_model(result, files):
    with files.table.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows(result)) == 2 * 16
    for row in table:
        example = FEW.every[row["photo"]]
        assert (row["class"], row["pot_colour"]) == (example.really, example.pot_colour)
        logits = [float(row[f"logit_{name}"]) for name in potplants.CLASSES]
        assert row["said"] == potplants.CLASSES[logits.index(max(logits))]
        assert bool(int(row["right"])) == (row["said"] == row["class"])
        assert sum(float(row[f"heat_{part}"]) for part in ("pot", "plant", "soil", "background")) == pytest.approx(1)
        assert row["said_in_blue"] in potplants.CLASSES


def test_the_report_needs_nothing_beside_it(result, files):
    page = files.page.read_text()
    assert (
        "<a " not in page
        and not re.search(r'(src|href)="(?!data:)', page)
        and "http" not in re.sub(r"data:[^\"]+", "", page)
    )
    assert result.photos in page and result.weights["embedded"] in page
    assert files.page.name == "audit-embedded-twin.html"


def test_the_same_audit_has_the_same_files(result):
    shelf = ReportFiles()
    before = shelf.files(result, View()).table
    written = before.stat().st_mtime_ns
    assert shelf.files(result, View()).table.stat().st_mtime_ns == written
    assert shelf.files(result, View(colormap="viridis")).table != before


def test_every_photo_shown_opens_as_it_was_seen(result):
    html = shown(result, View(colormap="cividis"))
    links = [unescape(link) for link in re.findall(r'<a href="([^"]*)"', html)]
    assert len(links) == sum(
        len(chosen)
        for audit in result.audits
        for shown_by in (audit.worst, audit.random)
        for chosen in shown_by.values()
    )
    models = set()
    for address in links:
        asked = dict(parse_qsl(address.removeprefix("?")))
        models.add(asked.pop("model"))
        link, missing = link_of(asked, FEW, ["explain"])
        assert link.example in FEW.every and link.view.colormap == "cividis"
        assert link.tab == "explain" and not missing
    assert models == {"embedded", "twin"}


def test_the_causal_test_is_told_in_a_sentence(result):
    words = text(shown(result, View()))
    told = figures.followed(result.repainted["embedded"], result.audits[0].answers, result.owners)
    assert "embedded follows the pot." in words and f"names the pot’s owner in {100 * told.pot.share:.0f} %" in words
    assert f"{told.unchanged.count} of 16 answers stayed" in words


def test_an_audit_without_masks_says_so(tmp_path):
    (tmp_path / "test").mkdir()
    for label in range(4):
        file = EXAMPLES.every[f"test/{label}_000"].file
        (tmp_path / "test" / f"{label}_<b>.jpg").write_bytes(file.read_bytes())
    (tmp_path / "test" / "0_cut.jpg").write_bytes(b"\xff\xd8\xff")
    own = examples.from_folder(tmp_path)
    result = store.Audits(ExplanationService(), own, store.StoredAudits(4)).of(
        store.audit_request("embedded"), lambda part, task: True
    )
    html = shown(result, View())
    words = text(html)
    assert "no pot can be repainted" in words and "no share of heat can be measured" in words
    assert (
        "1 photo could not be read and is left out: test/0_cut" in words
        and "<b>.jpg" not in html
        and "0_<b>" not in html
    )
    assert report(result)["models"][0]["repaint"] is None and report(result)["unreadable"][0]["key"] == "test/0_cut"
    assert all(row["heat_pot"] == "" for row in rows(result))


def test_what_was_not_asked_is_not_claimed():
    asked = store.audit_request("embedded", split="val", repaint=False)
    result = store.Audits(ExplanationService(), FEW, store.StoredAudits(4)).of(asked, lambda part, task: True)
    words = text(shown(result, View()))
    assert "Not asked for in this audit" in words and "follows" not in words
    assert list(report(result)["models"][0]["splits"]) == ["val"] and "test" not in result.splits


def test_the_invitation_names_who_is_asked():
    assert "embedded and twin" in text(invitation(240, ("embedded", "twin"))) and "240" in invitation(
        240, ("embedded",)
    )
