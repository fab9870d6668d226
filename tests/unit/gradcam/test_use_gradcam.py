"""Every statement of docs/using-gradcam.md, as a user would write it."""

import numpy as np
import pytest
import torch
from plain_grad_cam import assert_same_state, model_state
from torch import nn

from gradcam import METHODS, Explainer, guided_backpropagation, guided_grad_cam, memory, overlay, suggest_layers


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)).eval()


@pytest.fixture
def photos():
    return torch.rand(4, 3, 20, 20, generator=torch.Generator().manual_seed(1))


def test_one_forward_whatever_the_number_of_targets_and_layers(model, photos):
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    Explainer(model, ["0", "1"]).explain(photos, [0, 1, 2, "mixture", ("contrast", 3, 5)])
    assert len(calls) == 1


def test_one_batched_backward(model, photos):
    """A function that records its backward, for five targets."""
    calls = []

    class RecordsBackward(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x * 1

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, gradient):
            calls.append(1)
            return gradient

    class RecordingLayer(nn.Module):
        def forward(self, x):
            return RecordsBackward.apply(x)

    Explainer(nn.Sequential(model[:2], RecordingLayer(), model[2:]), "0.0").explain(photos, [0, 1, 2, 3, 4])
    assert len(calls) == 1


def test_the_model_is_unchanged(model, photos):
    model.train()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before, state = model_state(model), torch.get_rng_state()
    Explainer(model).explain(photos, [0, 3])
    assert_same_state(before, model_state(model))
    assert torch.equal(state, torch.get_rng_state())


def test_images_are_converted_to_the_models_precision(model, photos):
    single = Explainer(model).explain(photos, 3).heatmaps
    double = Explainer(model.double()).explain(photos, 3).heatmaps
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "transform",
    [
        torch.fx.symbolic_trace,
        lambda model: torch.compile(model, backend="eager"),
        lambda model: setattr(model, "forward", lambda x, run=model.forward: run(x)) or model,
        lambda model: nn.utils.parametrizations.weight_norm(model[4]) and model,
    ],
    ids=["traced", "compiled", "a replaced forward", "a parametrised weight"],
)
def test_transformed_models_are_supported(transform, model, photos):
    expected = Explainer(model, "0").explain(photos, [0, 3]).heatmaps
    torch.testing.assert_close(Explainer(transform(model), "0").explain(photos, [0, 3]).heatmaps, expected)


def test_obstacles_raise_a_one_sentence_error(model, photos):
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = model[:4], model[4]

        def forward(self, x):
            return self.head(self.body(x).detach())

    cases = [
        (lambda: Explainer(torch.jit.trace(model, photos)), TypeError, "TorchScript"),
        (
            lambda: Explainer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))).explain(photos, 0),
            ValueError,
            "run the model once",
        ),
        (lambda: Explainer(model.to("meta"), "0").explain(photos, 0), ValueError, "load them first"),
        (lambda: Explainer(Detached(), "body.0").explain(photos, 0), ValueError, "none leads there"),
    ]
    model = model.to("cpu")
    for explain, kind, message in (cases[0], cases[3], cases[1], cases[2]):
        with pytest.raises(kind, match=message) as caught:
            explain()
        assert "\n" not in str(caught.value)


