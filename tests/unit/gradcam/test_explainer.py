"""Grad-CAM against truths that do not share its code: the CAM identity, a case worked by hand, a plain loop."""

import copy
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from plain_grad_cam import assert_same, loop_grad_cam, state_of
from torch import nn

from gradcam import Explainer, Explanation
from potplants import CNN, CNNWithGAP

CLASSES = [0, 1, 2, 3]


def test_every_class_and_layer_equals_a_loop_of_single_gradients(network, images):
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


def test_the_articles_network_equals_the_loop_through_its_large_linear_layer():
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


def test_cam_identity_on_the_network_with_global_average_pooling():
    """Grad-CAM where the average is fed = ReLU(Σ w·A) / area (Selvaraju et al. 2017, sec. 3.1)."""
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


def test_a_case_worked_by_hand():
    """One 1×1 convolution with two filters (+1, −2), then a linear layer over the 2 × 2 × 2 activations.

    image [[1, 2], [3, 4]] → A¹ = image, A² = −2·image; weights of the logit: +1 everywhere on A¹, −0.25 on A².
    α¹ = 1, α² = −0.25; map = 1·A¹ − 0.25·A² = 1.5·image = [[1.5, 3], [4.5, 6]]. The second logit is its negative: empty.
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


def test_layers_keep_their_maps_in_any_order(network, images):
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


def test_one_call_takes_one_forward_pass(network, images):
    passes = []
    network.register_forward_hook(lambda *_: passes.append(1))
    Explainer(network).explain(images, [*CLASSES, "mixture", ("contrast", 0, 1)])
    assert len(passes) == 1


@pytest.fixture
def awkward():
    """In training mode, with batch statistics, dropout, a frozen part, a filled gradient, in-place ReLUs."""
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


def test_the_model_is_left_as_found(awkward, images):
    awkward[5].eval()
    before = state_of(awkward)
    Explainer(awkward).explain(images, [0, 1, 2])
    assert_same(before, state_of(awkward))


def test_the_model_is_left_as_found_when_the_forward_fails(awkward, images):
    awkward.append(nn.Linear(7, 7))  # does not fit
    before = state_of(awkward)
    with pytest.raises(RuntimeError):
        Explainer(awkward, ["0", "3"]).explain(images, [0])
    assert_same(before, state_of(awkward))


def test_this_guard_can_fail(awkward, images):
    before = state_of(awkward)
    awkward(images)  # a plain forward in training mode moves the batch statistics
    with pytest.raises(AssertionError):
        assert_same(before, state_of(awkward))


def test_an_in_place_relu_after_the_layer_does_not_overwrite_it(awkward, images):
    """The same network with ordinary ReLUs is the truth."""
    ordinary = copy.deepcopy(awkward).eval()
    ordinary[2], ordinary[4] = nn.ReLU(), nn.ReLU()
    expected = torch.stack([loop_grad_cam(ordinary, "3", images, k) for k in range(3)], 1)
    got = Explainer(awkward, "3").explain(images, [0, 1, 2]).heatmaps[:, :, 0]
    torch.testing.assert_close(got, expected)
    assert (expected > 0).any()


def test_frozen_weights_and_outer_modes_change_nothing(network, images):
    expected = Explainer(network).explain(images, CLASSES).heatmaps
    network.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(Explainer(network).explain(images, CLASSES).heatmaps, expected, rtol=0, atol=0)
    with torch.inference_mode():
        torch.testing.assert_close(
            Explainer(network).explain(images.clone(), CLASSES).heatmaps, expected, rtol=0, atol=0
        )
    with torch.inference_mode():
        born_there = copy.deepcopy(network)
    torch.testing.assert_close(Explainer(born_there).explain(images, CLASSES).heatmaps, expected, rtol=0, atol=0)


def test_eight_threads_each_get_their_own_right_answer(network):
    photos = torch.rand(8, 1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    layers = [["0"], ["3"], ["0", "6"], ["6", "3"]] * 2
    expected = [Explainer(network, layer).explain(photo, CLASSES).heatmaps for photo, layer in zip(photos, layers)]
    start = threading.Barrier(8)

    def wrong_answers(index):
        start.wait()
        answers = (Explainer(network, layers[index]).explain(photos[index], CLASSES).heatmaps for _ in range(20))
        return sum(not torch.equal(answer, expected[index]) for answer in answers)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wrong_answers, range(8))) == [0] * 8
    assert len({tuple(answer.flatten().tolist()) for answer in expected}) == 8  # or the test could not tell a mix-up


def test_explanations_are_values(network, images):
    explanation = Explainer(network).explain(images)
    assert not explanation.heatmaps.requires_grad and not explanation.logits.requires_grad
    torch.testing.assert_close(copy.deepcopy(explanation).heatmaps, explanation.heatmaps)
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation.logits = None
    assert isinstance(explanation, Explanation) and explanation.targets == ("predicted",)


def test_modules_kept_in_lists_run_in_the_replica_too(images):
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)
            self.steps = [self.first, self.norm]
            self.finish = self.head.forward

        def forward(self, x):
            for step in self.steps:
                x = step(x)
            return self.finish(x.mean((2, 3)))

    model = Listed().train()
    before = state_of(model)
    assert Explainer(model).explain(images, [0, 1]).heatmaps.shape == (2, 2, 1, 16, 16)
    assert_same(before, state_of(model))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.spare = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.conv(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("spare", "'spare' did not"),
        ("conv", "'conv' ran 2 times"),
        ("nowhere", "'nowhere'"),
        ([], "at least one"),
        (["conv", "conv"], "each layer once"),
    ],
)
def test_layers_that_cannot_be_explained_are_named(layers, words, images):
    with pytest.raises(ValueError, match=words):
        Explainer(Twice(), layers).explain(images, 0)


@pytest.mark.parametrize(
    ("images", "options", "error", "words"),
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
def test_wrong_arguments_are_told_apart(network, images, options, error, words):
    with pytest.raises(error, match=words):
        Explainer(network).explain(images, **options)


def test_a_model_without_convolutions_is_refused():
    with pytest.raises(ValueError, match="Conv2d"):
        Explainer(nn.Linear(3, 2))
    with pytest.raises(TypeError, match="Module"):
        Explainer("resnet50")
