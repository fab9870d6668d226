"""Which plant is it?  The networks, their weights from the Hub or from this folder, and which of them can speak.

What needs torch is imported when it is first asked for, so that the command line can name the models without it.
"""

from importlib import import_module

from potplants.catalogue import CLASSES, FALLBACK, MODELS, Model, find

_LATER = {  # name → where it is
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

__all__ = sorted(["CLASSES", "FALLBACK", "MODELS", "Model", "find", *_LATER])


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__():
    return sorted({*globals(), *_LATER})
