"""This run's own folder for uploads and whatever else is written for a while. It ends with the run; after a run that was killed, the next one clears it away."""

import atexit
import errno
import os
import shutil
import stat
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
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PRIVATE = 0o700
ANOTHER = "set GRADIO_TEMP_DIR to a folder of your own"


def create() -> Path:
    """Make it, and let Gradio and Python's tempfile write there from now on.

    It comes before Gradio is imported: some of its modules look up where to write only once. Raises ValueError, with one
    sentence, where nothing can be written.
    """
    asked = os.environ.get("GRADIO_TEMP_DIR")
    around = Path(asked).resolve() if asked else _of_this_user()
    folder = None
    try:
        if asked:
            around.mkdir(parents=True, exist_ok=True)
        else:
            _claim(around)
        clear_away(around)
        folder = _own(around)
        for name in ("uploads", "passing"):
            folder.joinpath(name).mkdir()
        folder.joinpath("probe").write_bytes(bytes(PROBE))
        folder.joinpath("probe").unlink()
    except OSError as error:
        if folder:
            remove(folder)
        remedy = f"make room, or {ANOTHER}" if error.errno in FULL else ANOTHER
        raise ValueError(f"Nothing can be written in {around} ({error.strerror}): {remedy}.") from None
    atexit.register(remove, folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    tempfile.tempdir = str(folder / "passing")
    return folder


def clear_away(around: Path):
    """Delete the folders of runs that are no more."""
    for folder in around.glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            held = _hold(folder)
            if held is not None:
                remove(folder)
                os.close(held)


def remove(folder: Path):
    """Delete a folder, also one in which threads still write: under its other name they do not find it."""
    gone = folder.with_name(f"{folder.name}-gone")
    for _ in range(ATTEMPTS):  # some write by making whatever is missing on the way
        with suppress(OSError):
            folder.rename(gone)
        for place in (gone, folder):
            shutil.rmtree(place, ignore_errors=True)
        if not folder.exists():
            break


def write_whole(place: Path, data: bytes, aside: str | Path):
    """Write a file that is never there by half, and never changes under those who read it. `aside` is a folder of the same disk."""
    handle, part = tempfile.mkstemp(dir=aside)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(part, place)
    except BaseException:  # no room, or no more time: what is there of it takes up more
        os.unlink(part)
        raise


def _of_this_user():
    """Where runs have their folders unless somebody says so: beside Gradio's usual place, one for each user of the machine."""
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # on Windows every user has temporary files apart
    try:
        return Path(tempfile.gettempdir()).resolve() / f"gradio{user}"
    except OSError:
        raise ValueError(f"There is nowhere to write temporary files: {ANOTHER}.") from None


def _claim(around):
    """Make it, for this user alone. Where all may write, somebody else could have made it first, or a link: then it raises ValueError."""
    around.mkdir(mode=PRIVATE, exist_ok=True)
    found = around.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise ValueError(f"{around} is not a folder of yours: {ANOTHER}.")
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        around.chmod(PRIVATE)


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
