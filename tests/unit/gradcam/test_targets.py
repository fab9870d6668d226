"""Targets: parsing, cotangents and scores; mixtures and contrasts are sums of class maps."""

import numpy as np
import pytest
import torch
from torch import nn

from gradcam import Explainer
from gradcam.forward_pass import Layer, record
from gradcam.gradients import gradients
from gradcam.model_copy import ModelCopies
from gradcam.sources import activations_of
from gradcam.targets import as_targets, cotangents, of_images, scores, with_fixed_callables


def signed_maps(network, images, targets, layer="6"):
    """Σ α·A before the ReLU, in which targets are linear: [K, B, h, w]."""
    with ModelCopies(network).borrow() as borrowed:
        recording = record(borrowed, (Layer(layer),), images)
    (gradient,) = gradients(recording.outputs, activations_of(recording), cotangents(recording.outputs, targets))
    return (gradient.mean((-2, -1), keepdim=True) * recording.activations[0].detach()).sum(2)


def test_as_targets_normalises_every_form():
    assert as_targets(None) == ("predicted",)
    assert as_targets(2) == (2,)
    assert as_targets("mixture") == ("mixture",)
    assert as_targets(("contrast", 0, 1)) == (("contrast", 0, 1),)
    assert as_targets([0, ("contrast", 0, 1)]) == (0, ("contrast", 0, 1))
    assert as_targets(torch.tensor([3, 1])) == (3, 1)


def test_cotangents_by_hand():
    outputs = torch.tensor([[0.0, 0.0, torch.inf], [torch.log(torch.tensor(3.0)), 0.0, -torch.inf]])
    rows = cotangents(outputs, (1, "predicted", ("contrast", 0, 2), lambda logits: 2 * logits[:, 1]))
    assert rows.tolist() == [
        [[0, 1, 0], [0, 1, 0]],
        [[0, 0, 1], [1, 0, 0]],
        [[1, 0, -1], [1, 0, -1]],
        [[0, 2, 0], [0, 2, 0]],
    ]
    torch.testing.assert_close(cotangents(outputs[1:], ("mixture",))[0, 0], torch.tensor([0.75, 0.25, 0]))


def test_predicted_is_the_predicted_class_of_each_image(network, images):
    explainer = Explainer(network)
    classes = explainer.explain(images, [0, 1, 2, 3])
    predicted = explainer.explain(images)
    for index, label in enumerate(classes.logits.argmax(1)):
        torch.testing.assert_close(predicted.heatmaps[index, 0], classes.heatmaps[index, label])


def test_the_mixture_is_the_probability_weighted_sum_before_the_relu(network, images):
    network, images = network.double(), images.double()
    maps = signed_maps(network, images, (0, 1, 2, 3, "mixture"))
    probabilities = network(images).softmax(1).T  # [N, B]
    torch.testing.assert_close(maps[4], (probabilities[:, :, None, None] * maps[:4]).sum(0), rtol=1e-10, atol=1e-14)


