"""Audit files to download: all figures as JSON, a row for every photo and model as CSV, and a standalone HTML page."""

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

from . import statistics
from .audit import METHOD, RANDOM, WORST
from .store import AuditResult
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
    """A temporary folder for files to download. The same audit has the same files."""

    def __init__(self):
        self._folder = TemporaryDirectory(prefix="audits-")

    def files(self, result: AuditResult, view: View) -> Files:
        """The three files, written unless they exist."""
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


def report(result: AuditResult) -> dict:
    """All figures, ready for JSON."""
    return {
        "photos": {"origin": result.origin, "splits": result.splits, "sha256": result.photos},
        "method": METHOD,
        "explained": "what the model says of each photo, at its last convolution",
        "models": [_model(result, audit) for audit in result.audits],
        "differences": _differences(result),
        "unreadable": [vars(fault) for fault in result.unreadable],
        "masks that do not fit": [vars(fault) for fault in result.unusable_masks],
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


def rows(result: AuditResult) -> list[dict]:
    """A row for every photo and model."""
    table = []
    for audit in result.audits:
        repainted = _by_photo(result.repainted[audit.model.name])
        table += [_row(audit, prediction, repainted[prediction.example.key]) for prediction in audit.predictions]
    return table


def _model(result, audit):
    name = audit.model.name
    return {
        "name": name,
        "weights": audit.model.origin,
        "sha256": result.weights[name],
        "layer": audit.model.layer_names[-1],
        "classes": list(audit.classes),
        "splits": {split: _split(audit, split) for split in result.splits},
        "mean_heatmaps": {
            class_name: {"photos": mean.photos, "empty": mean.empty, "peak": float(mean.heat.max())}
            for class_name, mean in audit.means.items()
        },
        "repaint": _repaint(result, audit),
        "worst": _selected(audit.worst),
        "random": _selected(audit.random),
    }


def _split(audit, split):
    predictions, classes = statistics.select(audit.predictions, split), audit.classes
    return {
        **_rate(statistics.accuracy(predictions)),
        "confusion": statistics.confusion(predictions, classes, statistics.confusion_columns(audit)),
        "heat": {name: _heat(statistics.select(predictions, split, name)) for name in classes},
    }


def _rate(rate):
    if not rate.total:
        return {"photos": 0, "right": 0, "accuracy": None, "interval": None}
    return {"photos": rate.total, "right": rate.count, "accuracy": rate.share, "interval": list(rate.interval)}


def _heat(predictions):
    shares = statistics.heat_shares(predictions)
    ratios = {part: shares.ratio(part) for part in PARTS} if shares.measured else {}
    return {**vars(shares), "ratio": ratios}


def _repaint(result, audit):
    repainted = result.repainted[audit.model.name]
    if not repainted:
        return None
    rates = statistics.repaint_rates(repainted, audit.predictions, result.plant_of_colour)
    return {
        "colours": POT_COLOURS,
        "owners": result.plant_of_colour,
        "table": statistics.repaint_table(repainted, audit.classes),
        "followed": rates and {name: {"count": rate.count, "of": rate.total} for name, rate in vars(rates).items()},
    }


def _differences(result):
    return statistics.differences(*result.audits) if len(result.audits) == 2 else None


def _selected(by_class):
    return {
        name: [
            {
                "photo": prediction.example.key,
                "said": prediction.predicted,
                "probability": prediction.probability,
            }
            for prediction in predictions
        ]
        for name, predictions in by_class.items()
    }


def _row(audit, prediction, repainted):
    """repainted: pot colour → predicted class."""
    example = prediction.example
    return {
        "photo": example.key,
        "split": example.split,
        "class": example.really,
        "pot_colour": example.pot_colour or "",
        "model": audit.model.name,
        "said": prediction.predicted,
        "right": int(prediction.correct),
        "probability": prediction.probability,
        **_logits(audit, prediction),
        "peak": prediction.peak,
        "empty": int(prediction.empty),
        **{f"area_{part}": (prediction.area or {}).get(part, "") for part in PARTS},
        **{f"heat_{part}": (prediction.heat or {}).get(part, "") for part in PARTS},
        "hottest": "+".join(prediction.hottest),
        **{f"said_in_{colour}": repainted.get(colour, "") for colour in POT_COLOURS},
    }


def _logits(audit, prediction):
    """Of each class; of many, of the true and the predicted one."""
    if audit.classes == audit.model.classes:
        return {f"logit_{name}": logit for name, logit in zip(audit.model.classes, prediction.logits)}
    logits = dict(zip(audit.model.classes, prediction.logits))
    return {"logit_of_class": logits[prediction.example.really], "logit_of_said": logits[prediction.predicted]}


def _by_photo(repainted):
    """Key → pot colour → predicted class."""
    by_photo = defaultdict(dict)
    for prediction in repainted:
        by_photo[prediction.example.key][prediction.colour] = prediction.predicted
    return by_photo


def _table(result):
    """The rows as CSV."""
    table, text = rows(result), io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in table for name in row))  # two models may have other classes
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()
