"""Grad-CAM against independent references: the CAM identity, a hand-computed example, a plain loop."""

import copy
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from plain_grad_cam import assert_same_state, loop_grad_cam, model_state
from torch import nn

from gradcam import Explainer, Explanation
from potplants import CNN, CNNWithGAP

CLASSES = [0, 1, 2, 3]


def test_every_class_and_layer_equals_the_loop_oracle(network, images):
    network, images = network.double(), images.double()
    layers = ["0", "3", "6"]
    explanation = Explainer(network, layers).explain(images, CLASSES)
    assert explanation.heatmaps.shape == (2, 4, 3, 16, 16)
    assert explanation.heatmaps.abs().sum() > 0
    for k in CLASSES:
        for index, layer in enumerate(layers):
            torch.testing.assert_close(
                explanation.heatmaps[:, k, index], loop_grad_cam(network, layer, images, k), rtol=1e-10, atol=1e-12
            )


def test_the_articles_network_with_its_large_linear_layer_equals_the_loop_oracle():
    torch.manual_seed(1)
    network = CNN(hidden=40).eval()  # 40 × 65,536 weights: large enough for the thin product
    images = torch.rand(1, 3, 256, 256)
    explanation = Explainer(network).explain(images, CLASSES)
    assert explanation.layers == ("conv_layers.0", "conv_layers.3", "conv_layers.6")
    for k in CLASSES:
        for index, layer in enumerate(explanation.layers):
            expected = loop_grad_cam(network, layer, images, k)
            torch.testing.assert_close(
                explanation.heatmaps[:, k, index], expected, rtol=1e-4, atol=float(expected.max()) * 1e-4
            )


def test_grad_cam_equals_cam_with_global_average_pooling():
    """Grad-CAM of the layer before the global average = ReLU(Σ w·A) / area (Selvaraju et al. 2017, sec. 3.1)."""
    torch.manual_seed(2)
    network = CNNWithGAP().double().eval()
    images = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    explanation = Explainer(network, "conv_layers.5").explain(images, CLASSES)
    with torch.no_grad():
        activation = network.conv_layers(images)  # [B, 64, 16, 24]
        weights = network.fc[-1].weight  # [4, 64]
        cam = torch.stack([sum(w[c] * activation[:, c] for c in range(64)) for w in weights], 1).relu() / (16 * 24)
    torch.testing.assert_close(explanation.heatmaps[:, :, 0], cam, rtol=1e-10, atol=1e-14)
    assert cam.sum() > 0


def test_a_hand_computed_example():
    """One 1×1 convolution with two filters (+1, −2), then a linear layer over the 2 × 2 × 2 activations.

    image [[1, 2], [3, 4]] → A¹ = image, A² = −2·image; weights of the logit: +1 everywhere on A¹, −0.25 on A².
    α¹ = 1, α² = −0.25; map = 1·A¹ − 0.25·A² = 1.5·image = [[1.5, 3], [4.5, 6]].
    The second logit is the negative of the first: its map is empty.
    """
    convolution = nn.Conv2d(1, 2, 1, bias=False)
    linear = nn.Linear(8, 2, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([1.0, -2.0])[:, None, None, None])
        linear.weight.copy_(torch.tensor([[1.0] * 4 + [-0.25] * 4, [-1.0] * 4 + [0.25] * 4]))
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    explanation = Explainer(nn.Sequential(convolution, nn.Flatten(), linear)).explain(image, [0, 1])
    assert explanation.heatmaps[0, 0, 0].tolist() == [[1.5, 3.0], [4.5, 6.0]]
    assert explanation.heatmaps[0, 1, 0].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert explanation.logits[0].tolist() == [1 + 2 + 3 + 4 + 0.25 * 2 * 10, -15.0]