def test_a_contrast_is_the_difference_and_antisymmetric(network, images):
    network, images = network.double(), images.double()
    maps = signed_maps(network, images, (0, 1, ("contrast", 0, 1), ("contrast", 1, 0)))
    torch.testing.assert_close(maps[2], maps[0] - maps[1], rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(maps[2], -maps[3], rtol=0, atol=0)


def test_finer_by_hand():
    """Classes 4, 0 and 2 are nearest to class 1 in the first image, 0, 3 and 4 in the second; γ/d = 0.6/3."""
    outputs = torch.tensor([[2.0, 3.0, 4.5, -9.0, 3.5], [0.0, 0.1, 7.0, 0.2, -5.0]])
    rows = cotangents(outputs, as_targets(("finer", 1)))[0]
    torch.testing.assert_close(rows, torch.tensor([[-0.2, 1, -0.2, 0, -0.2], [-0.2, 1, 0, -0.2, -0.2]]))
    torch.testing.assert_close(cotangents(outputs[:, :3], (("finer", 2),))[0], torch.tensor([[-0.3, -0.3, 1]] * 2))
    with pytest.raises(ValueError, match="classes to compare with"):
        cotangents(outputs[:, :1], (("finer", 0),))
    with pytest.raises(ValueError, match="expected a class from 0 to 4, got 5"):
        cotangents(outputs, (("finer", 5),))
    with pytest.raises(TypeError, match='"finer", a'):
        as_targets(("finer", 1, 2))


def test_a_finer_map_is_the_mean_of_the_differences(network, images):
    """Of four classes all others are compared with: the mean over b of map a − 0.6 · map b, before the ReLU."""
    network, images = network.double(), images.double()
    maps = signed_maps(network, images, as_targets([0, 1, 2, 3, ("finer", 1)]))
    expected = sum(maps[1] - 0.6 * maps[other] for other in (0, 2, 3)) / 3
    torch.testing.assert_close(maps[4], expected, rtol=1e-10, atol=1e-14)


def test_a_callable_equals_the_class_it_selects(network, images):
    explainer = Explainer(network)
    torch.testing.assert_close(
        explainer.explain(images, lambda outputs: outputs[:, 2]).heatmaps, explainer.explain(images, 2).heatmaps
    )


@pytest.mark.parametrize(
    "two", [np.int64(2), np.uint8(2), np.array(2), torch.tensor(2), torch.tensor(2, dtype=torch.uint8)], ids=repr
)
def test_classes_may_be_numpy_or_torch_integers(two):
    """Wherever a class is accepted; converted to a Python int, so that targets can be compared and hashed."""
    parsed = (
        as_targets(two),
        as_targets([two, ("against", two)]),
        as_targets(("contrast", two, 0)),
        as_targets(("labels", [two])),
    )
    assert parsed == ((2,), (2, ("against", 2)), (("contrast", 2, 0),), (("labels", (2,)),))
    assert as_targets(("top", two)) == (("rank", 0), ("rank", 1))
    assert {
        type(part) for part in (parsed[0][0], parsed[1][0], parsed[1][1][1], parsed[2][0][1], parsed[3][0][1][0])
    } == {int}


def test_an_array_holds_several_classes():
    assert as_targets(np.array([3, 1])) == as_targets(torch.tensor([3, 1])) == as_targets((3, 1)) == (3, 1)
    assert as_targets(iter([3, "mixture"])) == (3, "mixture")


@pytest.mark.parametrize("table", [torch.tensor([[2], [3]]), np.array([[2], [3]])], ids=["torch", "numpy"])
def test_a_two_dimensional_array_is_rejected(table):
    """Also with one column, although each row could be converted to a number."""
    with pytest.raises(TypeError, match=r"expected a target out of .*; got \[2\]"):
        as_targets(table)


def test_an_empty_sequence_of_targets_is_rejected():
    for empty in ((), [], iter(()), torch.tensor([]), np.array([])):
        with pytest.raises(ValueError, match="at least one target, got none: pass None"):
            as_targets(empty)


def test_as_targets_is_idempotent():
    normalised = as_targets([("top", 2), ("labels", [1, 0]), ("against", 1), "mixture"], 2)
    assert normalised == (("rank", 0), ("rank", 1), ("labels", (1, 0)), ("against", 1), "mixture")
    assert as_targets(normalised, 2) == normalised


@pytest.mark.parametrize("pair", [("predicted", "mixture"), ("mixture", 1), ("predicted", ("against", 1))])
def test_a_tuple_of_complete_targets_holds_several_targets(pair):
    assert as_targets(pair) == pair


@pytest.mark.parametrize("true", [True, np.bool_(True), np.array(True), torch.tensor(True)], ids=repr)
def test_booleans_are_not_classes(true):
    for targets in (true, [true], ("against", true), ("contrast", 0, true), [("contrast", true, 0)]):
        with pytest.raises(TypeError, match="expected a target out of"):
            as_targets(targets)
    with pytest.raises(TypeError, match="one class number for each image"):
        as_targets(("labels", [true]))
    with pytest.raises(ValueError, match="k of at least 1"):
        as_targets(("top", true))


@pytest.mark.parametrize("k", [0, -1, 2.0, "2", None])
def test_top_requires_a_positive_integer(k):
    with pytest.raises(ValueError, match=r'expected \("top", k\) with k of at least 1'):
        as_targets(("top", k))


@pytest.mark.parametrize(
    "targets",
    [1.0, [1.0], np.array([1.0]), ("against",), ("against", 0.5), ("rank", "0"), ("least", 1), [()], [None], [{}]],
    ids=repr,
)
def test_invalid_targets_raise_an_error_that_lists_the_valid_ones(targets):
    with pytest.raises(TypeError, match='expected a target out of "predicted", "mixture", a class number'):
        as_targets(targets)


@pytest.mark.parametrize(
    "labels", [torch.tensor([2, 0]), np.array([2, 0]), [2, 0], (2, 0), [np.int64(2), torch.tensor(0)]], ids=repr
)
def test_labels_may_be_any_integer_sequence(labels):
    assert as_targets(("labels", labels), 2) == as_targets([("labels", labels)], 2) == (("labels", (2, 0)),)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0], ValueError, "expected one label for each of 2 images, got 1"),
        (torch.tensor([0, 1, 2]), ValueError, "expected one label for each of 2 images, got 3"),
        ([], ValueError, "got 0"),
        (torch.tensor([0.0, 1.0]), TypeError, "list of integers"),
        (np.array([0.0, 1.0]), TypeError, "list of integers"),
        ([0, 1.0], TypeError, "list of integers"),
        (torch.tensor(1), TypeError, "list of integers"),
        (torch.zeros(2, 2, dtype=torch.int64), TypeError, "list of integers"),
        ("01", TypeError, "list of integers"),
        (None, TypeError, "list of integers"),
    ],
)
def test_invalid_labels_are_rejected(labels, error, message):
    with pytest.raises(error, match=message):
        as_targets(("labels", labels), 2)


