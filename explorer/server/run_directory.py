"""Temporary directory of this run, for uploads and all else; deleted at its end, after a kill -9 by the next run.

The lock is flock on the directory itself. FileLock of filelock, tried in its place, saves five lines of this file and
passes its tests, but adds a lock file to each directory, a dependency to declare, and 56 ms of imports to every start.
"""

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
except ImportError:  # Windows: nothing is deleted there
    fcntl = None

PREFIX = "where-did-it-look-"
ATTEMPTS = 9
PROBE_BYTES = 10**6  # a disk without room for them is reported at the start, not by a page that fails to open
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PRIVATE = 0o700
REMEDY = "set GRADIO_TEMP_DIR to a folder of your own"


def create() -> Path:
    """Create it, and have Gradio and Python's tempfile write there from now on.

    To be called before Gradio is imported: some of its modules read GRADIO_TEMP_DIR only once. Raises ValueError, with
    one sentence, where nothing can be written.
    """
    configured = os.environ.get("GRADIO_TEMP_DIR")
    parent = Path(configured).resolve() if configured else _default_parent()
    folder = None
    try:
        if configured:
            parent.mkdir(parents=True, exist_ok=True)
        else:
            _make_private(parent)
        remove_abandoned(parent)
        folder = _new_locked(parent)
        for name in ("uploads", "passing"):
            folder.joinpath(name).mkdir()
        folder.joinpath("probe").write_bytes(bytes(PROBE_BYTES))
        folder.joinpath("probe").unlink()
    except OSError as error:
        if folder:
            remove(folder)
        remedy = f"make room, or {REMEDY}" if error.errno in DISK_FULL else REMEDY
        raise ValueError(f"Nothing can be written in {parent} ({error.strerror}): {remedy}.") from None
    atexit.register(remove, folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    tempfile.tempdir = str(folder / "passing")
    return folder


def remove_abandoned(parent: Path):
    """Delete the directories of runs that have ended without doing so."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # deleted meanwhile, or another user's
            descriptor = _lock(folder)
            if descriptor is not None:
                remove(folder)
                os.close(descriptor)


def remove(folder: Path):
    """Delete a directory, even while threads still write in it: renamed, they do not find it."""
    renamed = folder.with_name(f"{folder.name}-gone")
    for _ in range(ATTEMPTS):  # some threads create missing parents before they write
        with suppress(OSError):
            folder.rename(renamed)
        for path in (renamed, folder):
            shutil.rmtree(path, ignore_errors=True)
        if not folder.exists():
            break


def write_atomically(path: Path, data: bytes, temp_dir: str | Path):
    """Write a file that is never there in part, and never changes while it is read. `temp_dir` is on the same disk."""
    descriptor, temporary = tempfile.mkstemp(dir=temp_dir)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:  # no room, or interrupted: the partial file would take up room
        Path(temporary).unlink()
        raise


def _default_parent():
    """The parent directory without GRADIO_TEMP_DIR: beside Gradio's usual one, one for each user of the machine."""
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # on Windows every user has a temporary directory
    try:
        return Path(tempfile.gettempdir()).resolve() / f"gradio{user}"
    except OSError:
        raise ValueError(f"There is nowhere to write temporary files: {REMEDY}.") from None


def _make_private(parent):
    """Create it, for this user alone.

    Where all may write, another user could have created it first, or a symlink: then it raises ValueError.
    """
    parent.mkdir(mode=PRIVATE, exist_ok=True)
    status = parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise ValueError(f"{parent} is not a folder of yours: {REMEDY}.")
    if stat.S_IMODE(status.st_mode) != PRIVATE:
        parent.chmod(PRIVATE)


def _new_locked(parent):
    """A new directory, locked; another run that starts just now may have deleted the first one before it was."""
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(FileNotFoundError):
            _lock(folder)
            if folder.is_dir():
                return folder
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(parent))


def _lock(folder):
    """A descriptor that locks the directory until the process ends, in any way; None where another process has it."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    except OSError:
        os.close(descriptor)
        return None
