"""The catalogue: the classifiers that come with the app, and the way to any of the Hub's."""

from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

import potplants

from . import imagenet, registry
from .classifier import Classifier, Layer, Progress
from .preprocessing import Preprocessing


def _load_pot_plants(name: str, progress: Progress | None = None):
    return potplants.load(name, progress)


@lru_cache
def of_pot_plants(model: potplants.Model) -> Classifier:
    return Classifier(
        name=model.name,
        classes=model.classes,
        layers=tuple(Layer(name, f"conv{number}") for number, name in enumerate(model.layers, 1)),
        preprocessing=Preprocessing(model.size, model.size),
        load=partial(_load_pot_plants, model.name),
        origin=model.origin,
        trained_on=model.trained_on,
        answers=model.answers,
    )


def names() -> tuple[str, ...]:
    """The classifiers that come with the app, then those of the command line, in the order of the page."""
    return (*potplants.MODELS, imagenet.NAME, *registry.registered())


def embedded() -> tuple[str, ...]:
    """Those whose weights are on this machine as soon as the app is installed."""
    own = (name for name, model in potplants.MODELS.items() if isinstance(model.weights, Path))
    return (*own, imagenet.NAME, *registry.registered())


def find(name: str) -> Classifier:
    """A classifier of the catalogue, its network perhaps not loaded yet, or one of the Hub that is loaded.

    Raises ValueError, naming those there are.
    """
    if is_of_the_hub(name):
        from . import hub

        return hub.find(name)
    if name == imagenet.NAME:
        return imagenet.classifier()
    if isinstance(name, str) and name in registry.registered():
        return registry.registered()[name]
    if not isinstance(name, str) or name not in potplants.MODELS:
        raise ValueError(
            f"There is no model {str(name)[:40]!r}; choose one of {', '.join(names())}, or a repository of the Hub as "
            "owner/name."
        )
    return of_pot_plants(potplants.MODELS[name])


def load(name: str, progress: Progress | None = None) -> Classifier:
    """A classifier with its network loaded: of the catalogue, or a repository of the Hub as owner/name[@revision].

    Raises ValueError for an unknown name and what loading raises.
    """
    if is_of_the_hub(name):
        from . import hub

        return hub.load(name, progress)
    classifier = find(name)
    classifier.load(progress)
    return classifier


def availability() -> list[dict]:
    """One dict for each classifier that comes with the app, ready for JSON, on whether it can be loaded now."""
    added = map(registry.describe, registry.registered().values())
    return [*potplants.availability(), imagenet.availability(), *added]


def fingerprint(name: str) -> str | None:
    """SHA-256 of a classifier's weights on this machine; None where they are not here."""
    if name == imagenet.NAME:
        return imagenet.fingerprint()
    return None if is_of_the_hub(name) or name in registry.registered() else potplants.fingerprint(name)


def is_name(name: str) -> bool:
    """Whether a classifier of the catalogue or the Hub may have that name; whether it exists there is not asked."""
    if name in names():
        return True
    if is_of_the_hub(name):
        from .hub.reference import parse

        with suppress(ValueError):
            return bool(parse(name))
    return False


def is_of_the_hub(name: object) -> bool:
    """Whether a name is meant for the Hub, well formed or not: the catalogue's hold no slash."""
    return isinstance(name, str) and "/" in name
