"""Which plant is it?  The networks, their weights from the Hub or from this folder, and which of them can speak."""

from potplants.hub import HubError
from potplants.models import FALLBACK, MODELS, Choice, Model, availability, choose, find, fingerprint, load
from potplants.networks import CLASSES, CNN, CNNWithGAP
from potplants.siblings import sibling_figures, siblings
from potplants.weights import WeightsError

__all__ = [
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
