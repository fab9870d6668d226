"""A run against the truth: how many answers are right, what is taken for what, and the most certain wrong answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

Row = dict[str, Any]
CLASSES_SHOWN = 30  # those with most photos


@dataclass
class Audit:
    """Counted row by row, the first of each photo. A photo without a known truth is not counted."""

    shown: int  # of the wrong answers that are kept
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)  # (true class, predicted) → photos
    unread: Counter[str] = field(default_factory=Counter)  # true class → photos that could not be read
    wrong: list[Row] = field(default_factory=list)  # each photo's row about what was answered

    def count(self, row: Row) -> None:
        """One photo's first row."""
        truth = row["truth"]
        if truth is None:
            return
        if row["error"] is not None:
            self.unread[truth] += 1
            return
        self.answers[truth, row["predicted"]] += 1

    def keep(self, row: Row) -> None:
        """Any row of a photo, in order: the first about a wrong answer is kept, whichever targets were asked for."""
        if row["rank"] != 1 or row["truth"] in (None, row["predicted"]):
            return
        if not self.wrong or self.wrong[-1]["photo"] != row["photo"]:
            if len(self.wrong) >= 100 * self.shown:
                self.wrong = sorted(self.worst(), key=lambda kept: kept["photo"])
            self.wrong.append(row)

    def worst(self) -> list[Row]:
        """The wrong answers with the highest probability, of equals the first: the page's rule."""
        return nsmallest(self.shown, self.wrong, key=lambda row: (-row["probability"], row["photo"]))

    @property
    def photos(self) -> int:
        return sum(self.answers.values())

    @property
    def right(self) -> int:
        return sum(count for (truth, predicted), count in self.answers.items() if truth == predicted)

    @property
    def classes_left(self) -> int:
        """True classes that `classes` leaves out."""
        return max(0, len(self._photos_of()) - CLASSES_SHOWN)

    def classes(self) -> list[Row]:
        """The true classes, those of most photos first: name, photos, right, and the most frequent wrong answer."""
        photos = self._photos_of()
        names = sorted(photos, key=lambda name: (-photos[name], name))[:CLASSES_SHOWN]
        return [{"name": name, "photos": photos[name], **self._of_class(name)} for name in names]

    def _photos_of(self):
        photos = Counter()
        for (truth, _), count in self.answers.items():
            photos[truth] += count
        return photos

    def _of_class(self, name):
        taken_for = {answer: count for (truth, answer), count in self.answers.items() if truth == name != answer}
        most = min(taken_for, key=lambda answer: (-taken_for[answer], answer), default=None)
        return {"right": self.answers[name, name], "taken_for": most, "taken": taken_for.get(most, 0) if most else 0}
