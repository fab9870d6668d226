"""Targets: mixtures and contrasts are sums of class maps, callables are differentiated."""

import torch

from gradcam import Explainer
from gradcam.gradients import gradients
from gradcam.recording import Layer, record
from gradcam.replica import Replicas
from gradcam.targets import as_targets, cotangents


def signed_maps(network, images, targets, layer="6"):
    """Σ α·A before the ReLU, in which targets are linear: [K, B, h, w]."""
    with Replicas(network).lend() as lent:
        recording = record(lent, (Layer(layer),), images)
    (slope,) = gradients(recording, cotangents(recording.outputs, targets))
    return (slope.mean((-2, -1), keepdim=True) * recording.activations[0].detach()).sum(2)


def test_spellings():
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


def test_predicted_is_each_images_own_class(network, images):
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


def test_a_contrast_is_the_difference_and_turns_its_sign(network, images):
    network, images = network.double(), images.double()
    maps = signed_maps(network, images, (0, 1, ("contrast", 0, 1), ("contrast", 1, 0)))
    torch.testing.assert_close(maps[2], maps[0] - maps[1], rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(maps[2], -maps[3], rtol=0, atol=0)


def test_a_callable_equals_the_class_it_picks(network, images):
    explainer = Explainer(network)
    torch.testing.assert_close(
        explainer.explain(images, lambda outputs: outputs[:, 2]).heatmaps, explainer.explain(images, 2).heatmaps
    )