class Centred(nn.Module):
    """Subtracts the mean of the batch from each image."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x - x.mean(0))


def test_all_images_share_one_forward_pass(model, photos):
    calls = []
    net = Centred(model)
    net.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    together = Explainer(net, "body.0").explain(photos, 3)
    assert calls == [4]
    torch.testing.assert_close(together.logits, net(photos).detach())


def test_at_once_splits_the_batch(model, photos):
    calls = []
    model.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    by_threes = Explainer(model).explain(photos, [3, "mixture"], at_once=3)
    assert calls == [3, 1]
    torch.testing.assert_close(by_threes.heatmaps, Explainer(model).explain(photos, [3, "mixture"]).heatmaps)
    for wrong in (0, -1, True, 2.5):
        with pytest.raises(ValueError, match="at_once as a number of images from 1"):
            Explainer(model).explain(photos, 3, at_once=wrong)


def test_a_batch_that_does_not_fit_is_rejected_beforehand(model, photos, monkeypatch):
    explainer, calls = Explainer(model), []
    free = 4 * (8 * 18 * 18 * 4) - 1  # one byte less than the ReLU saves for the backward of four photos
    monkeypatch.setattr(memory, "available", lambda device: free)
    monkeypatch.setattr("gradcam.explainer.available", lambda device: free)
    model.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    with pytest.raises(MemoryError, match="activations of 4 images need .* pass at_once"):
        explainer.explain(photos, 3)
    assert calls == [1], "the need of four images is estimated from one"


@pytest.mark.parametrize(
    "convert", [torch.tensor, np.array, list, lambda labels: [np.int64(label) for label in labels]]
)
def test_one_label_per_image(convert, model, photos):
    labels = [3, 0, 9, 3]
    result = Explainer(model).explain(photos, ("labels", convert(labels))).heatmaps
    assert result.shape[:2] == (4, 1)
    for photo, label, heatmap in zip(photos, labels, result):
        torch.testing.assert_close(heatmap, Explainer(model).explain(photo[None], label).heatmaps[0])


def test_predicted_is_the_default(model, photos):
    torch.testing.assert_close(
        Explainer(model).explain(photos).heatmaps, Explainer(model).explain(photos, "predicted").heatmaps
    )


def test_the_top_k_are_the_classes_by_rank(model, photos):
    photo = photos[:1]
    best = model(photo)[0].argsort(descending=True)[:3].tolist()
    result = Explainer(model).explain(photo, ("top", 3)).heatmaps
    torch.testing.assert_close(result, Explainer(model).explain(photo, best).heatmaps)


def test_a_callable_gets_the_outputs_of_the_whole_batch(model, photos):
    labels = torch.tensor([3, 0, 9, 3])
    expected = Explainer(model).explain(photos, ("labels", labels)).heatmaps
    for at_once in (None, 3):
        result = (
            Explainer(model).explain(photos, lambda outputs: outputs[torch.arange(4), labels], at_once=at_once).heatmaps
        )
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("label", [np.int64(3), np.argmax(np.eye(10)[3]), torch.tensor(3)])
def test_class_numbers_may_be_numpy_or_torch_integers(label, model, photos):
    torch.testing.assert_close(
        Explainer(model).explain(photos, label).heatmaps, Explainer(model).explain(photos, 3).heatmaps
    )


def test_methods_name_their_papers():
    assert set(METHODS) == {
        "Grad-CAM",
        "Grad-CAM++",
        "HiResCAM",
        "XGrad-CAM",
        "LayerCAM",
        "Eigen-CAM",
        "CAM",
        "Ablation-CAM",
        "Score-CAM",
    }
    assert all("eq" in method.source or "algorithm" in method.source for method in METHODS.values())


def test_guided_methods_refuse_other_activations(model, photos):
    assert guided_backpropagation(model, photos, 3).shape == (4, 1, 3, 20, 20)
    assert guided_grad_cam(model, photos, 3).shape == (4, 1, 3, 20, 20)
    model[1] = nn.SiLU()
    with pytest.raises(ValueError, match="guided backpropagation is defined for ReLU"):
        guided_backpropagation(model, photos, 3)


def test_a_layer_by_module_by_run_and_by_suggestion(model, photos):
    expected = Explainer(model, "0").explain(photos, 3).heatmaps
    torch.testing.assert_close(Explainer(model, model[0]).explain(photos, 3).heatmaps, expected)
    torch.testing.assert_close(Explainer(model, [("0", 0)]).explain(photos, 3).heatmaps, expected)
    names = [suggestion.name for suggestion in suggest_layers(model, photos)]
    assert names == ["0"] and all(suggestion.reason for suggestion in suggest_layers(model, photos))


def test_channels_last_maps_are_detected_and_reshaped(model, photos):
    class ToChannelsLast(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1)

    class ToChannelsFirst(nn.Module):
        def forward(self, x):
            return x.permute(0, 3, 1, 2)

    net = nn.Sequential(model[:2], ToChannelsLast(), ToChannelsFirst(), model[2:])
    with pytest.raises(ValueError, match=r"looks like \[B, h, w, C\]: pass reshape"):
        Explainer(net, "1").explain(photos, 3)
    result = Explainer(net, "1", reshape=lambda maps: maps.permute(0, 3, 1, 2)).explain(photos, 3).heatmaps
    torch.testing.assert_close(result, Explainer(net, "0").explain(photos, 3).heatmaps)
    with pytest.raises(TypeError, match="reshape as a function"):
        Explainer(net, "1", reshape=3)


def test_signed_maps_are_drawn_in_blue_and_red(model, photos):
    heatmaps = Explainer(model).explain(photos[:1], ("contrast", 3, 5), signed=True).heatmaps[0, 0, 0]
    assert heatmaps.min() < 0 < heatmaps.max()
    drawn = overlay(np.full((20, 20, 3), 128, np.uint8), heatmaps).astype(int)
    red, blue = drawn[..., 0], drawn[..., 2]
    worst, best = np.unravel_index(int(heatmaps.argmin()), (20, 20)), np.unravel_index(int(heatmaps.argmax()), (20, 20))
    assert red[best] > blue[best] and blue[worst] > red[worst]


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_sequences_and_volumes_have_heatmaps_of_their_axes(axes, method):
    torch.manual_seed(0)
    conv, pool = (nn.Conv1d, nn.AdaptiveAvgPool1d) if axes == 1 else (nn.Conv3d, nn.AdaptiveAvgPool3d)
    net = nn.Sequential(conv(2, 6, 3), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(6, 4))
    size = (11, 9, 10)[:axes]
    explanation = Explainer(net, "1").explain(torch.rand(3, 2, *size), [0, "predicted"], method)
    assert explanation.heatmaps.shape == (3, 2, 1, *size)
    assert {state for image in explanation.states() for row in image for state in row} <= {
        "evidence",
        "empty",
        "constant",
    }


def test_the_map_of_a_volume_is_the_weighted_sum(photos):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.Flatten(), nn.Linear(3 * 4 * 5 * 6, 2)).double()
    volume = torch.rand(1, 1, 4, 5, 6, dtype=torch.float64)
    result = Explainer(net, "0").explain(volume, 1, signed=True).heatmaps[0, 0, 0]
    maps, gradients = net[0](volume)[0].detach(), net[2].weight[1].detach().view(3, 4, 5, 6)
    torch.testing.assert_close(result, sum(gradients[c].mean() * maps[c] for c in range(3)))


def test_models_with_several_inputs_can_be_wrapped(model, photos):
    class TwoInputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = model, nn.Conv2d(3, 10, 20)

        def forward(self, first, second):
            return self.left(first) + self.right(second).flatten(1)

    class WithSecondInput(nn.Module):
        def __init__(self, both, second):
            super().__init__()
            self.both, self.second = both, second

        def forward(self, first):
            return self.both(first, self.second)

    result = Explainer(WithSecondInput(TwoInputs(), photos), "both.left.0").explain(photos, 3).heatmaps
    torch.testing.assert_close(result, Explainer(model, "0").explain(photos, 3).heatmaps)
