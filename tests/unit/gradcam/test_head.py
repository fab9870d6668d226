"""CAM's head: each way to read a global average linearly is found, nothing else, and a refusal holds on to nothing."""

import traceback

import pytest
import torch
from plain_grad_cam import assert_same, state_of
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from gradcam import Explainer

CHANNELS, LABELS = 5, 3


class Means(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Own(nn.Module):
    """A linear head of tensors with names of their own."""

    def __init__(self):
        super().__init__()
        self.table, self.offset = nn.Parameter(torch.randn(LABELS, CHANNELS)), nn.Parameter(torch.randn(LABELS))

    def forward(self, x):
        return F.linear(x.mean((2, 3)), self.table, self.offset)


def linear(outputs=LABELS, **options):
    return nn.Linear(CHANNELS, outputs, **options)


def pointwise(**options):
    return nn.Conv2d(CHANNELS, LABELS, 1, **options)


HEADS = {  # what follows the layer "1", and where the classes' weights are in it
    "Linear": (lambda: (nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear()), "2.weight"),
    "no bias": (lambda: (Means(), linear(bias=False)), "1.weight"),
    "convolution, average": (lambda: (pointwise(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0.weight"),
    "convolution without bias, average": (lambda: (pointwise(bias=False), Means()), "0.weight"),
    "average, convolution": (lambda: (nn.AvgPool2d(8), pointwise(), nn.Flatten()), "1.weight"),
    "flattened maps, one-dimensional convolution": (
        lambda: (nn.Flatten(2), nn.Conv1d(CHANNELS, LABELS, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten()),
        "1.weight",
    ),
    "dropout": (lambda: (Means(), nn.Dropout(), linear()), "2.weight"),
    "spectral norm": (lambda: (Means(), spectral_norm(linear())), "1.weight"),
    "weight norm": (lambda: (weight_norm(pointwise()), Means()), "0.weight"),
    "tensors of its own": (lambda: (Own(),), "0.table"),
    "one output, no axis for it": (lambda: (Means(), linear(1), nn.Flatten(0)), "1.weight"),
}


def network_with(head):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), nn.ReLU(), *head()).double().train()


def photos(count=2):
    return torch.randn(count, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", HEADS)
def test_the_map_is_the_papers_sum(name):
    """Zhou et al., eq. 2: Σ w A, with the class's own weights. The model, in training mode, is as found."""
    head, where = HEADS[name]
    model, images = network_with(head), photos()
    before = state_of(model)
    targets = [lambda outputs: outputs] if name.startswith("one output") else [0, 2, ("contrast", 0, 1)]
    heat = Explainer(model, "1").explain(images, targets, "CAM", signed=True).heatmaps[:, :, 0]
    assert_same(before, state_of(model))
    module, key = where.split(".")
    with torch.no_grad():
        weight, maps = getattr(model.eval()[2 + int(module)], key).flatten(1), model[:2](images)
    rows = weight if len(targets) == 1 else torch.stack([weight[0], weight[2], weight[0] - weight[1]])
    expected = torch.stack([sum(row[c] * maps[:, c] for c in range(CHANNELS)) for row in rows], 1)
    torch.testing.assert_close(heat, expected, rtol=1e-9, atol=1e-12)


def test_outputs_that_keep_their_axes():
    model, images = network_with(lambda: (nn.AdaptiveAvgPool2d(1), pointwise())), photos()
    assert model(images).shape == (2, LABELS, 1, 1)
    heat = (
        Explainer(model, "1").explain(images, lambda outputs: outputs[:, 1, 0, 0], "CAM", signed=True).heatmaps[:, 0, 0]
    )
    expected = torch.einsum("c,bchw->bhw", model[3].weight[1, :, 0, 0], model[:2](images))
    torch.testing.assert_close(heat, expected.detach(), rtol=1e-9, atol=1e-12)


def squeezed():
    return pointwise(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()


def test_maps_whose_average_is_the_output():
    """A map for each class, and nothing but the average behind it (Network in Network, SqueezeNet)."""
    model, images = network_with(squeezed), photos()
    heat = Explainer(model, "3").explain(images, [0, 1, 2], "CAM").heatmaps[:, :, 0]
    torch.testing.assert_close(heat, model[:4](images).detach(), rtol=1e-9, atol=1e-12)


def test_a_relu_before_the_average_is_no_linear_reading():
    model, images = network_with(squeezed), photos()
    with pytest.raises(ValueError, match="'1' is not one"):
        Explainer(model, "1").explain(images, 0, "CAM")
    with torch.no_grad():
        model[2].bias += 100  # a ReLU that never closes, so the arithmetic holds
    heat = Explainer(model, "1").explain(images, [0, 1, 2], "CAM", signed=True).heatmaps[:, :, 0]
    expected = torch.einsum("nc,bchw->bnhw", model[2].weight[..., 0, 0], model[:2](images)).detach()
    torch.testing.assert_close(heat, expected, rtol=1e-9, atol=1e-12)


OTHERS = {
    "stride": lambda: (nn.Conv2d(CHANNELS, LABELS, 1, stride=3), Means()),
    "3 × 3": lambda: (nn.Conv2d(CHANNELS, LABELS, 3, padding=1), Means()),
    "maximum": lambda: (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, LABELS)),
    "normalised": lambda: (Means(), nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, LABELS)),
    "two Linears": lambda: (Means(), nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, LABELS)),
    "every pixel": lambda: (nn.Flatten(), nn.Linear(CHANNELS * 64, LABELS)),
    "probabilities": lambda: (Means(), nn.Linear(CHANNELS, LABELS), nn.Softmax(1)),
    "one for each place": lambda: (pointwise(), nn.Flatten()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_heads_are_refused(name):
    with pytest.raises(ValueError, match="1×1 convolution.*'1' is not one.*Grad-CAM"):
        Explainer(network_with(OTHERS[name]), "1").explain(photos(), lambda outputs: outputs[:, 0], "CAM")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["Linear", "convolution, average", "average, convolution"])
def test_half_precision_is_proven_as_far_as_it_goes(name, dtype):
    model, images = network_with(HEADS[name][0]), photos()
    exact = Explainer(model, "1").explain(images, [0, 1, 2], "CAM", signed=True).heatmaps
    found = Explainer(model.to(dtype), "1").explain(images, [0, 1, 2], "CAM", signed=True).heatmaps
    torch.testing.assert_close(
        found.double(), exact, rtol=0, atol=16 * torch.finfo(dtype).eps * float(exact.abs().max())
    )
    with pytest.raises(ValueError, match="'0' is not one"):  # before the ReLU the average is another
        Explainer(model, "0").explain(images, 0, "CAM")


def test_outputs_that_are_not_finite_prove_nothing():
    model = network_with(HEADS["Linear"][0])
    with torch.no_grad():
        model[4].bias[0] = torch.inf
    with pytest.raises(ValueError, match="'1' is not one"):
        Explainer(model, "1").explain(photos(), 1, "CAM")


def test_a_refusal_holds_on_to_nothing():
    """A server keeps exceptions, their frames and what these hold: behind the call itself, nothing of the pass is among it."""
    with pytest.raises(ValueError, match="is not one") as caught:
        Explainer(network_with(squeezed), "1").explain(photos(), 0, "CAM")
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    within = [
        frame
        for frame in frames
        if frame.f_globals["__name__"].startswith("gradcam.") and frame.f_code.co_name != "explain"
    ]
    assert within and [dict(frame.f_locals) for frame in within] == [{}] * len(within)
