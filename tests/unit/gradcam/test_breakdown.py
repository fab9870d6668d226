"""The breakdown of a heatmap into its steps equals the explainer's result and a plain loop's numbers."""

import numpy as np
import pytest
import torch

from gradcam import Explainer, take_apart

LAYER = "3"


@pytest.fixture
def breakdown(network, images):
    return take_apart(network.double(), LAYER, images[0].double(), target=2)


def test_the_last_step_is_the_explainers_heatmap(network, images, breakdown):
    explanation = Explainer(network, LAYER).explain(images[:1].double(), 2)
    torch.testing.assert_close(breakdown.heatmap, explanation.heatmaps[0, 0, 0], rtol=1e-12, atol=0)
    torch.testing.assert_close(breakdown.logits, explanation.logits[0], rtol=1e-12, atol=0)
    assert breakdown.score == pytest.approx(explanation.logits[0, 2].item())


def test_each_step_follows_from_the_previous_one(breakdown):
    """In numpy, map by map, by the paper's equations."""
    activation, gradient = breakdown.activation.numpy(), breakdown.gradient.numpy()
    summed = np.zeros(activation.shape[1:])
    for k, weight in enumerate(breakdown.weights.numpy()):
        assert weight == pytest.approx(sum(gradient[k].flat) / gradient[k].size)
        summed += weight * activation[k]
    np.testing.assert_allclose(breakdown.summed, summed, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(breakdown.rectified.numpy(), np.maximum(breakdown.summed.numpy(), 0))


def test_the_gradient_equals_finite_differences(network, images, breakdown):
    """Central differences of the score, one unit of the layer's output at a time."""
    network, step = network.double(), 1e-6
    for index in ((0, 1, 2), (4, 5, 5)):
        scores = []
        for sign in (1, -1):
            offset = torch.zeros_like(breakdown.activation)
            offset[index] = sign * step
            handle = network[3].register_forward_hook(lambda module, inputs, output, offset=offset: output + offset)
            scores.append(network(images[:1].double())[0, 2].item())
            handle.remove()
        assert breakdown.gradient[index].item() == pytest.approx((scores[0] - scores[1]) / (2 * step), abs=1e-7)


def test_several_targets_or_layers_are_rejected(network, images):
    with pytest.raises(ValueError, match="one target and one layer"):
        take_apart(network, LAYER, images[0], target=[0, 1])
    with pytest.raises(ValueError, match="one target and one layer"):
        take_apart(network, None, images[0], target=0)
