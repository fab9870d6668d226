"""A run against the truth: the page's own audit counted again, from folders, from a table and from an archive."""

import os
import shutil
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live import ROOT

from batch import Options, Pace, Refused, write_report
from batch import run as run_all
from batch.audit import Audit
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
    run_all([folder], tmp_path / "out", Options(truth="folders"), Pace(workers=1))
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


def test_a_table_names_the_truth(photos, tmp_path):
    table = tmp_path / "truth.csv"
    rows = (
        'file,class\nphotos/a.jpg,Rudo\nphotos/b.jpg,nobody\nphotos/../photos/c.jpg,yuki\n"photos/d\u2028\n.jpg",greg\n'
    )
    table.write_text(rows, encoding="utf-8")
    truth = Truth(str(table), CLASSES)
    assert [truth.of(str(photos / f"{name}.jpg")) for name in "abcd"] == ["rudo", None, "yuki", None]
    assert truth.of(str(photos / "d\u2028\n.jpg")) == "greg"
    assert Truth("", CLASSES).of("/baya/7.jpg") is None


def table_of(folder, content):
    """The truth by a table of this content, text or bytes."""
    (folder / "truth.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return Truth(str(folder / "truth.csv"), (*CLASSES, "hat, red"))


@pytest.mark.parametrize(
    "content",
    [
        "\ufefffile,class\r\na.jpg,rudo\r\n",
        "class, file\nrudo,a.jpg\n\n,\n",
        ",file,class,\n0,./b/../a.jpg,RUDO,\n1,a.jpg,rudo\n",
        'class,file\n"rudo","a.jpg"\nbaya\n',
    ],
)
def test_tables_are_written_in_many_ways(tmp_path, content):
    assert table_of(tmp_path, content).of(f"{tmp_path}/a.jpg") == "rudo"


def test_a_photo_is_known_in_either_unicode_form_and_by_any_way_to_it_in_an_archive(tmp_path):
    truth = table_of(tmp_path, "file,class\ne\u0301.jpg,rudo\nu.tar::./a//\u00fc.jpg,baya\n")
    assert truth.of(f"{tmp_path}/\u00e9.jpg") == truth.of(f"{tmp_path}/e\u0301.jpg") == "rudo"
    assert truth.of(f"{tmp_path}/u.tar::./a//u\u0308.jpg") == "baya"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", 'no columns "file" and "class", its first line is \'\'; write them there'),
        ("file;class\na.jpg;rudo\n", "its first line is 'file;class'; write them there with a comma between"),
        ("file,class\na.jpg,rudo\nb.jpg,hat, red\n", "Line 3 of .* has more columns .* between quotation marks"),
        ("file,class\na.jpg,rudo\nx/../a.jpg,baya\n", "Line 3 of .* gives 'x/../a.jpg' another class than"),
        ("file,class\na.jpg,rudo\na.jpg,nobody\n", "another class than a line above"),
        ('file,class\n"a.jpg,rudo\nb.jpg,baya\n', "cannot be read: unexpected end of data in line 3; name a CSV"),
        ("file,class\na.jpg,rudo\n".encode("utf-16"), "cannot be read: it is no text in UTF-8; name a CSV file"),
    ],
)
def test_a_table_that_says_no_one_thing_is_refused(tmp_path, content, words):
    with pytest.raises(Refused, match=words):
        table_of(tmp_path, content)


def test_what_is_no_table_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("pipe", "it is not a file"), (".", "it is not a file"), ("Folders", "it is not there")):
        with pytest.raises(Refused, match=f'cannot be read: {why}; name a CSV file in UTF-8, or "folders" for'):
            Truth(str(tmp_path / name), CLASSES)


def test_folders_in_an_archive_name_the_truth(photos, archive, run):
    content = (photos / "a.jpg").read_bytes()
    tar = archive(("set/Baya/7.jpg", content), ("rudo/8.jpg", content), ("9.jpg", content))
    assert [row["truth"] for row in run(tar, truth="folders")] == ["baya", "rudo", None]


@pytest.mark.parametrize("targets", ["predicted", "all", "top5"])
def test_wrong_answers_are_kept_whichever_targets_were_asked_for(folders, tmp_path, targets):
    folder, examples = folders
    run_all([folder], tmp_path / "out", Options(truth="folders", targets=targets, layers="all"), Pace(workers=1))
    audit = summarise(tmp_path / "out", len(examples)).audit
    worst = audit.worst()
    assert len(worst) == len({row["photo"] for row in worst}) == audit.photos - audit.right > 0
    assert all(row["target"] == row["predicted"] != row["truth"] for row in worst)


def test_of_many_wrong_answers_the_most_certain_are_kept():
    audit = Audit(shown=2)
    for photo in range(500):
        audit.keep({"photo": photo, "rank": 1, "truth": "a", "predicted": "b", "probability": (photo * 37 % 500) / 500})
        audit.keep({"photo": photo, "rank": 1, "truth": "a", "predicted": "b", "probability": 1.0})  # at another layer
    assert [row["probability"] for row in audit.worst()] == [499 / 500, 498 / 500] and len(audit.wrong) <= 200


