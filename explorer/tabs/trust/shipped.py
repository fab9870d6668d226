"""The checks of the tab Trust that come with the app, for its own photos and weights."""

from dataclasses import dataclass
from pathlib import Path

import classifiers
from classifiers.photos.decode import pixels_sha256
from explorer.answers.code import code_digest
from explorer.answers.files import FOLDER, Codec, file_of, read, write
from gradcam.sanity import Step

from .checks import Checks, Measured
from .costs import CostRow
from .map_under_test import MapUnderTest
from .methods import Areas, Comparison, Ends, Row
from .pass_counter import Cost
from .sanity_check import SanityCheck
from .training_seeds import SeedComparison, SeedNetwork

CODE = tuple(
    f"explorer/tabs/trust/{name}.py"
    for name in ("costs", "map_under_test", "methods", "pass_counter", "sanity_check", "training_seeds")
)
TYPES = (Areas, Cost, CostRow, Ends, Row, SanityCheck, SeedComparison, SeedNetwork, Step)
CODEC = Codec(TYPES, {})


@dataclass(frozen=True)
class Answer:
    """All checks of one map."""

    checks: Checks
    measured: Measured


def shipped(tested: MapUnderTest, method: str, folder: Path = FOLDER) -> Answer | None:
    """The checks of this map by this method, if they come with the app: for this photo, these weights and this code."""
    kept = read(shipped_file(tested, method, folder), CODEC)
    if kept is None:
        return None
    comparison = Comparison(tested, kept["rows"], kept["draws"], kept["ends"])
    return Answer(Checks(tested, kept["sanity"], kept["seeds"]), Measured(comparison, kept["costs"]))


def ship(answer: Answer, photo: str, folder: Path = FOLDER) -> Path:
    """Keep the checks for the next release. photo: its name, for people."""
    tested, comparison, checks = answer.checks.tested, answer.measured.comparison, answer.checks
    about = {"photo": photo, "model": tested.model.name, "target": tested.target, "layer": tested.column}
    kept = {
        "rows": comparison.rows,
        "draws": comparison.draws,
        "ends": comparison.ends,
        "costs": answer.measured.costs,
        "sanity": checks.sanity,
        "seeds": checks.seeds,
    }
    file = shipped_file(tested, checks.sanity.method, folder)
    write(file, {**about, "method": checks.sanity.method}, CODEC, kept)
    return file


def shipped_file(tested: MapUnderTest, method: str, folder: Path = FOLDER) -> Path:
    """Where the checks of this map are, or would be."""
    explained = tested.explained
    mask = None if tested.parts is None else pixels_sha256(tested.parts)
    photo = pixels_sha256(explained.photo), tuple(explained.frame.seen), mask
    weights = explained.model.revision or classifiers.fingerprint(explained.model.name)
    return file_of("trust", (*photo, weights, tested.target, tested.column, method, code_digest(*CODE)), folder)
