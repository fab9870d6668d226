"""Hostile files: each gives a picture or one sentence, in bounded time and memory. The corpus is made by `corpus`."""

import json
import subprocess
import sys
import time
from pathlib import Path

import corpus
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from live import ROOT
from photo_files import check_sentence, encoded, gradient

from explorer.photos.decode import read_photo
from explorer.photos.formats import PhotoError

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's words on broken files

SECONDS, MEGABYTES = 2, 300  # of the processor, since this machine may be busy; over an idle process
SORTS = {
    "good": corpus.good,
    "disguised": corpus.disguised,
    "no photos": corpus.no_photos,
    "bombs": corpus.bombs,
    "cut off": corpus.cut_off,
}

# Reads every file named on its input, and tells what came of it and what it took. The kernel forgets the peak when told to.
READER = """
import json, resource, sys, time, warnings
from explorer.photos.decode import read_photo
from explorer.photos.formats import PhotoError
warnings.simplefilter("ignore")
memory = lambda field: int(open("/proc/self/status").read().split(field)[1].split()[0]) / 1000
idle, held = memory("VmRSS:"), memory("VmSize:")
resource.setrlimit(resource.RLIMIT_AS, (int((held + 2000) * 1e6),) * 2)  # whatever runs wild ends here, not with the machine
for path in sys.stdin.read().splitlines():
    open("/proc/self/clear_refs", "w").write("5")
    begun = time.process_time()
    try:
        outcome = list(read_photo(path).pixels.shape)
    except PhotoError as error:
        outcome = str(error)
    print(json.dumps([outcome, time.process_time() - begun, memory("VmHWM:") - idle]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Sort → file → what came of it, the seconds and the megabytes it took."""
    folder = tmp_path_factory.mktemp("corpus")
    files = [(sort, name, data) for sort, made in SORTS.items() for name, data in made().items()]
    for at, (_, _, data) in enumerate(files):
        (folder / str(at)).write_bytes(data)
    paths = "\n".join(str(folder / str(at)) for at in range(len(files)))
    told = subprocess.run(
        [sys.executable, "-c", READER], input=paths, capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(lines) == len(files), f"{files[len(lines)][1]} ended the reader: {told.stderr[-500:]}"
    return {sort: {name: line for (kind, name, _), line in zip(files, lines) if kind == sort} for sort in SORTS}


needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")


@needs_proc
def test_there_are_enough(outcomes):
    assert sum(len(outcomes[sort]) for sort in SORTS if sort != "cut off") >= 60
    assert len(outcomes["cut off"]) >= 100


@needs_proc
@pytest.mark.parametrize("sort", SORTS)
def test_a_picture_or_one_sentence(outcomes, sort):
    for name, (outcome, _, _) in outcomes[sort].items():
        if isinstance(outcome, str):
            check_sentence(outcome)
        refused = isinstance(outcome, str)
        assert refused == {"good": False, "disguised": False, "no photos": True}.get(sort, refused), (name, outcome)


@needs_proc
def test_nobody_sees_half_a_photo(outcomes):
    refused = [isinstance(outcome, str) for outcome, _, _ in outcomes["cut off"].values()]
    assert all(refused), [name for name, said in zip(outcomes["cut off"], refused) if not said]


@needs_proc
@pytest.mark.parametrize("sort", SORTS)
def test_time_and_memory_are_bounded(outcomes, sort):
    for name, (outcome, seconds, megabytes) in outcomes[sort].items():
        assert seconds <= SECONDS and megabytes <= MEGABYTES, (name, outcome, seconds, megabytes)


# Whatever else a stranger may think of

SEEDS = [encoded(gradient(48, 32), *how) for how in (["JPEG"], ["PNG"], ["WebP"], ["GIF"], ["BMP"], ["TIFF"], ["MPO"])]
SEEDS += [
    encoded(gradient(48, 32), "TIFF", compression=how) for how in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
]
SEEDS += [encoded(gradient(48, 32), "JPEG", progressive=True), encoded(gradient(48, 32), "WebP", lossless=True)]
EXTREMES = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\1",
    b"\x80\0\0\0",
    b"\xff\xd8",
    b"\xff\xda",
    b"II*\0",
    b"IDAT",
]


@some.composite
def mutated(draw):
    """A photo with pieces overwritten, cut out, doubled, or exchanged with another photo's."""
    data = bytearray(draw(some.sampled_from(SEEDS)))
    for _ in range(draw(some.integers(1, 6))):
        reach = draw(some.sampled_from((64, 512, len(data))))
        at = draw(some.integers(0, max(0, min(reach, len(data)) - 1)))
        to = at + draw(some.integers(0, 64))
        match draw(some.sampled_from(("overwrite", "extreme", "cut", "double", "exchange"))):
            case "overwrite":
                data[at:to] = draw(some.binary(max_size=16))
            case "extreme":
                data[at : at + 4] = draw(some.sampled_from(EXTREMES))
            case "cut":
                del data[at:to]
            case "double":
                data[at:at] = data[at:to] * draw(some.integers(1, 200))
            case "exchange":
                data[at:] = draw(some.sampled_from(SEEDS))[at:]
    return bytes(data)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_whatever_is_sent(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    begun = time.process_time()
    try:
        photo = read_photo(path)
        assert photo.pixels.size and max(photo.pixels.shape) <= 1024
    except PhotoError as error:
        check_sentence(str(error))
    assert time.process_time() - begun <= SECONDS
