"""The audit to take away: the whole as JSON, a row for every photo and model as CSV, one page of HTML that needs nothing beside it."""

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import PARTS
from explorer.server.run_directory import write_atomically
from explorer.settings import View

from . import statistics as figures
from .audit import METHOD, RANDOM, WORST
from .store import Result
from .view import document


@dataclass(frozen=True)
class Files:
    table: Path  # CSV
    report: Path  # JSON
    page: Path  # HTML

    @property
    def paths(self) -> tuple[str, str, str]:
        return str(self.table), str(self.report), str(self.page)


class ReportFiles:
    """A folder for files to take away, gone with the program. The same audit has the same files."""

    def __init__(self):
        self._folder = TemporaryDirectory(prefix="audits-")

    def files(self, result: Result, view: View) -> Files:
        """The three files, written now unless they are there."""
        folder = Path(self._folder.name) / f"{result.name}-{view.colormap}"
        folder.mkdir(exist_ok=True)
        stem = "audit-" + "-".join(result.request.models)
        contents = {
            f"{stem}.csv": lambda: _table(result),
            f"{stem}.json": lambda: json.dumps(report(result), indent=1),
            f"{stem}.html": lambda: document(result, view),
        }
        for name, text in contents.items():
            if not (folder / name).is_file():
                write_atomically(folder / name, text().encode(), temp_dir=self._folder.name)
        return Files(*(folder / name for name in contents))


def report(result: Result) -> dict:
    """All figures, ready for JSON."""
    return {
        "photos": {"origin": result.origin, "splits": result.splits, "sha256": result.photos},
        "method": METHOD,
        "explained": "what the model says of each photo, at its last convolution",
        "models": [_model(result, audit) for audit in result.audits],
        "differences": _differences(result),
        "unreadable": [vars(fault) for fault in result.unread],
        "masks that do not fit": [vars(fault) for fault in result.misfits],
        "note": result.note,
        "notes": {
            "interval": "95 %, Wilson's score",
            "heat": "mean shares over the photos with a mask and a map that is not empty; ratio is heat over area",
            "hottest": "pointing game: photos whose hottest pixel lies on the part",
            "mean_heatmaps": "means of raw evidence, an empty map counted as zero",
            "worst": WORST,
            "random": RANDOM,
        },
    }


def rows(result: Result) -> list[dict]:
    """A row for every photo and model."""
    return [
        _row(audit, answer, painted[answer.example.key])
        for audit, painted in ((audit, _by_photo(result.repainted[audit.model.name])) for audit in result.audits)
        for answer in audit.answers
    ]


def _model(result, audit):
    name = audit.model.name
    return {
        "name": name,
        "weights": audit.model.origin,
        "sha256": result.weights[name],
        "layer": audit.model.layers[-1],
        "classes": list(audit.model.classes),
        "splits": {split: _split(audit, split) for split in result.splits},
        "mean_heatmaps": {
            really: {"photos": mean.photos, "empty": mean.empty, "peak": float(mean.heat.max())}
            for really, mean in audit.means.items()
        },
        "repaint": _repaint(result, audit),
        "worst": _named(audit.worst),
        "random": _named(audit.random),
    }


def _split(audit, split):
    answers = figures.of_split(audit.answers, split)
    return {
        **_rate(figures.accuracy(answers)),
        "confusion": figures.confusion(answers, audit.model.classes),
        "heat": {really: _heat(figures.of_split(answers, split, really)) for really in audit.model.classes},
    }


def _rate(rate):
    if not rate.of:
        return {"photos": 0, "right": 0, "accuracy": None, "interval": None}
    return {"photos": rate.of, "right": rate.count, "accuracy": rate.share, "interval": list(rate.interval)}


def _heat(answers):
    heat = figures.heat(answers)
    ratios = {part: heat.ratio(part) for part in PARTS} if heat.measured else {}
    return {**vars(heat), "ratio": ratios}


def _repaint(result, audit):
    repainted = result.repainted[audit.model.name]
    if not repainted:
        return None
    followed = figures.followed(repainted, audit.answers, result.owners)
    return {
        "colours": POT_COLOURS,
        "owners": result.owners,
        "table": figures.pots(repainted, audit.model.classes),
        "followed": followed and {name: {"count": rate.count, "of": rate.of} for name, rate in vars(followed).items()},
    }


def _differences(result):
    return figures.differences(*result.audits) if len(result.audits) == 2 else None


def _named(chosen):
    return {
        really: [
            {"photo": found.example.key, "said": found.said, "probability": found.probability} for found in answers
        ]
        for really, answers in chosen.items()
    }


def _row(audit, answer, painted):
    example = answer.example
    return {
        "photo": example.key,
        "split": example.split,
        "class": example.really,
        "pot_colour": example.pot_colour or "",
        "model": audit.model.name,
        "said": answer.said,
        "right": int(answer.right),
        "probability": answer.probability,
        **{f"logit_{name}": logit for name, logit in zip(audit.model.classes, answer.logits)},
        "peak": answer.peak,
        "empty": int(answer.empty),
        **{f"area_{part}": (answer.area or {}).get(part, "") for part in PARTS},
        **{f"heat_{part}": (answer.heat or {}).get(part, "") for part in PARTS},
        "hottest": "+".join(answer.hottest),
        **{f"said_in_{colour}": painted.get(colour, "") for colour in POT_COLOURS},
    }


def _by_photo(repainted):
    """Key → colour → what was said."""
    painted = defaultdict(dict)
    for found in repainted:
        painted[found.example.key][found.colour] = found.said
    return painted


def _table(result):
    """The rows as CSV."""
    table, written = rows(result), io.StringIO(newline="")
    writer = csv.DictWriter(written, list(table[0]))
    writer.writeheader()
    writer.writerows(table)
    return written.getvalue()