def test_labels_ranks_and_against_by_hand():
    """[0, 5, 5, 1]: of two equal logits the first ranks first, so the order is 1, 2, 3, 0."""
    outputs = torch.tensor([[0.0, 5.0, 5.0, 1.0], [9.0, 7.0, 8.0, 6.0]])
    ranks = cotangents(outputs, as_targets(("top", 4)))
    assert ranks.argmax(-1).tolist() == [[1, 0], [2, 2], [3, 1], [0, 3]]
    assert ranks.sum(-1).tolist() == [[1, 1]] * 4 and ranks.amax(-1).tolist() == [[1, 1]] * 4
    labels, against = cotangents(outputs, (("labels", (3, 0)), ("against", 2)))
    assert labels.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]
    assert against.tolist() == [[0, 0, -1, 0]] * 2


def test_ties_keep_their_order_for_any_number_of_classes():
    """Up to sixteen elements are sorted by another algorithm than more."""
    ranks = cotangents(torch.zeros(1, 1000), (("rank", 0), ("rank", 500), ("rank", 999)))
    assert ranks.argmax(-1).flatten().tolist() == [0, 500, 999]


@pytest.mark.parametrize(
    "target",
    [
        4,
        -1,
        ("rank", 4),
        ("against", 4),
        ("against", -1),
        ("contrast", 4, 0),
        ("contrast", 0, -1),
        ("labels", (0, 4)),
        ("labels", (-1, 0)),
    ],
    ids=repr,
)
def test_classes_out_of_range_are_rejected(target):
    with pytest.raises(ValueError, match="expected a class from 0 to 3, got -?[14]: the model has 4 outputs"):
        cotangents(torch.zeros(2, 4), (target,))


def test_outputs_that_are_not_logits_require_a_callable():
    for outputs in (torch.zeros(2), torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"expected floating-point logits \[B, N\].*pass a callable"):
            cotangents(outputs, (0,))
    result = cotangents(torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), (lambda outputs: (outputs**2).sum((1, 2)),))
    assert result.tolist() == [[[[2, 4]], [[6, 8]]]]


