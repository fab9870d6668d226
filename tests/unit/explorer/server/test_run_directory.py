"""The temporary directory of a run: private to its user, and deleted with the run."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event, Thread

import pytest
from live import ROOT

from explorer.server import run_directory

CREATE = """
import os, sys
from explorer.server import run_directory
assert "gradio" not in sys.modules
if sys.argv[1]:  # only now, since that user may have no access to Python's files
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
try:
    print(run_directory.create())
except ValueError as error:
    print(error)
    sys.exit(2)
"""
NOBODY = 65534
as_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be somebody else")
posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows keeps its users' temporary files apart itself")


@pytest.fixture
def shared(tmp_path_factory):
    """A folder such as /tmp: world-writable, with the sticky bit."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own are closed to others
        Path(place).chmod(0o1777)
        yield Path(place)


def create_in_process(user=None, **environment):
    """(exit status, stdout) of a process that creates its directory and ends."""
    command = [sys.executable, "-c", CREATE, str(user or "")]
    variables = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"} | environment
    process = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=ROOT, check=False)
    assert "Traceback" not in process.stderr, process.stderr
    return process.returncode, process.stdout.strip()


@as_root
def test_each_user_has_a_directory(shared):
    for user in (None, NOBODY, None):
        status, place = create_in_process(user, TMPDIR=str(shared))
        assert status == 0, place
        around = Path(place).parent
        assert (
            around.parent == shared and around.stat().st_uid == (user or 0) and around.stat().st_mode & 0o777 == 0o700
        )
        assert list(around.iterdir()) == []
    assert len(list(shared.iterdir())) == 2


@as_root
@pytest.mark.parametrize("squat", ["a folder", "a link"])
def test_another_users_directory_is_not_used(shared, squat):
    place = shared / f"gradio-{NOBODY}"
    (shared / "theirs").mkdir()
    os.chown(shared / "theirs", NOBODY, NOBODY)
    place.mkdir(mode=0o777) if squat == "a folder" else place.symlink_to(shared / "theirs")
    status, sentence = create_in_process(NOBODY, TMPDIR=str(shared))
    assert (status, sentence) == (2, f"{place} is not a folder of yours: set GRADIO_TEMP_DIR to a folder of your own.")


@as_root
def test_a_permission_error_is_not_reported_as_a_full_disk(shared):
    (shared / "root's").mkdir(mode=0o755)
    status, sentence = create_in_process(NOBODY, GRADIO_TEMP_DIR=str(shared / "root's" / "deeper"))
    assert status == 2 and "Permission denied" in sentence and "make room" not in sentence
    assert sentence.endswith("set GRADIO_TEMP_DIR to a folder of your own.")


@posix
def test_a_directory_open_to_others_is_made_private(shared):
    place = shared / f"gradio-{os.getuid()}"
    place.mkdir()
    place.chmod(0o777)
    status, _ = create_in_process(TMPDIR=str(shared))
    assert status == 0 and place.stat().st_mode & 0o777 == 0o700


def test_no_temporary_directory_is_one_sentence(monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(ValueError, match="nowhere to write temporary files: set GRADIO_TEMP_DIR"):
        run_directory.create()


def test_remove_while_a_thread_still_writes(tmp_path):
    """As at the end of a program, which does not wait for its threads."""
    stop, begun = Event(), Event()
    (tmp_path / "run").mkdir()

    def write():
        for number in range(10**6):
            if stop.is_set():
                return
            try:
                (tmp_path / "run" / str(number % 100)).mkdir(exist_ok=True)
                (tmp_path / "run" / str(number % 100) / "photo").write_bytes(b"somebody's")
            except OSError:  # gone meanwhile
                continue
            if number == 1000:
                begun.set()

    writer = Thread(target=write)
    writer.start()
    begun.wait(60)
    try:
        run_directory.remove(tmp_path / "run")
        assert list(tmp_path.iterdir()) == []
    finally:
        stop.set()
        writer.join()


def test_write_atomically_does_not_disturb_readers(tmp_path):
    place = tmp_path / "photo"
    run_directory.write_atomically(place, b"one", temp_dir=tmp_path)
    with place.open("rb") as reader:
        run_directory.write_atomically(place, b"another", temp_dir=tmp_path)
        assert reader.read() == b"one"
    assert place.read_bytes() == b"another" and list(tmp_path.iterdir()) == [place]


def test_a_failed_write_leaves_no_file(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        run_directory.write_atomically(tmp_path / "taken", b"words", temp_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
