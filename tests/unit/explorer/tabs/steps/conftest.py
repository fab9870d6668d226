"""Fixtures for Step by step: the opening photo, one heatmap of it in steps, and steps of given weights and maps."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.steps.breakdown import steps_of
from gradcam import Anatomy


@pytest.fixture(scope="module")
def service():
    return ExplanationService()


@pytest.fixture(scope="module")
def explained(service):
    return service.explain_file(examples.embedded().story.file, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def steps(service, explained):
    return steps_of(service.device, explained, "predicted", "conv3")


@pytest.fixture
def steps_with(steps):
    """The steps with given weights and maps; the gradients are the weights spread evenly."""

    def with_anatomy(weights, activation):
        weights, activation = torch.tensor(weights), torch.tensor(activation)
        summed = (weights[:, None, None] * activation).sum(0)
        heat = nn.functional.interpolate(summed.relu()[None, None], scale_factor=128, mode="nearest")[0, 0]
        gradient = weights[:, None, None].expand_as(activation).clone()
        logits = torch.tensor([1.0, 3.0, 0.0, -1.0])
        return replace(steps, anatomy=Anatomy(logits, 3.0, activation, gradient, weights, summed, summed.relu(), heat))

    return with_anatomy
