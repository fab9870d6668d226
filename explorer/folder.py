"""This run's own folder for uploads and whatever else is written for a while. It ends with the run; after a run that was killed, the next one clears it away."""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is cleared away there
    fcntl = None

PREFIX = "where-did-it-look-"
ATTEMPTS = 9
PROBE = 10**6  # bytes: a disk without room for them is told of at the start, not by the page that fails to open


def move_in() -> Path:
    """Make it, and let Gradio and Python's tempfile write there from now on. Raises ValueError, with one sentence, where nothing can be written."""
    around = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir(), "gradio")).resolve()
    folder = None
    try:
        around.mkdir(parents=True, exist_ok=True)
        clear_away(around)
        folder = _own(around)
        for name in ("uploads", "passing"):
            folder.joinpath(name).mkdir()
        folder.joinpath("probe").write_bytes(bytes(PROBE))
        folder.joinpath("probe").unlink()
    except OSError as error:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise ValueError(f"Nothing can be written in {around} ({error.strerror}): make room, or set GRADIO_TEMP_DIR to another folder.") from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    tempfile.tempdir = str(folder / "passing")
    return folder


def clear_away(around: Path):
    """Delete the folders of runs that are no more."""
    for folder in around.glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone meanwhile
            held = _hold(folder)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _own(around):
    """A new folder, held; another run that starts just now may have cleared the first one away before it was."""
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=around))
        with suppress(FileNotFoundError):
            _hold(folder)
            if folder.is_dir():
                break
    return folder


def _hold(folder):
    """A descriptor that holds the folder for this process, however it ends; None where another process holds it."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    except OSError:
        os.close(descriptor)
        return None
