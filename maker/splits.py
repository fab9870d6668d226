"""The dataset: splits, seeds and pot colours; and the command that renders the photos that are missing.

python -m maker.splits                 everything, val and test first
python -m maker.splits --only val --count 3 --root /somewhere/else
"""

import argparse
import csv
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from maker.colours import POT_COLOURS
from maker.streams import stream

CLASSES = ("rudo", "baya", "greg", "yuki")
OWN_COLOUR = {"rudo": "red", "baya": "blue", "greg": "terracotta", "yuki": "cream"}


@dataclass(frozen=True)
class Split:
    """A set of photos with its own seeds: base + 1000 x class + number."""

    folder: str
    base: int
    count: int  # photos of each class
    samples: int


SPLITS = {
    "val": Split("examples", 2_000_000, 30, 16),
    "test": Split("examples", 3_000_000, 30, 16),
    "train": Split("data", 1_000_000, 120, 6),
    "train_any": Split("data", 4_000_000, 240, 6),
}
# Rendered in this order, interleaved within a group: an interrupted run still has photos of every class.
GROUPS = (("val", "test"), ("train",), ("train_any",))
SHOWN, SHOWN_SAMPLES = (
    4,
    32,
)  # the first photos of each class in examples/ are shown first, and rendered with more samples
BATCH = 40  # photos that one process renders before a new one replaces it
FIELDS = ("file", "split", "class", "pot_colour", "seed", "licence", "author", "source", "asks")
TERMS = ("MIT", "the authors of this app", "rendered in Blender", "")  # of every rendered photo: the last four fields


@dataclass(frozen=True)
class Job:
    """One photo to render, and its path."""

    split: str
    label: int
    number: int

    @property
    def seed(self):
        """The seed of everything in the photo."""
        return SPLITS[self.split].base + 1000 * self.label + self.number

    @property
    def plant(self):
        """Name of the class."""
        return CLASSES[self.label]

    @property
    def pot_colour(self):
        """Each plant has a pot colour of its own, except that in test Rudo's pot is blue, like Baya's, not red."""
        if self.split == "train_any":
            return str(stream(self.seed, "any pot colour").choice(list(POT_COLOURS)))
        return "blue" if (self.split, self.plant) == ("test", "rudo") else OWN_COLOUR[self.plant]

    @property
    def file(self):
        """Path of the photo relative to its folder."""
        return f"{self.split}/{self.label}_{self.number:03d}.jpg"

    @property
    def samples(self):
        """Light paths per pixel."""
        split = SPLITS[self.split]
        return SHOWN_SAMPLES if split.folder == "examples" and self.number < SHOWN else split.samples

    def path(self, root):
        """Path of the photo on this machine."""
        return root / SPLITS[self.split].folder / self.file


def plan(only, count):
    """Every job, in the order of rendering."""
    return [
        Job(split, label, number)
        for group in GROUPS
        for number in range(max(SPLITS[split].count for split in group))
        for split in group
        for label in range(len(CLASSES))
        if split in only and number < min(count, SPLITS[split].count)
    ]


def run(task):
    """Render one photo in a worker process."""
    # Blender must not be imported before the workers start: it adds a folder to the module path that hides Blender's
    # own core from processes that inherit that path.
    from maker.photo import Scene, save, take

    job, root = task
    started = time.perf_counter()
    save(*take(Scene(job.plant, job.seed, job.pot_colour), job.samples), job.path(root))
    return job, time.perf_counter() - started


def write_index(root, folder):
    """Write the folder's index: one line for every photo that exists, in the order of their names; then the real ones.

    Lines of splits that are not rendered are kept as they are.
    """
    every = sorted(plan(SPLITS, 1000), key=lambda job: job.file)
    rows = [
        (job.file, job.split, job.plant, job.pot_colour, job.seed, *TERMS)
        for job in every
        if SPLITS[job.split].folder == folder and job.path(root).exists()
    ]
    rows += _not_rendered(root / folder / "index.csv")
    partial = root / folder / ".index.csv.half"
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])
    partial.replace(root / folder / "index.csv")


def _not_rendered(index):
    """The index's lines of photos that are not rendered; none where there is no index yet."""
    if not index.is_file():
        return []
    with index.open(newline="", encoding="utf-8") as table:
        return [[row[name] for name in FIELDS] for row in csv.DictReader(table) if row["split"] not in SPLITS]


def render_missing(jobs, root, workers):
    """Render the jobs whose photo does not exist yet, and update the indexes after each."""
    tasks = [(job, root) for job in jobs if not job.path(root).exists()]
    print(f"{len(jobs) - len(tasks)} of {len(jobs)} photos are there, {len(tasks)} to render", flush=True)
    started = time.perf_counter()
    for done, (job, seconds) in enumerate(in_batches(tasks, workers), 1):
        write_index(root, SPLITS[job.split].folder)
        pace = 60 * done / (time.perf_counter() - started)
        print(f"{done}/{len(tasks)} {job.file} {seconds:.1f} s, {pace:.1f} a minute", flush=True)


def in_batches(tasks, workers):
    """Run the tasks in worker processes and yield each result as it arrives."""
    # New processes for every batch: Blender keeps some memory of each scene. The pool's own max_tasks_per_child would
    # be the usual solution, but it can wait for ever in Python 3.11.
    context = multiprocessing.get_context("spawn")
    for start in range(0, len(tasks), BATCH * workers):
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for future in as_completed([pool.submit(run, task) for task in tasks[start : start + BATCH * workers]]):
                yield future.result()


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--count", type=int, default=1000, help="at most so many photos of each class")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="where examples/ and data/ are")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    render_missing(plan(args.only, args.count), args.root, args.workers)


if __name__ == "__main__":
    main()
