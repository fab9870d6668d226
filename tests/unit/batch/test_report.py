"""The report: counts that add up, every text escaped, one file that asks for nothing else."""

import re

import pytest

from batch import Refused, write_report
from batch.report import sample_of, summarise
from batch.taking import photo_at


def test_the_report_counts_every_photo_and_shows_pictures(run, photos, tmp_path):
    (photos / "b.jpg").write_bytes(b"no photo")
    rows = run(photos, targets="top5")
    summary = summarise(tmp_path / "out", 5)
    assert (summary.rows, summary.photos, summary.failed) == (len(rows), 5, 1) and len(rows) == 4 * 4 + 1
    assert sum(one.photos for one in summary.classes.values()) == 4
    assert sum(summary.states.values()) == 17 and summary.states["unreadable"] == 1
    certainties = [row["probability"] for row in summary.least_certain]
    assert certainties == sorted(certainties) and len(certainties) == 4
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") >= 8 and "not a photo" in page


def test_names_and_errors_are_escaped_and_nothing_is_fetched(run, photos, tmp_path):
    (photos / "<script>alert(1)<!-- &\n.jpg").write_bytes(b"x")
    run(photos)
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;!-- &amp;" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page) and "url(" not in page


def test_the_sample_is_the_rule_that_is_written(run, photos, tmp_path):
    import numpy as np

    run(photos)
    assert sample_of(1000) == set(np.random.default_rng(0).choice(1000, 12, replace=False))
    assert "numpy.random.default_rng(0).choice(5, 5, replace=False)" in (tmp_path / "out/report.html").read_text()


def test_photos_that_are_gone_or_lie_in_archives(run, archive, photos, tmp_path):
    tar = archive(("a.jpg", (photos / "a.jpg").read_bytes()))
    run(tar, photos / "b.jpg")
    with_photos = (tmp_path / "out/report.html").read_text()
    (photos / "b.jpg").unlink()
    write_report(tmp_path / "out")
    without = (tmp_path / "out/report.html").read_text()
    assert with_photos.count("<img") - without.count("<img") == 2 and "cannot be shown" in without


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(Refused, match="holds no run"):
        write_report(tmp_path)


def test_a_photo_in_an_archive_is_found_again_below_any_folder(photos, archive, tmp_path):
    (tmp_path / "my::photos").mkdir()
    tar = archive(("a::b.jpg", (photos / "a.jpg").read_bytes()), name="my::photos/of.tar")
    assert photo_at(f"{tar}::a::b.jpg").shape == photo_at(str(photos / "a.jpg")).shape
