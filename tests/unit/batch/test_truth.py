"""A run against the truth: the page's own audit counted again, from folders, from a table and from an archive."""

import shutil
from collections import Counter

import pytest
from live import ROOT

from batch import Options, Pace, Refused, run, write_report
from batch.report import summarise
from batch.truth import Truth
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import embedded
from explorer.tabs.audit.audit import audit as page_audit

CLASSES = ("rudo", "baya", "greg", "yuki")


@pytest.fixture
def folders(tmp_path):
    """Every tenth held-out photo, in a folder of its class, one of them written otherwise."""
    examples = embedded().splits["test"][::10]
    for example in examples:
        folder = tmp_path / "photos" / {"greg": "GREG"}.get(example.really, example.really)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(example.file, folder)
    return tmp_path / "photos", examples


def test_it_counts_what_the_page_counts(folders, tmp_path):
    folder, examples = folders
    run([folder], tmp_path / "out", Options(truth="folders"), Pace(workers=1))
    audit = summarise(tmp_path / "out", len(examples)).audit
    service = ExplanationService()
    of_page = page_audit(service.network("embedded"), service.classifier("embedded"), examples, lambda done: None)
    pairs = Counter((one.example.really, one.predicted) for one in of_page.predictions)
    assert audit.answers == pairs and audit.photos == len(examples) > 10
    wrong = [one for one in of_page.predictions if not one.correct]
    assert 0 < len(wrong) == audit.photos - audit.right
    worst = audit.worst()
    assert {row["path"].rpartition("/")[2] for row in worst} == {one.example.file.name for one in wrong}
    assert [row["probability"] for row in worst] == sorted((row["probability"] for row in worst), reverse=True)
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert f"{audit.right} of {audit.photos} are right" in page and "The most certain wrong answers" in page
    for one in audit.classes():
        right = sum(
            prediction.correct for prediction in of_page.predictions if prediction.example.really == one["name"]
        )
        assert one["right"] == right == pairs[one["name"], one["name"]]


def test_a_table_and_an_archive_name_the_truth(photos, archive, tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text("file,class\nphotos/a.jpg,Rudo\nphotos/b.jpg,nobody\nphotos/../photos/c.jpg,yuki\n")
    truth = Truth(str(table), CLASSES)
    assert [truth.of(str(photos / f"{name}.jpg")) for name in "abcd"] == ["rudo", None, "yuki", None]
    assert Truth("folders", CLASSES).of("/data/all.tar::set/baya/7.jpg") == "baya"
    assert Truth("folders", CLASSES).of("/baya/all.tar::7.jpg") is None and Truth("", CLASSES).of("/baya/7.jpg") is None


def test_photos_without_a_truth_are_told_apart(photos, run, tmp_path):
    (photos / "rudo").mkdir()
    shutil.move(photos / "a.jpg", photos / "rudo")
    (photos / "rudo/broken.jpg").write_bytes(b"")
    rows = {row["path"].rpartition("/")[2]: row["truth"] for row in run(photos, truth="folders")}
    assert rows == {"a.jpg": "rudo", "broken.jpg": "rudo", **dict.fromkeys(("b.jpg", "c.jpg", "d.jpg", "e.jpg"))}
    audit = summarise(tmp_path / "out", 6).audit
    assert audit.photos == 1 and audit.unread == {"rudo": 1}
    assert "not known of 4 photos" in write_report(tmp_path / "out").read_text(encoding="utf-8")


def test_without_a_truth_the_report_says_nothing_of_it(photos, run, tmp_path):
    assert {row["truth"] for row in run(photos)} == {None}
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Against the truth" not in page and "wrong answers" not in page


def test_what_cannot_be_a_truth_is_refused(photos, run, tmp_path):
    with pytest.raises(
        Refused, match="names no class of embedded for any photo; its classes are rudo, baya, greg, yuki"
    ):
        run(photos, truth="folders")
    with pytest.raises(Refused, match="cannot be read"):
        run(photos, truth=str(tmp_path / "no.csv"))
    with pytest.raises(Refused, match='no columns "file" and "class"'):
        run(photos, truth=str(ROOT / "benchmarks/README.md"))


def test_a_changed_table_is_refused(photos, run, tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text("file,class\nphotos/a.jpg,rudo\n")
    run(photos, truth=str(table))
    table.write_text("file,class\nphotos/a.jpg,baya\n")
    with pytest.raises(Refused, match="The true classes have changed"):
        run(photos, truth=str(table))
