"""The catalogue of models and where their weights come from. Reading it imports neither torch nor huggingface_hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

CLASSES = ("rudo", "baya", "greg", "yuki")  # the order of the logits

FALLBACK = "embedded"
PREFERRED = "pot_plant_classifier"  # the article's own

_HUB_REPO = "a-data-odyssey/XAI-for-CV-models"
_EMBEDDED_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class HubFile:
    """One file on the Hub: `path` inside `repo` at `revision`."""

    repo: str
    path: str
    revision: str = "main"


@dataclass(frozen=True)
class Model:
    """One model, identified by its name."""

    name: str
    network: Callable[[], nn.Module]
    classes: tuple[str, ...]  # the meaning of each output, in order; for a regression network, the name of its number
    layers: tuple[str, ...]  # the convolutions, shallow to deep
    size: int  # side of the square input
    origin: str  # where the weights come from, for people
    trained_on: str
    weights: HubFile | Path
    sha256: str | None = None  # of the published file; None if it was not published
    answers: Literal["class", "number"] = "class"  # classification: the largest logit; regression: one output


def _cnn(**options) -> nn.Module:
    from potplants.networks import CNN

    return CNN(**options)


def _cnn_with_gap() -> nn.Module:
    from potplants.networks import CNNWithGAP

    return CNNWithGAP()


_CATALOGUE = (
    Model(
        name="pot_plant_classifier",
        network=_cnn,
        classes=CLASSES,
        layers=("conv_layers.0", "conv_layers.3", "conv_layers.6"),
        size=256,
        origin=f"the Hugging Face Hub ({_HUB_REPO})",
        trained_on="real photos",
        weights=HubFile(_HUB_REPO, "models/pot_plant_classifier/model.pth"),
        sha256="88bf38e32007c6b7b1aaebe4df3c68d99a3c0d6f777e8170ffe0786e08433373",
    ),
    Model(
        name="pot_plant_classifier_gap",
        network=_cnn_with_gap,
        classes=CLASSES,
        layers=("conv_layers.0", "conv_layers.2", "conv_layers.4"),
        size=256,
        origin=f"the Hugging Face Hub ({_HUB_REPO})",
        trained_on="real photos",
        weights=HubFile(_HUB_REPO, "models/pot_plant_classifier_gap/model.pth"),
        sha256="3c0f391b3fe7d61da4c8abc3cfe55cdfaefd251c6117a799c61234416210dc8a",
    ),
    Model(
        name="car_single_room",
        network=partial(_cnn, classes=1, size=224),
        classes=("position",),  # where to steer: a horizontal position
        layers=("conv_layers.0", "conv_layers.3", "conv_layers.6"),
        size=224,
        origin=f"the Hugging Face Hub ({_HUB_REPO})",
        trained_on="a car's view of one room",
        weights=HubFile(_HUB_REPO, "models/car_single_room/model.pth"),
        sha256="fdb8e96d344fc92fce686a59ef2d210b73d89e3bc443fdca64043e0e995282df",
        answers="number",
    ),
    Model(
        name="embedded",
        network=partial(_cnn, hidden=32),  # 32 instead of 500: 4 MB, small enough for this repository
        classes=CLASSES,
        layers=("conv_layers.0", "conv_layers.3", "conv_layers.6"),
        size=256,
        origin="this repository (potplants/weights/embedded.safetensors)",
        trained_on="rendered photos",
        weights=_EMBEDDED_FOLDER / "embedded.safetensors",
        sha256="f0ac0ff042f48bfaf8d33e234e2d190fdeef6b537ccb0fc79bd08ab6beb0a890",
    ),
    Model(
        name="debiased",
        network=partial(_cnn, hidden=32),
        classes=CLASSES,
        layers=("conv_layers.0", "conv_layers.3", "conv_layers.6"),
        size=256,
        origin="this repository (potplants/weights/debiased.safetensors)",
        trained_on="rendered photos, pots of any colour",
        weights=_EMBEDDED_FOLDER / "debiased.safetensors",
        sha256="1333ee71c2c3f11c1d8b8ba0938e3c7319615ade75ca1a579730e9987d9cc3d3",
    ),
    Model(
        name="embedded_gap",
        network=_cnn_with_gap,
        classes=CLASSES,
        layers=("conv_layers.0", "conv_layers.2", "conv_layers.4"),
        size=256,
        origin="this repository (potplants/weights/embedded_gap.safetensors)",
        trained_on="rendered photos",
        weights=_EMBEDDED_FOLDER / "embedded_gap.safetensors",
        sha256="be3d9f714a88a874ab1833562e958c3cbb0c6201f7a41a59c8da9e6205c36c08",
    ),
)
MODELS: dict[str, Model] = {model.name: model for model in _CATALOGUE}


def find(name: str) -> Model:
    """The model of that name. Raises ValueError, listing the known names."""
    try:
        return MODELS[name]
    except (KeyError, TypeError):
        raise ValueError(f"There is no model {name!r}; choose one of {', '.join(MODELS)}.") from None
