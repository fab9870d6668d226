"""The Pot Plant Dataset, the article's real photos, by `kagglehub`: waited for within limits, and looked through.

kagglehub 1.0.3 asks Kaggle without any time limit, unpacks whatever comes, and keeps it in `KAGGLEHUB_CACHE`, where it
looks first. So the download runs in a thread that is left behind when it has gone on for too long.
"""

import os
import re
import time
from concurrent.futures import Future, wait
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from threading import Thread

from potplants import CLASSES
from potplants.layout import photos

from .examples import ARTICLE, Examples, from_folder

REQUIREMENT = "kagglehub==1.0.3"
DATASET, VERSION = "conorsully1/pot-plants", 1
CREDIT = "Pot Plant Dataset by Conor O'Sullivan, CC BY 4.0"
ARGUMENT = re.compile(r"kaggle(?:@([1-9]\d{0,3}))?", re.ASCII)  # of --data; with a version in place of VERSION

SILENCE_SECONDS = 15.0  # without a single byte
LONGEST_SECONDS = 600.0
POLL_SECONDS = 0.2
MOST_BYTES = 500 * 10**6  # the archive and what is unpacked from it; the photos have 256 × 256 pixels
MOST_FILES = 20_000
ANOTHER = f"ask for another version as kaggle@2, or give --data a folder of {CREDIT.partition(' by ')[0]} photos"
CHECK_NETWORK = "check the network, or give --data a folder"


def examples(argument: str) -> Examples:
    """The dataset's photos for "kaggle" or "kaggle@VERSION". Raises ValueError, in one sentence, where it cannot be."""
    match = ARGUMENT.fullmatch(argument)
    if match is None:
        raise ValueError(f"expected kaggle or kaggle@VERSION, got {argument[:40]!r}: give a version as a number.")
    folder = _checked(_fetched(int(match[1] or VERSION)))
    return from_folder(folder, f"from the {CREDIT}, on Kaggle", f"by {CREDIT.partition(' by ')[2]}")


def _fetched(version: int) -> Path:
    """The folder of the dataset in kagglehub's cache, downloaded where it is not there."""
    os.environ.setdefault("KAGGLEHUB_VERBOSITY", "error")  # or it prints the paths of this machine
    try:
        import kagglehub
        from kagglehub.config import get_cache_folder
    except ImportError:
        raise ValueError(f"--data kaggle needs a package that is not installed: pip install {REQUIREMENT}.") from None
    place = Path(get_cache_folder(), "datasets", *DATASET.split("/"))
    outcome = _in_background(kagglehub.dataset_download, f"{DATASET}/versions/{version}")
    started = grown = time.monotonic()
    size = 0
    while not wait([outcome], POLL_SECONDS).done:
        now, previous, size = time.monotonic(), size, _size(place)
        grown = now if size != previous else grown
        if size > MOST_BYTES:
            raise _refusal(f"it has more than {MOST_BYTES // 10**6} MB", ANOTHER)
        if now - grown > SILENCE_SECONDS:
            raise _refusal(f"Kaggle sent nothing for {SILENCE_SECONDS:g} s", CHECK_NETWORK)
        if now - started > LONGEST_SECONDS:
            raise _refusal(f"it has not come after {LONGEST_SECONDS:g} s", CHECK_NETWORK)
    try:
        return Path(outcome.result())
    except Exception as error:
        raise _refusal(*_fault(error)) from error


def _checked(folder: Path) -> Path:
    """The folder with the splits: plain files only, few and small enough, with photos of all four plants to test on."""
    root = folder
    inside = [path for path in folder.iterdir() if path.is_dir()]
    if not (folder / "test").is_dir() and len(inside) == 1:  # packed with the folder that it lay in
        (root,) = inside
    count = total = 0
    for path in folder.rglob("*"):
        status = path.lstat()
        if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
            raise _refusal("there are links or devices in it", ANOTHER)
        count, total = count + 1, total + status.st_size
        if count > MOST_FILES or total > MOST_BYTES:
            raise _refusal(f"it has more than {MOST_FILES} files or {MOST_BYTES // 10**6} MB", ANOTHER)
    try:
        splits = [photos(root / name) for name in ARTICLE if (root / name).is_dir()]
    except ValueError:
        splits = []
    if not splits or any(len(set(split.labels)) < len(CLASSES) for split in splits) or not (root / "test").is_dir():
        raise _refusal("it does not hold the folders test and val with photos of all four plants", ANOTHER)
    return root


def _in_background(function, *args) -> Future:
    outcome = Future()

    def run():
        try:
            outcome.set_result(function(*args))
        except BaseException as error:  # of a library, whatever it is: told in one sentence
            outcome.set_exception(error)

    Thread(target=run, name="kaggle", daemon=True).start()
    return outcome


def _size(place: Path) -> int:
    """Bytes in the folder by now."""
    total = 0
    for folder, _, names in os.walk(place):
        for name in names:
            try:
                total += Path(folder, name).lstat().st_size
            except OSError:  # the archive is deleted in the end
                continue
    return total


def _fault(error: Exception) -> tuple[str, str]:
    """What went wrong, in a clause, and what to do."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 404:
        return "Kaggle has no such version of it (404)", ANOTHER
    if status is not None:
        return f"Kaggle answers with status {status}", "try again later, or give --data a folder"
    if any(kind.__name__ == "ConnectionError" for kind in type(error).__mro__):
        return "Kaggle cannot be reached", CHECK_NETWORK
    if isinstance(error, OSError) and error.filename is not None:
        return f"the cache cannot be written ({error.strerror})", "set KAGGLEHUB_CACHE to another folder"
    line = (str(error).strip().splitlines() or ["no more is known"])[0].rstrip(".")
    return f"the download failed ({type(error).__name__}: {line[:120]})", CHECK_NETWORK


def _refusal(fault: str, remedy: str) -> ValueError:
    return ValueError(f"The Pot Plant Dataset cannot be had from Kaggle: {fault}; {remedy}.")
