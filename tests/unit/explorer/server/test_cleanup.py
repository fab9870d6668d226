"""Deletion of old files: what `sweep` deletes, and what it leaves."""

from explorer.server.cleanup import FileAges, sweep


def test_the_oldest_files_over_the_quota_are_deleted(tmp_path):
    """Whatever their age."""
    ages = FileAges()
    for name in ("tmp1", "tmp2", "tmp3"):
        (tmp_path / name).write_bytes(bytes(100))
        ages.of(tmp_path.iterdir())
    sweep(tmp_path, 1000, ages, quota=300)
    assert len(list(tmp_path.iterdir())) == 3
    sweep(tmp_path, 1000, ages, quota=250)
    assert {path.name for path in tmp_path.iterdir()} == {"tmp2", "tmp3"}


def test_files_of_others_are_left(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    for name in ("tmpx12", "another-program.txt", "full/photo.jpg"):
        (tmp_path / name).write_text("x")
    (tmp_path / "tmplink").symlink_to(tmp_path / "full")
    ages = FileAges()
    sweep(tmp_path, 1000, ages)
    assert len(list(tmp_path.iterdir())) == 5  # all too young
    sweep(tmp_path, -1, ages)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another-program.txt", "full"]
    assert (tmp_path / "full/photo.jpg").is_file()
    sweep(tmp_path / "gone", 0, ages)
