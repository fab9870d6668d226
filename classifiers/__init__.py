"""What does it say?  Every classifier that can be asked, and how it wants its photo.

What needs torch is imported when it is first asked for, so that the command line can name the classifiers without it.
"""

from importlib import import_module

_LATER = {  # name → where it is
    "Classifier": "classifier",
    "Layer": "classifier",
    "Preprocessing": "preprocessing",
    "Frame": "preprocessing",
    "load": "catalogue",
    "find": "catalogue",
    "of_pot_plants": "catalogue",
    "availability": "catalogue",
    "choose": "first",
    "fingerprint": "catalogue",
    "names": "catalogue",
    "embedded": "catalogue",
    "is_name": "catalogue",
    "is_of_the_hub": "catalogue",
    "on_forgotten": "hub.memory",
    "register": "registry",
}

__all__ = [
    "Classifier",
    "Frame",
    "Layer",
    "Preprocessing",
    "availability",
    "choose",
    "embedded",
    "find",
    "fingerprint",
    "is_name",
    "is_of_the_hub",
    "load",
    "names",
    "of_pot_plants",
    "on_forgotten",
    "register",
]


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