@pytest.mark.parametrize(
    "target",
    [lambda outputs: outputs.detach()[:, 0], lambda outputs: outputs.argmax(1), lambda outputs: outputs[:, 0] * 1j],
)
def test_callables_without_a_real_gradient_are_rejected(target):
    with pytest.raises(ValueError, match="leave out argmax, detach"):
        cotangents(torch.zeros(2, 3), (target,))


def test_callables_of_integer_outputs_are_rejected_and_of_complex_ones_supported():
    with pytest.raises(ValueError, match="expected outputs that can be differentiated, got torch.int64"):
        cotangents(torch.zeros(2, 3, dtype=torch.int64), (lambda outputs: outputs[:, 0],))
    complex_outputs = torch.tensor([[1 + 2j], [3 + 0j]])  # torch's gradient of |z|² is 2z
    result = cotangents(complex_outputs, (lambda outputs: (outputs.abs() ** 2).sum(1),))
    assert result.flatten().tolist() == pytest.approx([2 + 4j, 6])


def test_a_callable_that_ignores_the_outputs_has_zero_cotangents():
    """It has a gradient, but only with respect to a weight of the target."""
    weight = torch.ones(2, requires_grad=True)
    assert cotangents(torch.rand(2, 3), (lambda outputs: weight * 2,)).tolist() == [[[0] * 3] * 2]


@pytest.mark.parametrize(
    ("value", "type_or_shape"),
    [
        (lambda outputs: 3.0, "float"),
        (lambda outputs: None, "NoneType"),
        (lambda outputs: outputs, r"\[2, 3\]"),
        (lambda outputs: outputs[0], r"\[3\]"),
    ],
)
def test_a_callable_must_return_one_number_per_image(value, type_or_shape):
    with pytest.raises(ValueError, match=rf"one number per image, shape \[2\], got {type_or_shape}: reduce"):
        cotangents(torch.rand(2, 3), (value,))


def test_cotangents_are_detached_and_leave_the_outputs_unchanged():
    outputs = torch.rand(2, 3, requires_grad=True)
    for recording in (False, True):
        with torch.set_grad_enabled(recording):
            result = cotangents(outputs, ("mixture", lambda seen: seen.mul(2).sum(1), "mixture"))
        assert not result.requires_grad and outputs.grad is None


def test_scores_of_other_outputs_by_hand():
    """Reference 1, 3 | 4, 2; its second row is replaced by 10, 20 and −1, 5. There the predicted class stays 0."""
    reference, others = torch.tensor([[1.0, 3.0], [4.0, 2.0]]), torch.tensor([[10.0, 20.0], [-1.0, 5.0]])
    targets = (
        "predicted",
        1,
        ("labels", (0, 1)),
        ("rank", 1),
        ("contrast", 1, 0),
        ("against", 0),
        lambda outputs: outputs[:, 0],
    )
    assert scores(others, reference, targets, 1).tolist() == [
        [10, -1],
        [20, 5],
        [20, 5],
        [20, 5],
        [10, 6],
        [-10, 1],
        [10, -1],
    ]
    probability = 1 / (1 + torch.e**-2)  # softmax of 4 and 2
    torch.testing.assert_close(
        scores(others, reference, ("mixture",), 1)[0],
        torch.tensor([10 * probability + 20 * (1 - probability), -probability + 5 * (1 - probability)]),
    )
    assert scores(others, reference, ("predicted",)).tolist() == [[20, 5]]  # of the first image, whose class is 1


def test_a_callable_gets_the_reference_with_one_row_replaced():
    """Each variant with the other images unchanged, never with another variant."""
    reference, others = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[10.0], [20.0]])
    seen = []

    def probability(outputs):
        seen.append(outputs.flatten().tolist())
        return outputs[:, 0] / outputs.sum()

    assert scores(others, reference, (probability,), 1).flatten().tolist() == pytest.approx([10 / 15, 20 / 25])
    assert seen == [[1, 10, 4], [1, 20, 4]] and reference.tolist() == [[1], [2], [4]]


