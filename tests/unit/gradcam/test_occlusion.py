"""Occlusion by hand and against a plain loop; cancellation; the model is unchanged."""

import pytest
import torch
from plain_grad_cam import assert_same_state, model_state
from torch import nn

from gradcam import Cancelled, occlusion
from gradcam.occlusion import positions


class OnePixel(nn.Module):
    """Two outputs: the red value of pixel (5, 6), and its negative."""

    def forward(self, images):
        return torch.stack([images[:, 0, 5, 6], -images[:, 0, 5, 6]], 1)


@pytest.fixture
def image():
    image = torch.zeros(3, 8, 8)
    image[0, 5, 6] = 1
    return image


def test_only_covering_the_pixel_that_the_model_reads_lowers_the_score(image):
    """Non-overlapping squares: the one over the pixel lowers the score by 1 − ½, in all of its pixels."""
    heat = occlusion(OnePixel(), image, 0, patch=4, stride=4)
    expected = torch.zeros(8, 8)
    expected[4:, 4:] = 0.5
    assert torch.equal(heat, expected)
    covering_raises_it = occlusion(OnePixel(), image, 1, patch=4, stride=4)
    assert torch.equal(covering_raises_it, torch.zeros(8, 8))  # no evidence for the class
    assert torch.equal(occlusion(OnePixel(), image, 1, patch=4, stride=4, signed=True), -expected)


def plain_loop(network, image, label, patch, stride, fill):
    """One square at a time, the last one flush with the edge; then the mean for each pixel."""
    height, width = image.shape[1:]
    tops = [*range(0, height - patch, stride), height - patch]
    lefts = [*range(0, width - patch, stride), width - patch]
    with torch.no_grad():
        score, drops = network(image[None])[0, label], [[[] for _ in range(width)] for _ in range(height)]
        for top in tops:
            for left in lefts:
                covered = image.clone()
                covered[:, top : top + patch, left : left + patch] = fill
                drop = score - network(covered[None])[0, label]
                for row in range(top, top + patch):
                    for column in range(left, left + patch):
                        drops[row][column].append(drop.item())
    return torch.tensor([[sum(values) / len(values) for values in row] for row in drops])


@pytest.mark.parametrize(("patch", "stride", "fill"), [(5, 3, 0.5), (4, 4, 0.0), (16, 1, 1.0), (7, 7, 0.2)])
def test_occlusion_equals_the_plain_loop(network, images, patch, stride, fill):
    heat = occlusion(network, images[0], 2, patch, stride, fill, signed=True, at_once=3)
    torch.testing.assert_close(heat, plain_loop(network, images[0], 2, patch, stride, fill), rtol=1e-4, atol=1e-6)


def test_the_predicted_class_is_that_of_the_uncovered_photo(network, images):
    label = network(images[:1]).argmax().item()
    assert torch.equal(
        occlusion(network, images[0], patch=8, stride=8), occlusion(network, images[0], label, patch=8, stride=8)
    )


def test_progress_is_reported_and_can_cancel(network, images):
    progress = []
    occlusion(network, images[0], 0, patch=8, stride=4, progress=progress.append, at_once=4)
    assert progress == sorted(progress) and progress[-1] == 1
    assert len(progress) == 4  # the photo itself, then 9 squares in batches of four
    with pytest.raises(Cancelled):
        occlusion(network, images[0], 0, patch=8, stride=4, progress=lambda part: part < 0.5)


def test_the_model_is_unchanged(network, images):
    network.train()
    before, rng = model_state(network), torch.get_rng_state()
    occlusion(network, images[0], 0, patch=8, stride=8)
    assert_same_state(before, model_state(network))
    assert network.training and torch.equal(rng, torch.get_rng_state())


def test_every_pixel_is_covered():
    for patch, stride in [(3, 2), (5, 5), (10, 1)]:
        covered = torch.zeros(10, 13)
        for top, left in positions(10, 13, patch, stride):
            covered[top : top + patch, left : left + patch] += 1
        assert covered.min() >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 17}, "patch of 1 to 16"),
        ({"patch": 0}, "patch"),
        ({"patch": 4, "stride": 5}, "stride of 1 to 4"),
        ({"target": (0, 1)}, "one target"),
    ],
)
def test_invalid_options_are_rejected(network, images, options, message):
    with pytest.raises(ValueError, match=message):
        occlusion(network, images[0], **{"target": 0, **options})


def test_a_batch_is_rejected(network, images):
    with pytest.raises(ValueError, match=r"one image \[3, H, W\]"):
        occlusion(network, images, 0)


class Weighted(nn.Module):
    """One output: the sum of the image times fixed weights."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1)))

    def forward(self, images):
        return (images * self.weights).sum((1, 2, 3))[:, None]


def test_squares_are_taken_from_an_image():
    """A linear network loses under a square exactly weights × (image − fill), summed over it."""
    network, generator = Weighted(), torch.Generator().manual_seed(2)
    image, fill = torch.rand(3, 8, 8, generator=generator), torch.rand(3, 8, 8, generator=generator)
    lost = (network.weights.detach() * (image - fill)).sum(0)  # [8, 8]
    expected = torch.zeros(8, 8)
    for top in (0, 4):
        for left in (0, 4):
            expected[top : top + 4, left : left + 4] = lost[top : top + 4, left : left + 4].sum()
    heat = occlusion(network, image, 0, patch=4, stride=4, fill=fill, signed=True)
    torch.testing.assert_close(heat, expected, rtol=1e-4, atol=1e-5)
    assert occlusion(network, image, 0, patch=4, stride=4, fill=image, signed=True).abs().max() < 1e-5
