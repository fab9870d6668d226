"""A heatmap taken apart: the parts add up to what the explainer gives, and to a plain loop's numbers."""

import numpy as np
import pytest
import torch

from gradcam import Explainer, take_apart

LAYER = "3"


@pytest.fixture
def anatomy(network, images):
    return take_apart(network.double(), LAYER, images[0].double(), target=2)


def test_the_last_step_is_the_explainers_heatmap(network, images, anatomy):
    explanation = Explainer(network, LAYER).explain(images[:1].double(), 2)
    torch.testing.assert_close(anatomy.heatmap, explanation.heatmaps[0, 0, 0], rtol=1e-12, atol=0)
    torch.testing.assert_close(anatomy.logits, explanation.logits[0], rtol=1e-12, atol=0)
    assert anatomy.score == pytest.approx(explanation.logits[0, 2].item())


def test_each_step_follows_from_the_one_before(anatomy):
    """In numpy, map by map, as the paper writes it."""
    activation, gradient = anatomy.activation.numpy(), anatomy.gradient.numpy()
    summed = np.zeros(activation.shape[1:])
    for k, weight in enumerate(anatomy.weights.numpy()):
        assert weight == pytest.approx(sum(gradient[k].flat) / gradient[k].size)
        summed += weight * activation[k]
    np.testing.assert_allclose(anatomy.summed, summed, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(anatomy.rectified.numpy(), np.maximum(anatomy.summed.numpy(), 0))


def test_the_gradient_is_how_the_score_moves(network, images, anatomy):
    """Finite differences of the score, one unit of the layer's output moved at a time."""
    network, step = network.double(), 1e-6
    for place in ((0, 1, 2), (4, 5, 5)):
        scores = []
        for sign in (1, -1):
            nudge = torch.zeros_like(anatomy.activation)
            nudge[place] = sign * step
            handle = network[3].register_forward_hook(lambda module, inputs, output, nudge=nudge: output + nudge)
            scores.append(network(images[:1].double())[0, 2].item())
            handle.remove()
        assert anatomy.gradient[place].item() == pytest.approx((scores[0] - scores[1]) / (2 * step), abs=1e-7)


def test_one_target_and_one_layer(network, images):
    with pytest.raises(ValueError, match="one target and one layer"):
        take_apart(network, LAYER, images[0], target=[0, 1])
    with pytest.raises(ValueError, match="one target and one layer"):
        take_apart(network, None, images[0], target=0)
