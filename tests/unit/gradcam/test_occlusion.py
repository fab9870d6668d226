"""Occlusion by hand and against a plain loop; it can be stopped, and leaves the model alone."""

import pytest
import torch
from plain_grad_cam import assert_same, state_of
from torch import nn

from gradcam import Cancelled, occlusion
from gradcam.occlusion import positions


class OnePixel(nn.Module):
    """Two outputs: what pixel (5, 6) holds in red, and its negative."""

    def forward(self, images):
        return torch.stack([images[:, 0, 5, 6], -images[:, 0, 5, 6]], 1)


@pytest.fixture
def image():
    image = torch.zeros(3, 8, 8)
    image[0, 5, 6] = 1
    return image


def test_only_what_the_model_reads_costs_anything(image):
    """Squares side by side: the one over the pixel takes 1 − ½ from the score, everywhere it lies."""
    heat = occlusion(OnePixel(), image, 0, patch=4, stride=4)
    expected = torch.zeros(8, 8)
    expected[4:, 4:] = 0.5
    assert torch.equal(heat, expected)
    assert torch.equal(
        occlusion(OnePixel(), image, 1, patch=4, stride=4), torch.zeros(8, 8)
    )  # covering helps: no evidence for it
    assert torch.equal(occlusion(OnePixel(), image, 1, patch=4, stride=4, signed=True), -expected)


def plain_loop(network, image, label, patch, stride, fill):
    """Every square by itself, the last one flush with the edge; then each pixel's mean."""
    height, width = image.shape[1:]
    tops = list(range(0, height - patch, stride)) + [height - patch]
    lefts = list(range(0, width - patch, stride)) + [width - patch]
    with torch.no_grad():
        whole, found = network(image[None])[0, label], [[[] for _ in range(width)] for _ in range(height)]
        for top in tops:
            for left in lefts:
                covered = image.clone()
                covered[:, top : top + patch, left : left + patch] = fill
                fall = whole - network(covered[None])[0, label]
                for row in range(top, top + patch):
                    for column in range(left, left + patch):
                        found[row][column].append(fall.item())
    return torch.tensor([[sum(falls) / len(falls) for falls in row] for row in found])


@pytest.mark.parametrize(("patch", "stride", "fill"), [(5, 3, 0.5), (4, 4, 0.0), (16, 1, 1.0), (7, 7, 0.2)])
def test_it_is_the_plain_loop(network, images, patch, stride, fill):
    heat = occlusion(network, images[0], 2, patch, stride, fill, signed=True, at_once=3)
    torch.testing.assert_close(heat, plain_loop(network, images[0], 2, patch, stride, fill), rtol=1e-4, atol=1e-6)


def test_the_predicted_class_stays_the_whole_photos(network, images):
    label = network(images[:1]).argmax().item()
    assert torch.equal(
        occlusion(network, images[0], patch=8, stride=8), occlusion(network, images[0], label, patch=8, stride=8)
    )


def test_progress_is_told_and_may_stop(network, images):
    told = []
    occlusion(network, images[0], 0, patch=8, stride=4, progress=told.append, at_once=4)
    assert told == sorted(told) and told[-1] == 1 and len(told) == 4  # the whole photo, then 9 squares by fours
    with pytest.raises(Cancelled):
        occlusion(network, images[0], 0, patch=8, stride=4, progress=lambda part: part < 0.5)


def test_the_model_stays_as_found(network, images):
    network.train()
    before, rng = state_of(network), torch.get_rng_state()
    occlusion(network, images[0], 0, patch=8, stride=8)
    assert_same(before, state_of(network))
    assert network.training and torch.equal(rng, torch.get_rng_state())


def test_every_pixel_is_covered():
    for patch, stride in [(3, 2), (5, 5), (10, 1)]:
        covered = torch.zeros(10, 13)
        for top, left in positions(10, 13, patch, stride):
            covered[top : top + patch, left : left + patch] += 1
        assert covered.min() >= 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"patch": 17}, "patch of 1 to 16"),
        ({"patch": 0}, "patch"),
        ({"patch": 4, "stride": 5}, "stride of 1 to 4"),
        ({"target": (0, 1)}, "one target"),
    ],
)
def test_what_cannot_be_is_said(network, images, options, says):
    with pytest.raises(ValueError, match=says):
        occlusion(network, images[0], **{"target": 0, **options})


def test_a_batch_is_refused(network, images):
    with pytest.raises(ValueError, match=r"one image \[3, H, W\]"):
        occlusion(network, images, 0)
