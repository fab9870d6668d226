"""CAM's head: every linear head over a global average is recognised, others are rejected without leaking tensors."""

import traceback

import pytest
import torch
from plain_grad_cam import assert_same_state, model_state
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from gradcam import Explainer

CHANNELS, LABELS = 5, 3


class Means(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class CustomHead(nn.Module):
    """A linear head whose parameters have custom names."""

    def __init__(self):
        super().__init__()
        self.table, self.offset = nn.Parameter(torch.randn(LABELS, CHANNELS)), nn.Parameter(torch.randn(LABELS))

    def forward(self, x):
        return F.linear(x.mean((2, 3)), self.table, self.offset)


def linear(outputs=LABELS, **options):
    return nn.Linear(CHANNELS, outputs, **options)


def pointwise(**options):
    return nn.Conv2d(CHANNELS, LABELS, 1, **options)


HEADS = {  # the modules after layer "1", and the path of the class weights in them
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
    "custom parameters": (lambda: (CustomHead(),), "0.table"),
    "one output, no axis for it": (lambda: (Means(), linear(1), nn.Flatten(0)), "1.weight"),
}


def network_with(head):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), nn.ReLU(), *head()).double().train()


def photos(count=2):
    return torch.randn(count, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", HEADS)
def test_the_map_equals_the_papers_sum(name):
    """Zhou et al., eq. 2: Σ w A, with the class's own weights. The model, in training mode, is unchanged."""
    head, weight_path = HEADS[name]
    model, images = network_with(head), photos()
    before = model_state(model)
    targets = [lambda outputs: outputs] if name.startswith("one output") else [0, 2, ("contrast", 0, 1)]
    heat = Explainer(model, "1").explain(images, targets, "CAM", signed=True).heatmaps[:, :, 0]
    assert_same_state(before, model_state(model))
    module, key = weight_path.split(".")
    with torch.no_grad():
        weight, maps = getattr(model.eval()[2 + int(module)], key).flatten(1), model[:2](images)
    rows = weight if len(targets) == 1 else torch.stack([weight[0], weight[2], weight[0] - weight[1]])
    expected = torch.stack([sum(row[c] * maps[:, c] for c in range(CHANNELS)) for row in rows], 1)
    torch.testing.assert_close(heat, expected, rtol=1e-9, atol=1e-12)


def test_outputs_with_spatial_axes():
    model, images = network_with(lambda: (nn.AdaptiveAvgPool2d(1), pointwise())), photos()
    assert model(images).shape == (2, LABELS, 1, 1)
    heat = (
        Explainer(model, "1").explain(images, lambda outputs: outputs[:, 1, 0, 0], "CAM", signed=True).heatmaps[:, 0, 0]
    )
    expected = torch.einsum("c,bchw->bhw", model[3].weight[1, :, 0, 0], model[:2](images))
    torch.testing.assert_close(heat, expected.detach(), rtol=1e-9, atol=1e-12)


def convolution_relu_average():
    return pointwise(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()


def test_maps_whose_average_is_the_output():
    """One map per class, followed by the average only (Network in Network, SqueezeNet)."""
    model, images = network_with(convolution_relu_average), photos()
    heat = Explainer(model, "3").explain(images, [0, 1, 2], "CAM").heatmaps[:, :, 0]
    torch.testing.assert_close(heat, model[:4](images).detach(), rtol=1e-9, atol=1e-12)


def test_a_relu_before_the_average_is_not_linear():
    model, images = network_with(convolution_relu_average), photos()
    with pytest.raises(ValueError, match="'1' is not one"):
        Explainer(model, "1").explain(images, 0, "CAM")
    with torch.no_grad():
        model[2].bias += 100  # the ReLU is always active, so the head is linear
    heat = Explainer(model, "1").explain(images, [0, 1, 2], "CAM", signed=True).heatmaps[:, :, 0]
    expected = torch.einsum("nc,bchw->bnhw", model[2].weight[..., 0, 0], model[:2](images)).detach()
    torch.testing.assert_close(heat, expected, rtol=1e-9, atol=1e-12)


UNSUPPORTED = {
    "stride": lambda: (nn.Conv2d(CHANNELS, LABELS, 1, stride=3), Means()),
    "3 × 3": lambda: (nn.Conv2d(CHANNELS, LABELS, 3, padding=1), Means()),
    "maximum": lambda: (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, LABELS)),
    "normalised": lambda: (Means(), nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, LABELS)),
    "two Linears": lambda: (Means(), nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, LABELS)),
    "every pixel": lambda: (nn.Flatten(), nn.Linear(CHANNELS * 64, LABELS)),
    "probabilities": lambda: (Means(), nn.Linear(CHANNELS, LABELS), nn.Softmax(1)),
    "one output per position": lambda: (pointwise(), nn.Flatten()),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_heads_are_rejected(name):
    with pytest.raises(ValueError, match="1×1 convolution.*'1' is not one.*Grad-CAM"):
        Explainer(network_with(UNSUPPORTED[name]), "1").explain(photos(), lambda outputs: outputs[:, 0], "CAM")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["Linear", "convolution, average", "average, convolution"])
def test_half_precision_heads_are_verified_within_rounding(name, dtype):
    model, images = network_with(HEADS[name][0]), photos()
    exact = Explainer(model, "1").explain(images, [0, 1, 2], "CAM", signed=True).heatmaps
    result = Explainer(model.to(dtype), "1").explain(images, [0, 1, 2], "CAM", signed=True).heatmaps
    torch.testing.assert_close(
        result.double(), exact, rtol=0, atol=16 * torch.finfo(dtype).eps * float(exact.abs().max())
    )
    with pytest.raises(ValueError, match="'0' is not one"):  # before the ReLU the average is different
        Explainer(model, "0").explain(images, 0, "CAM")


def test_a_head_with_non_finite_outputs_is_rejected():
    model = network_with(HEADS["Linear"][0])
    with torch.no_grad():
        model[4].bias[0] = torch.inf
    with pytest.raises(ValueError, match="'1' is not one"):
        Explainer(model, "1").explain(photos(), 1, "CAM")


def test_a_refusal_keeps_no_tensors_alive():
    """A server may keep exceptions and their frames: those below `explain` have no local variables left."""
    with pytest.raises(ValueError, match="is not one") as caught:
        Explainer(network_with(convolution_relu_average), "1").explain(photos(), 0, "CAM")
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    inner_frames = [
        frame
        for frame in frames
        if frame.f_globals["__name__"].startswith("gradcam.") and frame.f_code.co_name != "explain"
    ]
    assert inner_frames and [dict(frame.f_locals) for frame in inner_frames] == [{}] * len(inner_frames)
