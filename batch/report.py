"""A page about a run: what was done, the truth where it is known, each class, photos, the unreadable. One file."""

from __future__ import annotations

import base64
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from gradcam import colour_table, overlay

from .audit import CLASSES_SHOWN, Audit, Row
from .folder import as_sentences, read_manifest, write_atomically
from .maps import enlarge, place
from .options import Refused

SHOWN = 12  # photos in each row of pictures
ERRORS_SHOWN = 50
MAPS_OF_A_CLASS = 500  # that its mean is made of
SEED = 0
SIDE = 160  # of a picture's longer side, in pixels
FIGURES = (
    *("photo", "path", "truth", "predicted", "target", "layer", "rank", "probability", "logit", "state", "share"),
    "error",
)
MAP = ("heat", "grid_h", "grid_w", "heat_scale", "input_h", "input_w", "peak")
SEEN = ("seen_left", "seen_top", "seen_right", "seen_bottom")

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_ENVIRONMENT.filters["percent"] = lambda value: "" if value is None else f"{100 * value:.1f} %"


@dataclass
class OfClass:
    """What is known of the photos that the network calls by one name, in their first row each."""

    photos: int = 0
    probability: float = 0.0  # summed
    shares: list[float] = field(default_factory=list)
    heat: np.ndarray | None = None  # sum of heatmaps, each divided by its peak
    maps: int = 0


@dataclass
class Summary:
    """A run in figures. A photo counts by its first row: its first target at its first layer."""

    rows: int = 0
    photos: int = 0
    failed: int = 0
    states: Counter = field(default_factory=Counter)
    classes: dict[str, OfClass] = field(default_factory=lambda: defaultdict(OfClass))
    audit: Audit = field(default_factory=lambda: Audit(SHOWN))
    errors: list[Row] = field(default_factory=list)
    least_certain: list[Row] = field(default_factory=list)
    sample: list[Row] = field(default_factory=list)


def write_report(out: str | os.PathLike) -> Path:
    """Write report.html of the run in `out`, as far as it has come, and return its path. Raises Refused, Stopped."""
    out = Path(out)
    manifest = read_manifest(out)
    summary = summarise(out, manifest["photos"])
    page = _ENVIRONMENT.get_template("report.html").render(
        run=manifest,
        summary=summary,
        classes=_classes(summary),
        classes_left=max(0, len(summary.classes) - CLASSES_SHOWN),
        rows=[
            *_most_certain_wrong(summary.audit, manifest["options"]["targets"]),
            ("The least certain", "The lowest probability of the predicted class.", _pictures(summary.least_certain)),
            ("A sample", _rule(manifest["photos"]), _pictures(summary.sample)),
        ],
    )
    with as_sentences(out):
        write_atomically(out / "report.html", page.encode(errors="backslashreplace"))  # a path may be no text
    return out / "report.html"


def _most_certain_wrong(audit, targets):
    worst = audit.worst()
    rule = "The highest probability of a class that the photo does not show; of equals the first."
    if targets not in ("predicted", "top5", "all"):
        rule += f" Only answers that were asked for have a map to show: {targets}."
    return [("The most certain wrong answers", rule, _pictures(worst))] if worst else []


def sample_of(photos: int) -> set[int]:
    """The numbers of the photos that are shown, by the rule in the report."""
    return set(np.random.default_rng(SEED).choice(photos, min(SHOWN, photos), replace=False).tolist())


def summarise(out: Path, photos: int) -> Summary:
    """Read all parts once, in pieces."""
    summary, chosen, before = Summary(), sample_of(photos), None
    candidates: list[Row] = []
    for row in _rows(out):
        summary.rows += 1
        summary.states[row["state"] or "unreadable"] += 1
        summary.audit.keep(row)
        if row["photo"] == before:
            continue
        before = row["photo"]
        summary.photos += 1
        _count(summary, row)
        if row["photo"] in chosen:
            summary.sample.append(row)
        if row["probability"] is not None and row["rank"] == 1:
            candidates.append(row)
            if len(candidates) > 100 * SHOWN:
                candidates = nsmallest(SHOWN, candidates, key=_certainty)
    summary.least_certain = nsmallest(SHOWN, candidates, key=_certainty)
    return summary


def _certainty(row):
    return row["probability"], row["photo"]


def _rows(out) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted(out.glob("part-*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(512, columns=[*FIGURES, *MAP, *SEEN]):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise Refused(f"{path} is damaged ({error}); delete it and start the run again.") from None


def _count(summary, row):
    summary.audit.count(row)
    if row["error"] is not None:
        summary.failed += 1
        if len(summary.errors) < ERRORS_SHOWN:
            summary.errors.append(row)
        return
    one = summary.classes[row["predicted"] or row["target"]]
    one.photos += 1
    one.probability += row["probability"] or 0.0
    if row["share"] is not None:
        one.shares.append(row["share"])
    if row["state"] == "evidence" and one.maps < MAPS_OF_A_CLASS:
        heat = _heatmap(row) / row["peak"]
        one.heat = heat if one.heat is None else one.heat + heat
        one.maps += 1


def _heatmap(row):
    return enlarge(*(row[name] for name in ("heat", "grid_h", "grid_w", "input_h", "input_w", "heat_scale")))


def _classes(summary):
    most = sorted(summary.classes.items(), key=lambda item: (-item[1].photos, item[0]))[:CLASSES_SHOWN]
    return [
        {
            "name": name,
            "photos": one.photos,
            "probability": one.probability / one.photos if one.probability else None,
            "share": float(np.median(one.shares)) if one.shares else None,
            "maps": one.maps,
            "picture": None if one.heat is None else _coloured(one.heat),
        }
        for name, one in most
    ]


def _coloured(heat):
    shades = (heat / heat.max() * 255).astype(np.uint8)
    return _uri(Image.fromarray(colour_table("viridis")[shades]))


def _pictures(rows):
    return [row | {"picture": _picture(row)} for row in rows]


def _picture(row):
    """The photo, and its heat where there is any; None where the photo is not there any more."""
    from .taking import photo_at

    photo = photo_at(row["path"])
    if photo is None:
        return None
    image = Image.fromarray(photo)
    image.thumbnail((SIDE, SIDE))
    base = np.array(image)
    if row["state"] == "evidence":
        heat = place(_heatmap(row), tuple(row[name] for name in SEEN), *base.shape[:2])
        base = overlay(base, heat)
    return _uri(Image.fromarray(base))


def _uri(image):
    buffer = io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rule(photos):
    return (
        f"The photos with the numbers that numpy.random.default_rng({SEED}).choice({photos}, {min(SHOWN, photos)}, "
        "replace=False) draws: nobody chose them."
    )