def test_photos_without_a_truth_are_told_apart(photos, run, tmp_path):
    (photos / "rudo").mkdir()
    shutil.move(photos / "a.jpg", photos / "rudo")
    (photos / "rudo/broken.jpg").write_bytes(b"")
    rows = {row["path"].rpartition("/")[2]: row["truth"] for row in run(photos, truth="folders")}
    assert rows == {"a.jpg": "rudo", "broken.jpg": "rudo", **dict.fromkeys(("b.jpg", "c.jpg", "d.jpg", "e.jpg"))}
    audit = summarise(tmp_path / "out", 6).audit
    assert audit.photos == 1 and audit.unread == {"rudo": 1}
    assert "not known of 4 photos" in write_report(tmp_path / "out").read_text(encoding="utf-8")


def test_the_report_says_why_a_truth_is_not_known(photos, run, tmp_path):
    (tmp_path / "no text \udcff.csv").write_text("file,class\nphotos/a.jpg,rudo\nphotos/c.jpg,\n")
    (photos / "a.jpg").write_bytes(b"")
    run(photos, truth=str(tmp_path / "no text \udcff.csv"))
    page = " ".join((tmp_path / "out/report.html").read_text(encoding="utf-8").split())
    assert "No photo of a known class was answered." in page and "no text \\udcff.csv says" in page
    assert "not known of 4 photos: the table names no class of the network for them. Photos of a known" in page
    assert "class that could not be read, and do not count: 1." in page


def test_classes_beyond_those_shown_are_counted():
    audit = Audit(shown=2)
    for photo in range(40):
        audit.count({"photo": photo, "error": None, "truth": str(photo), "predicted": "7"})
    assert len(audit.classes()) == 30 and audit.classes_left == 10


def test_wrong_answers_without_a_map_are_not_passed_over_in_silence(folders, tmp_path):
    folder, _ = folders
    run_all([folder], tmp_path / "out", Options(truth="folders", targets="baya,yuki"), Pace(workers=1))
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Only answers that were asked for have a map to show: baya,yuki." in page


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


def test_a_table_that_names_none_of_the_photos_is_refused_with_a_path_of_each(photos, run, tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text("file,class\na.jpg,rudo\n")
    words = f"names none of the photos: its first is {tmp_path}/a.jpg, theirs {photos}/a.jpg; write each as a whole"
    with pytest.raises(Refused, match=words):
        run(photos, truth=str(table))
    table.write_text("file,class\n,\n")
    with pytest.raises(Refused, match="names no file; write one in each line"):
        run(photos, truth=str(table))
    table.write_text("file,class\nphotos/a.jpg,nobody\n")
    with pytest.raises(Refused, match="names no class of embedded for any photo; its classes are rudo"):
        run(photos, truth=str(table))


def test_rows_of_parquet_have_a_truth_by_a_table_alone(photos, run, tmp_path):
    content = (photos / "a.jpg").read_bytes()
    pq.write_table(pa.table({"image": [content, content]}), tmp_path / "rudo.parquet")
    with pytest.raises(Refused, match="lie in no folder; name a table with lines such as .*rudo.parquet::0,rudo"):
        run(tmp_path / "rudo.parquet", truth="folders")
    (tmp_path / "truth.csv").write_text("file,class\nrudo.parquet::1,baya\n")
    rows = run(tmp_path / "rudo.parquet", truth=str(tmp_path / "truth.csv"))
    assert [row["truth"] for row in rows] == [None, "baya"]


def test_a_run_goes_on_from_another_working_folder(photos, run, tmp_path, monkeypatch):
    (tmp_path / "truth.csv").write_text("file,class\nphotos/a.jpg,rudo\n")
    monkeypatch.chdir(tmp_path)
    before = run(photos, truth="truth.csv")
    monkeypatch.chdir(photos)
    assert run(photos, truth="../truth.csv") == before
    (photos / "truth.csv").write_text("file,class\nphotos/a.jpg,rudo\n")
    with pytest.raises(Refused, match="names none of the photos"):  # of the same bytes, but of other files
        run(photos, truth="truth.csv")


def test_a_changed_table_is_refused(photos, run, tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text("file,class\nphotos/a.jpg,rudo\n")
    run(photos, truth=str(table))
    table.write_text("file,class\nphotos/a.jpg,baya\n")
    with pytest.raises(Refused, match="The true classes have changed"):
        run(photos, truth=str(table))


def test_a_network_that_answers_with_a_number_has_no_truth():
    with pytest.raises(Refused, match="answers with a number"):
        Truth("folders", ()).check(["/rudo/a.jpg"], "owner/name")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("/photos/rudo/a::b.jpg", "rudo"),
        ("/rudo::old/greg/b.jpg", "greg"),
        ("/photos/of.tar::rudo/a::b.jpg", "rudo"),
        ("/my::photos/OF.TAR::rudo/b.jpg", "rudo"),
        ("/photos/of.tar::rudo/more.tar::b.jpg", "rudo"),
        ("/rudo/of.tar::b.jpg", None),
        ("/rudo/broken.tar::", None),
        ("/rudo/of.parquet::7", None),
    ],
)
def test_two_colons_in_a_name_are_not_taken_for_an_archives(label, expected):
    assert Truth("folders", CLASSES).of(label) == expected
