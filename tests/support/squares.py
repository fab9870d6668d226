"""Square photos of a model's own size, explained without a file: what most tests of explanations need."""

import numpy as np
import torch

import classifiers
import potplants
from explorer.explanation import service as services


def classifier(model) -> classifiers.Classifier:
    """The classifier of a pot-plant model, or of its name."""
    return classifiers.of_pot_plants(model) if isinstance(model, potplants.Model) else classifiers.find(model)


def explain_photo(photo: np.ndarray, note: str, model, network, method: str):
    """A photo [S, S, 3] uint8, explained by the model's network."""
    asked = classifier(model)
    return services.explain_frame(asked.preprocessing.frame(photo), note, asked, network, method)


def explain_square(service, photo: np.ndarray, name: str, method: str, note: str = "", progress=None):
    """The same by a service, with its cache."""
    frame = classifier(name).preprocessing.frame(photo)
    return service.explain_frame(frame, name, method, note, progress=progress)


def as_image(photo: np.ndarray) -> torch.Tensor:
    """The input of the pot-plant networks, [1, 3, S, S]: RGB in 0…1."""
    return torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
