"""Photos a processor-second of many photos at once: batch/ beside the bare module that it uses, in interleaved rounds.

    python -m benchmarks.batch [--rounds 3] [--model embedded] [--photos 240] [--grid]

Every contender is a process of its own, since each sets the allocator that suits it, and counts its processor time from
the first photo to the last row, on the disk where there are rows. --grid measures processes × threads × photos a batch
in whole runs, their start included.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTENDERS = ("loop", "module", "local")
WHAT = {
    "loop": "a plain loop: decode, explain, one photo after the other",
    "module": "the module, batches of 8, freed memory kept: decode, explain",
    "local": "batch, one process: the same, hash, figures, Parquet on the disk",
}


def copies(folder, count):
    """So many photos in a folder: the held-out ones, again and again."""
    photos = sorted((ROOT / "examples/test").glob("*.jpg")) + sorted((ROOT / "examples/val").glob("*.jpg"))
    for number in range(count):
        shutil.copy(photos[number % len(photos)], folder / f"{number:06d}.jpg")


def child(contender, model, folder):
    """Print the processor-seconds of one contender for the photos in `folder`."""
    import torch

    import classifiers
    from batch.options import BATCH_SIZE
    from classifiers.photos.decode import read_photo
    from gradcam import Explainer
    from gradcam.allocator import keep_freed_memory

    torch.set_num_threads(1)
    classifier = classifiers.load(model)
    photos = sorted(Path(folder).glob("*.jpg"))
    explainer = Explainer(classifier.network, [classifier.layers[-1].readable])
    size = 1 if contender == "loop" else BATCH_SIZE
    if contender != "loop":
        keep_freed_memory()
    inputs = torch.cat([classifier.input_of(read_photo(photo).pixels) for photo in photos[:size]])
    explainer.explain(inputs, at_once=size)  # what is made for the first photos of a network only
    with tempfile.TemporaryDirectory() as out:
        work = local(model, folder, Path(out)) if contender == "local" else None
        before = time.process_time()
        for first in range(0, len(photos), size) if work is None else ():
            some = [classifier.input_of(read_photo(photo).pixels) for photo in photos[first : first + size]]
            explainer.explain(torch.cat(some), at_once=size)
        if work:
            work()
        print(time.process_time() - before)


def local(model, folder, out):
    """What a run does with its photos, as a function."""
    from batch.explaining import Explaining, Piece
    from batch.finding import find
    from batch.local import in_this_process
    from batch.options import BATCH_SIZE, CHUNK, Options, Pace
    from batch.rows import table_of
    from batch.writing import Writer

    explaining = Explaining(Options(model), Pace(), out)
    inputs = find([folder], out)
    starts = range(0, inputs.count, CHUNK)
    pieces = [Piece(at, min(at + CHUNK, inputs.count), inputs.part(at, min(at + CHUNK, inputs.count))) for at in starts]
    warm = Piece(0, BATCH_SIZE, inputs.part(0, BATCH_SIZE))  # as the module is
    table_of(explaining.rows(warm))  # pyarrow imports pandas here, where that is installed

    def work():
        with Writer(out, "", Pace.shard_rows) as writer:
            for piece, rows in in_this_process(pieces, explaining):
                writer.take(range(piece.start, piece.stop), rows)

    return work


def compare(model, folder, count, rounds):
    """Medians over interleaved rounds."""
    seconds = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            command = [sys.executable, "-m", "benchmarks.batch", "--child", name, "--model", model, "--folder", folder]
            told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            seconds[name].append(float(told.split()[-1]))
    print(f"{model}, {count} photos, predicted class, deepest layer; median of {rounds} rounds, one thread")
    rates = {name: count / statistics.median(values) for name, values in seconds.items()}
    for name, rate in rates.items():
        print(f"{WHAT[name]:<70} {rate:6.1f} photos a processor-second  {rate / rates['module']:5.0%}")


def grid(model, folder, count):
    """Whole runs as a person starts them, with their start: processes × threads × photos a batch."""
    print(f"\n{model}, {count} photos, whole runs; seconds on the clock and of processors")
    for workers, threads, size in ((1, 1, 8), (1, 2, 8), (2, 1, 1), (2, 1, 4), (2, 1, 8), (2, 1, 16), (2, 2, 8)):
        with tempfile.TemporaryDirectory() as out:
            options = ["--workers", workers, "--threads", threads, "--batch-size", size]
            command = [sys.executable, "-m", "batch", folder, "--out", out, "--model", model, *map(str, options)]
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
            after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        shape = f"{workers} processes × {threads} threads, {size} a batch"
        print(f"{shape:<44} {seconds:6.1f} s {used:6.1f} processor-s {count / seconds:6.1f} photos a second")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.model, args.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        copies(Path(folder), args.photos)
        compare(args.model, folder, args.photos, args.rounds)
        if args.grid:
            grid(args.model, folder, args.photos)


if __name__ == "__main__":
    main()
