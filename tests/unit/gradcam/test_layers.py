"""Layers are selected by name, module or call, and suggested with reasons."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from gradcam import Explainer, suggest_layers


class Recurrent(nn.Module):
    """One convolution that runs three times."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2)

    def forward(self, x):
        for _ in range(3):
            x = torch.tanh(self.conv(x))
        return self.head(x.mean((2, 3)))


def test_a_call_is_selected_by_its_index(images):
    model, images = Recurrent().double(), images.double()
    explanation = Explainer(model, [("conv", 2), ("conv", 0), (model.conv, 1)]).explain(images, [0, 1], signed=True)
    assert explanation.layers == ("conv[2]", "conv[0]", "conv[1]")
    steps, x = [], images
    for _ in range(3):
        steps.append(model.conv(x))
        x = torch.tanh(steps[-1])
    logits = model.head(x.mean((2, 3)))
    for index, call in enumerate((2, 0, 1)):
        for k in (0, 1):
            (gradient,) = torch.autograd.grad(logits[:, k].sum(), steps[call], retain_graph=True)
            expected = (gradient.mean((2, 3), keepdim=True) * steps[call]).sum(1).detach()
            torch.testing.assert_close(explanation.heatmaps[:, k, index], expected, rtol=1e-10, atol=1e-14)


def test_ablation_replaces_the_selected_call_only(images):
    model, images = Recurrent().double(), images[:1].double()
    heat = Explainer(model, [("conv", 1)]).explain(images, [0], "Ablation-CAM", signed=True).heatmaps[0, 0, 0]
    with torch.no_grad():
        maps = model.conv(torch.tanh(model.conv(images)))

        def score(x):
            return model.head(torch.tanh(model.conv(torch.tanh(x))).mean((2, 3)))[0, 0]

        expected = torch.zeros(16, 16, dtype=torch.float64)
        for channel in range(3):
            ablated = maps.clone()
            ablated[:, channel] = 0
            expected += (score(maps) - score(ablated)) / score(maps).abs() * maps[0, channel]
    torch.testing.assert_close(heat, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ("conv", ValueError, r"ran 3 times: choose a call, as in \('conv', 0\)"),
        ([("conv", 3)], ValueError, "it ran 3 times: calls are counted from 0"),
        ([("conv", -1)], ValueError, "counted from 0"),
        ([3], TypeError, "name or module"),
        (3, TypeError, "name or module, .* got int"),
        (nn.Conv2d(1, 1, 1), ValueError, "not part of it"),
    ],
)
def test_missing_calls_and_layers_raise_an_error(layers, error, message, images):
    with pytest.raises(error, match=message):
        Explainer(Recurrent(), layers).explain(images, 0)


class Branching(nn.Module):
    """Layers run in another order than they are defined; the last is a squeeze-and-excitation convolution."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        self.squeeze = nn.Conv2d(8, 8, 1)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.spare = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = F.max_pool2d(self.middle(self.first(x)), 2)
        x = self.last(x)
        return (x * self.squeeze(x.mean((2, 3), keepdim=True))).mean((2, 3))


def test_suggestions_follow_execution_order(images):
    suggestions = suggest_layers(Branching(), images)
    assert [(one.name, one.shape) for one in suggestions] == [("middle", (2, 8, 16, 16)), ("last", (2, 8, 8, 8))]
    assert (
        "last convolution to run (8 maps of 8 × 8)" in suggestions[-1].reason and "resolution" in suggestions[0].reason
    )
    Explainer(Branching(), [one.name for one in suggestions]).explain(images)


def test_a_model_without_suggestions_raises_an_error(images):
    with pytest.raises(ValueError, match="reshape"):
        suggest_layers(nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), images)


def test_tokens_require_a_reshape(images):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embed, self.mix, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.mix(self.embed(x).flatten(2).mT).relu().mean(1))

    def as_maps(tokens):
        return tokens.mT.unflatten(2, (4, 4))

    model = Tokens()
    with pytest.raises(ValueError, match="reshape"):
        Explainer(model, "mix").explain(images, 0)
    heat = Explainer(model, "mix", reshape=as_maps).explain(images, [0, 1], signed=True).heatmaps[:, :, 0]
    tokens = model.embed(images).flatten(2).mT
    tokens = model.mix(tokens)
    logits = model.head(tokens.relu().mean(1))
    for k in (0, 1):
        (gradient,) = torch.autograd.grad(logits[:, k].sum(), tokens, retain_graph=True)
        small = (gradient.mean(1, keepdim=True) * tokens).sum(2).detach().view(2, 1, 4, 4)
        torch.testing.assert_close(
            heat[:, k], F.interpolate(small, (16, 16), mode="bilinear", align_corners=False)[:, 0]
        )
    with pytest.raises(ValueError, match="put back"):
        Explainer(model, "mix", reshape=as_maps).explain(images, 0, "Ablation-CAM")
