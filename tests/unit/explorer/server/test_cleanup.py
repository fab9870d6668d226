"""What the sweep deletes, and what it leaves."""

from explorer.server.cleanup import Ages, sweep


def test_the_sweep_keeps_no_more_than_there_is_room_for(tmp_path):
    """The oldest go first, whatever their age."""
    ages = Ages()
    for name in ("tmp1", "tmp2", "tmp3"):
        (tmp_path / name).write_bytes(bytes(100))
        ages.of(tmp_path.iterdir())
    sweep(tmp_path, 1000, ages, room=300)
    assert len(list(tmp_path.iterdir())) == 3
    sweep(tmp_path, 1000, ages, room=250)
    assert {path.name for path in tmp_path.iterdir()} == {"tmp2", "tmp3"}


def test_the_sweep_leaves_what_is_not_its_own(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    for name in ("tmpx12", "somebody's.txt", "full/photo.jpg"):
        (tmp_path / name).write_text("x")
    (tmp_path / "tmplink").symlink_to(tmp_path / "full")
    ages = Ages()
    sweep(tmp_path, 1000, ages)
    assert len(list(tmp_path.iterdir())) == 5  # all too young
    sweep(tmp_path, -1, ages)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "somebody's.txt"]
    assert (tmp_path / "full/photo.jpg").is_file()
    sweep(tmp_path / "gone", 0, ages)
