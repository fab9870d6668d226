"""Where heat is read in a network that nobody here has seen before."""

from __future__ import annotations

from torch import Tensor, nn

from gradcam import suggest_layers
from gradcam.suggestions import Suggestion

from ..classifier import Layer
from .labels import distinct
from .policy import Unusable


def layers_of(network: nn.Module, image: Tensor) -> tuple[Layer, ...]:
    """The layers worth reading, shallow to deep, with the shape of their maps as columns. image: [1, 3, h, w].

    Raises Unusable where the network has no layer that keeps the photo's places.
    """
    try:
        suggestions = suggest_layers(network, image)
    except (ValueError, TypeError, RuntimeError) as error:
        raise Unusable("no layer of its network keeps the places of the photo, so no map can be read") from error
    columns = distinct(_column(suggestion) for suggestion in suggestions)
    return tuple(Layer(suggestion.name, column, suggestion) for suggestion, column in zip(suggestions, columns))


def _column(suggestion: Suggestion) -> str:
    """The rows and columns of a layer's map, "14 × 14"."""
    rows, columns = suggestion.grid
    return f"{rows} × {columns}"
