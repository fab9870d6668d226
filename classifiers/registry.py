"""Classifiers that the command line brought along: found by name, like those of the catalogue, in this process."""

from dataclasses import replace
from pathlib import Path

from .classifier import Classifier
from .wanted import AUTO, BUILT_IN

_registered: dict[str, Classifier] = {}  # by name


def register(classifier: Classifier) -> Classifier:
    """Have a classifier found by its name. Raises ValueError for a name that another has, or that reads as a path."""
    name = classifier.name
    if not name.strip() or not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(f"{name[:40]!r} cannot be a classifier's name: call its folder by a plain name.")
    if name in (AUTO, *BUILT_IN, *_registered):
        raise ValueError(f"There is a classifier called {name} already: give the folder another name.")
    _registered[name] = classifier
    return classifier


def registered() -> dict[str, Classifier]:
    """Those there are, by name, in the order in which they came."""
    return dict(_registered)


def register_folder(folder: Path) -> Classifier:
    """The classifier of a folder with the files of a repository, under the folder's name.

    Raises ValueError where it cannot be used; the folder's path is in that sentence and nowhere else.
    """
    from . import hub

    name = folder.resolve().name
    classifier = hub.from_folder(folder)
    return register(replace(classifier, name=name, origin=f"the folder {name} of this machine"))


def describe(classifier: Classifier) -> dict:
    """What a list of models says of one, ready for JSON."""
    return {
        "name": classifier.name,
        "origin": classifier.origin,
        "trained_on": classifier.trained_on,
        "reachable": True,
        "status": "loaded",
        "answers": classifier.answers,
        "classes": list(classifier.classes),
        "layers": list(classifier.layer_names),
        "size": classifier.preprocessing.height,
        "sha256_matches": None,
        "licence": classifier.licence,
    }
