"""The pot plant classifiers: their networks, and their weights from the Hub or from this folder.

What needs torch is imported on first use, so that the command line can list the models without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from potplants.catalogue import CLASSES, FALLBACK, MODELS, Model, find

if TYPE_CHECKING:
    from potplants.hub import HubError
    from potplants.models import Choice, availability, choose, fingerprint, load
    from potplants.networks import CNN, CNNWithGAP
    from potplants.seeds import sibling_figures, siblings
    from potplants.weights import WeightsError

__all__ = [  # noqa: RUF022 (in the order of sorted(), which the tests compare it with)
    "CLASSES",
    "CNN",
    "CNNWithGAP",
    "Choice",
    "FALLBACK",
    "HubError",
    "MODELS",
    "Model",
    "WeightsError",
    "availability",
    "choose",
    "find",
    "fingerprint",
    "load",
    "sibling_figures",
    "siblings",
]

_LAZY_IMPORTS = {  # name → module
    "CNN": "networks",
    "CNNWithGAP": "networks",
    "Choice": "models",
    "HubError": "hub",
    "WeightsError": "weights",
    "availability": "models",
    "choose": "models",
    "fingerprint": "models",
    "load": "models",
    "sibling_figures": "seeds",
    "siblings": "seeds",
}


def __getattr__(name):
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY_IMPORTS[name]}"), name)


def __dir__():
    return sorted({*globals(), *_LAZY_IMPORTS})