def test_maps_do_not_depend_on_the_order_of_layers(network, images):
    forwards = Explainer(network, ["0", "3", "6"]).explain(images, CLASSES)
    backwards = Explainer(network, [network[6], "0", network[3]]).explain(images, CLASSES)
    assert backwards.layers == ("6", "0", "3")
    for index, layer in enumerate(backwards.layers):
        torch.testing.assert_close(
            backwards.heatmaps[:, :, index], forwards.heatmaps[:, :, forwards.layers.index(layer)]
        )


def test_a_batch_equals_its_images_one_by_one(network, images):
    together = Explainer(network).explain(images, CLASSES)
    for index in range(len(images)):
        alone = Explainer(network).explain(images[index : index + 1], CLASSES)
        torch.testing.assert_close(together.heatmaps[index], alone.heatmaps[0])
        torch.testing.assert_close(together.logits[index], alone.logits[0])


def test_one_call_runs_one_forward_pass(network, images):
    passes = []
    network.register_forward_hook(lambda *_: passes.append(1))
    Explainer(network).explain(images, [*CLASSES, "mixture", ("contrast", 0, 1)])
    assert len(passes) == 1


@pytest.fixture
def stateful_model():
    """In training mode, with batch statistics, dropout, a frozen weight, a stored gradient, in-place ReLUs."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(576, 3),
    )
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    model[5].eval()
    return model.train()


def test_the_model_is_unchanged(stateful_model, images):
    stateful_model[5].eval()
    before = model_state(stateful_model)
    Explainer(stateful_model).explain(images, [0, 1, 2])
    assert_same_state(before, model_state(stateful_model))


def test_the_model_is_unchanged_after_a_failing_forward(stateful_model, images):
    stateful_model.append(nn.Linear(7, 7))  # does not fit
    before = model_state(stateful_model)
    with pytest.raises(RuntimeError):
        Explainer(stateful_model, ["0", "3"]).explain(images, [0])
    assert_same_state(before, model_state(stateful_model))


def test_the_state_comparison_detects_changes(stateful_model, images):
    before = model_state(stateful_model)
    stateful_model(images)  # a plain forward in training mode moves the batch statistics
    with pytest.raises(AssertionError):
        assert_same_state(before, model_state(stateful_model))


def test_an_in_place_relu_does_not_overwrite_the_activation(stateful_model, images):
    """The reference is the same network with out-of-place ReLUs."""
    out_of_place = copy.deepcopy(stateful_model).eval()
    out_of_place[2], out_of_place[4] = nn.ReLU(), nn.ReLU()
    expected = torch.stack([loop_grad_cam(out_of_place, "3", images, k) for k in range(3)], 1)
    result = Explainer(stateful_model, "3").explain(images, [0, 1, 2]).heatmaps[:, :, 0]
    torch.testing.assert_close(result, expected)
    assert (expected > 0).any()


def test_frozen_weights_and_outer_grad_modes_do_not_matter(network, images):
    expected = Explainer(network).explain(images, CLASSES).heatmaps
    network.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(Explainer(network).explain(images, CLASSES).heatmaps, expected, rtol=0, atol=0)
    with torch.inference_mode():
        torch.testing.assert_close(
            Explainer(network).explain(images.clone(), CLASSES).heatmaps, expected, rtol=0, atol=0
        )
    with torch.inference_mode():
        inference_copy = copy.deepcopy(network)
    torch.testing.assert_close(Explainer(inference_copy).explain(images, CLASSES).heatmaps, expected, rtol=0, atol=0)


def test_eight_threads_get_their_own_results(network):
    photos = torch.rand(8, 1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    layers = [["0"], ["3"], ["0", "6"], ["6", "3"]] * 2
    expected = [Explainer(network, layer).explain(photo, CLASSES).heatmaps for photo, layer in zip(photos, layers)]
    start = threading.Barrier(8)

    def count_wrong_results(index):
        start.wait()
        results = (Explainer(network, layers[index]).explain(photos[index], CLASSES).heatmaps for _ in range(20))
        return sum(not torch.equal(result, expected[index]) for result in results)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count_wrong_results, range(8))) == [0] * 8
    assert len({tuple(result.flatten().tolist()) for result in expected}) == 8  # otherwise a mix-up would go unnoticed


def test_explanations_are_immutable_and_detached(network, images):
    explanation = Explainer(network).explain(images)
    assert not explanation.heatmaps.requires_grad and not explanation.logits.requires_grad
    torch.testing.assert_close(copy.deepcopy(explanation).heatmaps, explanation.heatmaps)
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation.logits = None
    assert isinstance(explanation, Explanation) and explanation.targets == ("predicted",)


def test_modules_in_plain_lists_are_copied(images):
    class WithList(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)
            self.steps = [self.first, self.norm]
            self.finish = self.head.forward

        def forward(self, x):
            for step in self.steps:
                x = step(x)
            return self.finish(x.mean((2, 3)))

    model = WithList().train()
    before = model_state(model)
    assert Explainer(model).explain(images, [0, 1]).heatmaps.shape == (2, 2, 1, 16, 16)
    assert_same_state(before, model_state(model))


class SharedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.spare = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.conv(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("spare", "'spare' did not"),
        ("conv", "'conv' ran 2 times"),
        ("nowhere", "'nowhere'"),
        ([], "at least one"),
        (["conv", "conv"], "each layer once"),
    ],
)
def test_errors_name_layers_that_cannot_be_explained(layers, message, images):
    with pytest.raises(ValueError, match=message):
        Explainer(SharedLayer(), layers).explain(images, 0)


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        (torch.rand(3, 16, 16), {}, ValueError, "batch axis"),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), {}, ValueError, "floating-point"),
        ([[1.0]], {}, TypeError, "tensor"),
        (torch.rand(1, 3, 16, 16), {"targets": 4}, ValueError, "from 0 to 3"),
        (torch.rand(1, 3, 16, 16), {"targets": -1}, ValueError, "from 0 to 3"),
        (torch.rand(1, 3, 16, 16), {"targets": []}, ValueError, "at least one target"),
        (torch.rand(1, 3, 16, 16), {"targets": "rudo"}, TypeError, "expected a target"),
        (torch.rand(1, 3, 16, 16), {"targets": [True]}, TypeError, "expected a target"),
        (torch.rand(1, 3, 16, 16), {"targets": ("contrast", 0, 9)}, ValueError, "from 0 to 3"),
        (torch.rand(1, 3, 16, 16), {"targets": lambda outputs: outputs.sum()}, ValueError, "one number per image"),
        (torch.rand(1, 3, 16, 16), {"method": "Grad-Cam"}, ValueError, "Grad-CAM"),
    ],
)
def test_invalid_arguments_raise_specific_errors(network, images, options, error, message):
    with pytest.raises(error, match=message):
        Explainer(network).explain(images, **options)


def test_a_model_without_convolutions_is_rejected():
    with pytest.raises(ValueError, match="Conv2d"):
        Explainer(nn.Linear(3, 2))
    with pytest.raises(TypeError, match="Module"):
        Explainer("resnet50")


@pytest.mark.parametrize(
    ("at_once", "method"), [(None, "Grad-CAM"), (1, "Grad-CAM"), (None, "LayerCAM"), (2, "Ablation-CAM")]
)
def test_the_layers_own_maps_enlarged_are_the_heatmaps(network, images, at_once, method):
    explanation = Explainer(network).explain(images, [0, 1, 2], method, at_once=at_once)
    assert [list(one.shape) for one in explanation.maps] == [[2, 3, side, side] for side in (16, 8, 4)]
    assert all((one >= 0).all() for one in explanation.maps) and explanation.heatmaps.any()
    for layer, one in enumerate(explanation.maps):
        enlarged = nn.functional.interpolate(one, size=(16, 16), mode="bilinear", align_corners=False)
        assert torch.equal(enlarged, explanation.heatmaps[:, :, layer])
