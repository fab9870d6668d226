"""Hostile files: each gives an image or one sentence in bounded time and memory; `corpus` generates them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import corpus
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import ROOT
from photo_files import check_sentence, encoded, gradient

from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's warnings about broken files

SECONDS, MEGABYTES = 2, 300  # of CPU time, since the machine may be busy; above an idle process
KINDS = {
    "good": corpus.good,
    "disguised": corpus.disguised,
    "no photos": corpus.no_photos,
    "bombs": corpus.bombs,
    "cut off": corpus.cut_off,
}

# Reads every file named on stdin, and prints outcome, time and memory. Writing 5 to clear_refs resets the peak.
READER = """
import json, resource, sys, time, warnings
from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError
warnings.simplefilter("ignore")
memory = lambda field: int(open("/proc/self/status").read().split(field)[1].split()[0]) / 1000
idle, virtual = memory("VmRSS:"), memory("VmSize:")
resource.setrlimit(resource.RLIMIT_AS, (int((virtual + 2000) * 1e6),) * 2)  # a runaway reader ends here
for path in sys.stdin.read().splitlines():
    open("/proc/self/clear_refs", "w").write("5")
    start = time.process_time()
    try:
        outcome = list(read_photo(path).pixels.shape)
    except PhotoError as error:
        outcome = str(error)
    print(json.dumps([outcome, time.process_time() - start, memory("VmHWM:") - idle]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Kind → file → outcome (a shape or a sentence), seconds, megabytes."""
    folder = tmp_path_factory.mktemp("corpus")
    files = [(kind, name, data) for kind, make in KINDS.items() for name, data in make().items()]
    for at, (_, _, data) in enumerate(files):
        (folder / str(at)).write_bytes(data)
    paths = "\n".join(str(folder / str(at)) for at in range(len(files)))
    command = [sys.executable, "-c", READER]
    process = subprocess.run(command, check=False, input=paths, capture_output=True, text=True, cwd=ROOT, timeout=120)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(lines) == len(files), f"{files[len(lines)][1]} ended the reader: {process.stderr[-500:]}"
    return {kind: {name: line for (of, name, _), line in zip(files, lines) if of == kind} for kind in KINDS}


needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")


@needs_proc
def test_corpus_has_enough_files(outcomes):
    assert sum(len(outcomes[kind]) for kind in KINDS if kind != "cut off") >= 60
    assert len(outcomes["cut off"]) >= 100


@needs_proc
@pytest.mark.parametrize("kind", KINDS)
def test_outcome_is_an_image_or_one_sentence(outcomes, kind):
    for name, (outcome, _, _) in outcomes[kind].items():
        if isinstance(outcome, str):
            check_sentence(outcome)
        refused = isinstance(outcome, str)
        assert refused == {"good": False, "disguised": False, "no photos": True}.get(kind, refused), (name, outcome)


@needs_proc
def test_truncated_photos_are_refused(outcomes):
    refused = [isinstance(outcome, str) for outcome, _, _ in outcomes["cut off"].values()]
    assert all(refused), [name for name, was_refused in zip(outcomes["cut off"], refused) if not was_refused]


@needs_proc
@pytest.mark.parametrize("kind", KINDS)
def test_time_and_memory_are_bounded(outcomes, kind):
    for name, (outcome, seconds, megabytes) in outcomes[kind].items():
        assert seconds <= SECONDS and megabytes <= MEGABYTES, (name, outcome, seconds, megabytes)


# Random mutations of valid files

SEEDS = [encoded(gradient(48, 32), name) for name in ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "MPO")]
SEEDS += [
    encoded(gradient(48, 32), "TIFF", compression=name)
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
]
SEEDS += [encoded(gradient(48, 32), "JPEG", progressive=True), encoded(gradient(48, 32), "WebP", lossless=True)]
EXTREMES = [
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\1", b"\x80\0\0\0"),
    *(b"\xff\xd8", b"\xff\xda", b"II*\0", b"IDAT"),
]


@st.composite
def mutated(draw):
    """A photo file with bytes overwritten, cut out, repeated, or replaced by another file's."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        reach = draw(st.sampled_from((64, 512, len(data))))
        at = draw(st.integers(0, max(0, min(reach, len(data)) - 1)))
        to = at + draw(st.integers(0, 64))
        match draw(st.sampled_from(("overwrite", "extreme", "cut", "double", "exchange"))):
            case "overwrite":
                data[at:to] = draw(st.binary(max_size=16))
            case "extreme":
                data[at : at + 4] = draw(st.sampled_from(EXTREMES))
            case "cut":
                del data[at:to]
            case "double":
                data[at:at] = data[at:to] * draw(st.integers(1, 200))
            case "exchange":
                data[at:] = draw(st.sampled_from(SEEDS))[at:]
    return bytes(data)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_mutated_file_gives_an_image_or_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    start = time.process_time()
    try:
        photo = read_photo(path)
        assert photo.pixels.size and max(photo.pixels.shape) <= 1024
    except PhotoError as error:
        check_sentence(str(error))
    assert time.process_time() - start <= SECONDS
