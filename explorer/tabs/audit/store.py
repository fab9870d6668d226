"""Audits and where they are kept: found again by the photos' bytes, the masks', the model's weights and the method."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Lock

import potplants
from explorer.explanation.device import joined
from explorer.explanation.service import ExplanationService
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import SPLITS, Example, Examples

from .audit import METHOD, Audit, audit, go_on
from .causal_test import Repainted, in_every_pot, owners
from .photo_reader import Fault

NO_RIVAL = "none"  # a comparison with no other model
BOTH = "both"  # splits
REPAINT_COST = 3  # what repainting a photo takes, in photos audited

Told = Callable[[float, str], bool | None]  # part done, what takes the time; answering False stops the work


@dataclass(frozen=True)
class AuditRequest:
    models: tuple[str, ...]  # one or two
    split: str = BOTH
    repaint: bool = True


@dataclass(frozen=True)
class Result:
    request: AuditRequest
    origin: str  # of the photos, for people
    splits: dict[str, int]  # name → photos
    photos: str  # the SHA-256 of all photos and masks
    weights: dict[str, str | None]  # model → the SHA-256 of its file; None where it is gone
    audits: tuple[Audit, ...]  # one a model
    repainted: dict[
        str, tuple[Repainted, ...]
    ]  # model → answers; empty where that was not asked, or no photo has a mask
    owners: dict[str, str]  # pot colour → plant
    note: str = ""  # where it was computed, if not as usual

    @property
    def name(self) -> str:
        """The same for the same question about the same bytes."""
        return hashlib.sha256(repr((self.request, self.photos, self.weights)).encode()).hexdigest()[:16]

    @property
    def unread(self) -> tuple[Fault, ...]:
        return self.audits[0].unread

    @property
    def misfits(self) -> tuple[Fault, ...]:
        return self.audits[0].misfits


def audit_request(model: str, compare: str = NO_RIVAL, split: str = BOTH, repaint: bool = True) -> AuditRequest:
    """Raises ValueError for a model that is no classifier."""
    for name in {model, compare} - {NO_RIVAL}:
        if potplants.find(name).answers != "class":
            raise ValueError(
                f"{name} answers with a number, so it is never right or wrong about a plant: choose a classifier."
            )
    models = (model,) if compare in (NO_RIVAL, model) else (model, compare)
    return AuditRequest(models, split, bool(repaint))


def comparable() -> list[str]:
    """The models that can be audited."""
    return [name for name, model in potplants.MODELS.items() if model.answers == "class"]


def rival(name: str) -> str:
    """The model to compare with unless a visitor says otherwise."""
    return "debiased" if "debiased" in comparable() and name != "debiased" else NO_RIVAL


class StoredAudits:
    """The last results of long work, by what they were made from."""

    def __init__(self, most: int):
        self._most = most
        self._results: OrderedDict[tuple, object] = OrderedDict()
        self._lock = Lock()

    def get(self, key):
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key, result):
        with self._lock:
            self._results[key] = result
            while len(self._results) > self._most:
                self._results.popitem(last=False)
        return result


KEPT = 12  # audits and repaintings of all visitors; an audit is some 10 MB, most of it photos to show


class Audits:
    """Makes audits, and finds those again that were made."""

    def __init__(self, service: ExplanationService, examples: Examples, kept: StoredAudits | None = None):
        self._service, self._examples = service, examples
        self._kept = StoredAudits(KEPT) if kept is None else kept

    def count(self, split: str) -> int:
        """How many photos there are to ask about."""
        return len(self._photos(split))

    def of(self, asked: AuditRequest, told: Told) -> Result:
        """The audit, from memory or made now. Raises Cancelled where `told` says so, and what loading a model raises."""
        photos = self._photos(asked.split)
        for name in asked.models:
            told(0, f"fetching {name}")
            self._service.load_weights(name)
        weights, content = _weights(asked), _content(photos)
        steps = list(_steps(asked, photos))
        whole = sum(cost for _, _, cost in steps)
        made, done = {}, 0
        for kind, name, cost in steps:
            key = _key(kind, name, weights[name], content)
            made[kind, name] = self._kept.get(key)
            if made[kind, name] is None:
                telling = _part_of(told, _DOING[kind].format(name=name, photos=len(photos)), done, cost, whole)
                go_on(telling, 0)  # where a GPU is lent, what is told on the way is not heard
                work = partial(_MAKE[kind], model=potplants.find(name), examples=photos)
                made[kind, name] = self._kept.put(key, self._service.device.ask(name, work, telling))
            done += cost
        return self._result(asked, photos, content, weights, made)

    def known(self, asked: AuditRequest) -> Result | None:
        """The audit if nothing of it has to be made."""
        photos = self._photos(asked.split)
        weights, content = _weights(asked), _content(photos)
        made = {
            (kind, name): self._kept.get(_key(kind, name, weights[name], content))
            for kind, name, _ in _steps(asked, photos)
        }
        if any(part is None for part in made.values()):
            return None
        return self._result(asked, photos, content, weights, made)

    def _result(self, asked, photos, content, weights, made):
        return Result(
            request=asked,
            origin=self._examples.origin,
            splits={
                name: sum(photo.split == name for photo in photos)
                for name in self._examples.splits
                if asked.split in (name, BOTH)
            },
            photos=content,
            weights=weights,
            audits=tuple(made["audit", name][0] for name in asked.models),
            repainted={name: made.get(("repaint", name), ((), ""))[0] for name in asked.models},
            note=joined(*(note for _, note in made.values())),
            owners=owners(tuple(self._examples.every.values())),
        )

    def _photos(self, split):
        there = self._examples.splits
        if split not in (*there, BOTH):
            wanted = ", ".join((*there, BOTH))
            raise ValueError(f"There are no photos of the split {str(split)[:40]!r}; choose one of {wanted}.")
        return tuple(photo for name in SPLITS if name in there and split in (name, BOTH) for photo in there[name])


_MAKE = {"audit": audit, "repaint": in_every_pot}
_DOING = {
    "audit": "{name}: asking about {photos} photos, and where it looked",
    "repaint": "{name}: every plant in every pot",
}


def _steps(asked, photos):
    """What has to be done: kind, model, cost in photos."""
    for name in asked.models:
        yield "audit", name, len(photos)
    masked = sum(photo.mask is not None for photo in photos)
    if asked.repaint and masked:
        for name in asked.models:
            yield "repaint", name, REPAINT_COST * masked


def _part_of(told, task, done, cost, whole):
    """Progress of one step as progress of all."""
    return lambda part: told((done + part * cost) / whole, task)


def _key(kind, name, weights, content):
    how = METHOD if kind == "audit" else tuple(POT_COLOURS.items())
    return kind, name, weights, how, content


def _weights(asked):
    return {name: potplants.fingerprint(name) for name in asked.models}


def _content(photos: Sequence[Example]) -> str:
    """The SHA-256 over names, photos and masks: other bytes, another audit."""
    whole = hashlib.sha256()
    for photo in photos:
        whole.update(
            f"{photo.key} {photo.pot_colour} {_digest(photo.file)} {photo.mask and _digest(photo.mask)}\n".encode()
        )
    return whole.hexdigest()


def _digest(file):
    """Of a file's bytes, remembered until the file changes; None where it cannot be read, which the audit tells."""
    try:
        stat = file.stat()
        return _digest_of(file, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=20_000)
def _digest_of(file, size, modified):
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
