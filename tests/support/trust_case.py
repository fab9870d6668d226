"""A small case for the tab Trust's tests: the article's network at 32 × 32 with untrained weights, and a photo."""

import numpy as np
import torch

from classifiers import Classifier, Layer, Preprocessing
from explorer.explanation.service import explain_frame
from explorer.tabs.trust.map_under_test import MapUnderTest
from potplants import CNN

SIDE = 32
LAYERS = ("conv_layers.0", "conv_layers.3", "conv_layers.6")
CLASSES = ("rudo", "baya", "greg", "yuki")


def network(seed=0, classes=4):
    torch.manual_seed(seed)
    return CNN(classes=classes, hidden=8, size=SIDE).eval()


def model(answers="class") -> Classifier:
    names = CLASSES if answers == "class" else ("position",)
    layers = tuple(Layer(name, f"conv{number}") for number, name in enumerate(LAYERS, 1))
    return Classifier("small", names, layers, Preprocessing(SIDE, SIDE), _load, "a test", "nothing", answers=answers)


def _load(progress):
    """A module's function, so that the case can be pickled."""
    return network()


def photo():
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def case(target="baya", column="conv3", answers="class", net=None, parts=None) -> MapUnderTest:
    """The map under test, its network loaded. net: in place of the untrained one. parts: the mask."""
    net = net or network(classes=4 if answers == "class" else 1)
    small = model(answers)
    explained = explain_frame(small.preprocessing.frame(photo()), "", small, net, "Grad-CAM")
    return MapUnderTest(explained, net, target, column, parts)


def silent(part, task):
    """A progress callback that checks its arguments only."""
    assert 0 <= part <= 1 and task
