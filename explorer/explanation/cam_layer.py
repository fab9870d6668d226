"""The one layer that CAM reads: where the maps are whose averages the answer is made of."""

from collections import Counter
from contextlib import suppress
from functools import lru_cache

import torch
from torch import nn

from classifiers import Classifier, Layer
from gradcam import Explainer
from gradcam.breakdown import summary

CAM = "CAM"


class NoCam(ValueError):  # noqa: N818 (what a network lacks)
    """CAM cannot read a network. One sentence: what it needs, and what to do."""

    @classmethod
    def of(cls, model: Classifier) -> "NoCam":
        """A visitor cannot name other layers than the page's, as `gradcam` advises."""
        return cls(
            "CAM needs a layer whose global average feeds one Linear or 1×1 convolution that gives the outputs; "
            f"{model.name} has none that can be read: use Grad-CAM."
        )


def cam_layer(model: Classifier, network: nn.Module) -> Layer:
    """The layer that CAM reads in the place of the model's deepest: `readable_layer`. Raises NoCam if there is none."""
    found = readable_layer(model, network)
    if found is None:
        raise NoCam.of(model)
    return found


@lru_cache(maxsize=4)  # of the last networks, each of which takes three forward passes to find out
def readable_layer(model: Classifier, network: nn.Module) -> Layer | None:
    """The layer that CAM can read: the model's deepest, or the last maps of the network; None if neither.

    Often a ReLU or one more convolution stands between the deepest layer and the average.
    """
    deepest = model.layers[-1]
    # not a grey photo, to which a ReLU may change nothing
    noise = torch.rand(3, *model.preprocessing.size, generator=torch.Generator().manual_seed(0))
    image = model.preprocessing.normalise(noise)
    for layer in (deepest, *_last_maps(network, image, deepest.column)):
        with suppress(ValueError):
            Explainer(network, [layer.readable]).explain(image[None], 0, CAM, at_once=1)
            return layer
    return None


def _last_maps(network, image, column):
    """The module that puts out the last maps of several places, as a layer; none if it runs more than once."""
    rows = summary(network, image)
    runs = Counter(row.layer for row in rows)
    maps = [row.layer for row in rows if len(row.output_shape) == 3 and max(row.output_shape[1:]) > 1]
    return [Layer(maps[-1], column)] if maps and runs[maps[-1]] == 1 else []
