"""The downloadable files: JSON and CSV hold the statistics' figures, the HTML page needs nothing else."""

import csv
import json
import re

import pytest

import potplants
from explorer.settings import View
from explorer.tabs.audit import statistics
from explorer.tabs.audit.report import ReportFiles, report, rows


@pytest.fixture(scope="module")
def files(result):
    reports = ReportFiles()
    yield reports.files(result, View())
    del reports  # which deletes its folder


def test_json_holds_the_figures(result, files):
    content = json.loads(files.report.read_text())
    assert content == json.loads(json.dumps(report(result)))
    assert content["photos"]["splits"] == {"val": 8, "test": 8} and len(content["photos"]["sha256"]) == 64
    assert [model["name"] for model in content["models"]] == ["embedded", "twin"]
    for model, audit in zip(content["models"], result.audits):
        for split in ("val", "test"):
            accuracy = statistics.accuracy(statistics.select(audit.predictions, split))
            assert (model["splits"][split]["right"], model["splits"][split]["photos"]) == (accuracy.count, 8)
            assert sum(map(sum, model["splits"][split]["confusion"])) == 8
        assert model["repaint"]["followed"]["pot"]["of"] == 16 * 3
        cells = [counts for pots in model["repaint"]["table"].values() for counts in pots.values()]
        assert sum(sum(counts.values()) for counts in cells) == 16 * 4
    assert content["differences"]["embedded"] == content["differences"]["twin"] == 0


def test_table_has_a_row_for_every_photo_and_model(result, files, two_per_class):
    with files.table.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows(result)) == 2 * 16
    for row in table:
        example = two_per_class.every[row["photo"]]
        assert (row["class"], row["pot_colour"]) == (example.really, example.pot_colour)
        logits = [float(row[f"logit_{name}"]) for name in potplants.CLASSES]
        assert row["said"] == potplants.CLASSES[logits.index(max(logits))]
        assert bool(int(row["right"])) == (row["said"] == row["class"])
        assert sum(float(row[f"heat_{part}"]) for part in ("pot", "plant", "soil", "background")) == pytest.approx(1)
        assert row["said_in_blue"] in potplants.CLASSES


def test_html_report_has_no_external_resources(result, files):
    page = files.page.read_text()
    assert "<a " not in page and not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in re.sub(r"data:[^\"]+", "", page)
    assert result.photos in page and result.weights["embedded"] in page
    assert files.page.name == "audit-embedded-twin.html"


def test_files_of_the_same_audit_are_written_once(result):
    reports = ReportFiles()
    before = reports.files(result, View()).table
    written = before.stat().st_mtime_ns
    assert reports.files(result, View()).table.stat().st_mtime_ns == written
    assert reports.files(result, View(colormap="viridis")).table != before


def test_report_without_masks_has_no_heat_on_parts(maskless):
    content = report(maskless)
    assert content["models"][0]["repaint"] is None and content["unreadable"][0]["key"] == "test/0_cut"
    assert all(row["heat_pot"] == "" for row in rows(maskless))


def test_report_of_one_split_has_no_other(val_only):
    assert list(report(val_only)["models"][0]["splits"]) == ["val"] and "test" not in val_only.splits