def test_of_images_selects_per_image_targets():
    fixed = torch.arange(8.0).view(4, 2)
    targets = (1, "predicted", ("labels", (5, 6, 7, 8)), ("rank", 0), ("contrast", 0, 1), len, ("cotangent", fixed))
    subset = of_images(targets, range(1, 3))
    assert subset[:6] == (1, "predicted", ("labels", (6, 7)), ("rank", 0), ("contrast", 0, 1), len)
    assert subset[6][0] == "cotangent" and subset[6][1].tolist() == [[2, 3], [4, 5]]


def test_fixed_callables_are_the_cotangents_of_the_whole_batch():
    """o₀ times the detached sum of all o₁, 14: a value of the whole batch that is kept when the batch is split."""
    outputs = torch.tensor([[1.0, 2.0], [3.0, 5.0], [4.0, 7.0]], requires_grad=True)

    def product(seen):
        return seen[:, 0] * seen[:, 1].sum().detach()

    fixed = with_fixed_callables(outputs, (0, product, ("labels", (0, 1, 0))))
    assert fixed[0] == 0 and fixed[2] == ("labels", (0, 1, 0)) and fixed[1][1].tolist() == [[14, 0]] * 3
    assert cotangents(outputs[1:2], of_images(fixed, range(1, 2)))[:2].tolist() == [[[1, 0]], [[14, 0]]]
    assert scores(torch.tensor([[10.0, 1.0]]), outputs[1:2].detach(), of_images(fixed, range(1, 2))).tolist() == [
        [10],
        [140],
        [1],
    ]


LABELS = torch.tensor([3, 0, 1, 1, 2, 0, 3, 2])


@pytest.fixture
def eight_images():
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("at_once", [None, 3, 8])
@pytest.mark.parametrize("method", ["Grad-CAM", "Ablation-CAM"])
def test_labels_explain_one_class_per_image(network, eight_images, method, at_once):
    """In one batch or three, as labels or as a callable: each image gets its own class's map, as if alone."""
    explainer = Explainer(network.double(), "6")
    targets = [("labels", LABELS), lambda outputs: outputs[torch.arange(8), LABELS]]
    result = explainer.explain(eight_images, targets, method, signed=True, at_once=at_once)
    for image, label in enumerate(LABELS.tolist()):
        alone = explainer.explain(eight_images[image : image + 1], label, method, signed=True).heatmaps[0, 0]
        for k in (0, 1):
            torch.testing.assert_close(result.heatmaps[image, k], alone, rtol=1e-9, atol=1e-12)
    assert result.targets[0] == ("labels", tuple(LABELS.tolist())) and result.targets[1] is targets[1]
    assert (result.heatmaps.abs().amax((1, 2, 3, 4)) > 0).all()


@pytest.mark.parametrize("at_once", [None, 3])
def test_top_k_are_the_classes_by_rank(network, eight_images, at_once):
    explainer = Explainer(network.double(), "6")
    classes = explainer.explain(eight_images, [0, 1, 2, 3], signed=True)
    top = explainer.explain(eight_images, ("top", 3), signed=True, at_once=at_once)
    assert top.heatmaps.shape == (8, 3, 1, 16, 16)
    for image, logits in enumerate(classes.logits.tolist()):
        by_rank = sorted(range(4), key=lambda label: -logits[label])[:3]
        torch.testing.assert_close(top.heatmaps[image], classes.heatmaps[image, by_rank], rtol=1e-9, atol=1e-12)


def test_tied_classes_are_ranked_by_number():
    """If all logits are equal, the top k are the first k classes."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    with torch.no_grad():
        model[3].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor([0.0, 0.0]))
        model[3].bias.fill_(7)
        model[0].weight[0] = 1  # the first map is not zero, and the photo's mean is
    photo = torch.tensor([[1.0, -1.0]]).expand(1, 3, 1, 2)
    result = Explainer(model, "0").explain(photo, ("top", 3), signed=True).heatmaps[0, :, 0, 0]
    assert result.tolist() == [[1.5, -1.5], [0, 0], [1.5, -1.5]]
