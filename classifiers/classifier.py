"""A classifier: a network with all that is needed to ask it about a photo and to say where it looked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from torch import Tensor, nn

from gradcam.suggestions import Suggestion

from .preprocessing import Preprocessing

Progress = Callable[..., object]  # (part of the download that has come, 0…1)


class Layer(NamedTuple):
    """A place where heat is read."""

    name: str  # the module's path in the network
    column: str  # what people call it
    suggestion: Suggestion | None = None  # how its output becomes maps, where it is none: a transformer's tokens

    @property
    def readable(self) -> str | Suggestion:
        """As `gradcam.Explainer` and `gradcam.take_apart` take it."""
        return self.suggestion or self.name


@dataclass(frozen=True)
class Classifier:
    """What can be asked about a photo. It holds no weights: `network` finds them, and loads them where they are not."""

    name: str
    classes: tuple[
        str, ...
    ]  # what the outputs mean, in their order, each once; of a network that gives a number, its name
    layers: tuple[Layer, ...]  # shallow to deep
    preprocessing: Preprocessing
    load: Callable[[Progress | None], nn.Module]  # the one network of this process, in eval mode on the CPU
    origin: str  # where the weights come from, for people
    trained_on: str
    licence: str = ""
    revision: str | None = None  # the commit of a Hub repository
    answers: Literal["class", "number"] = "class"  # the largest of several logits, or one output that is a number

    @property
    def network(self) -> nn.Module:
        """In eval mode on the CPU; the same for every caller. Raises what loading it raises."""
        return self.load(None)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers as the network's modules are called, shallow to deep."""
        return tuple(layer.name for layer in self.layers)

    @property
    def columns(self) -> tuple[str, ...]:
        """The layers as people call them, shallow to deep."""
        return tuple(layer.column for layer in self.layers)

    def input_of(self, photo: np.ndarray) -> Tensor:
        """A photo [H, W, 3] uint8, RGB, of any shape as the network wants it: [1, 3, h, w] float32."""
        frame = self.preprocessing.frame(photo)
        return self.preprocessing.tensor(frame.canvas, frame.seen)
