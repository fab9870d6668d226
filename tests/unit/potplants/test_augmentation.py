"""Training augmentations change only what they say, and repainting leaves no trace of a pot's old colour."""

import numpy as np
import pytest
import torch
from PIL import Image

from potplants import augmentation
from potplants.augmentation import Pots, random_affine, random_flip, random_lighting


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(3)


@pytest.fixture
def photo():
    """A grey photo with a red pot in the middle; the pot's right half is in shadow."""
    pixels = torch.full((3, 32, 32), 120, dtype=torch.uint8)
    pixels[:, 10:22, 10:22] = torch.tensor([200, 30, 20], dtype=torch.uint8)[:, None, None]
    pixels[:, 10:22, 16:22] //= 2
    return pixels


@pytest.fixture
def pots(photo, tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[10:22, 10:22] = augmentation.POT
    Image.fromarray(mask, "L").save(tmp_path / "mask.png")
    return Pots(photo[None], [tmp_path / "mask.png"])


def test_flip_mirrors_or_keeps_each_photo():
    images = torch.rand(64, 3, 4, 6)
    changed = random_flip(images)
    mirrored = [torch.equal(now, was.flip(-1)) for now, was in zip(changed, images)]
    assert 16 < sum(mirrored) < 48 and all(m or torch.equal(now, was) for m, now, was in zip(mirrored, changed, images))


def test_affine_by_zero_is_the_identity_and_shifts_stay_in_bounds():
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(random_affine(images, 0, 0, 0), images, rtol=0, atol=1e-5)
    dot = torch.zeros(64, 1, 33, 33)
    dot[:, :, 16, 16] = 1
    places = random_affine(dot, shift=0.12, zoom=0, turn=0).flatten(1).argmax(1)
    reach = (torch.stack([places // 33, places % 33]) - 16).abs().max()
    assert 2 <= reach <= 4  # 0.12 × 33 pixels


def test_lighting_keeps_range_and_order():
    images = torch.rand(32, 3, 8, 8)
    changed = random_lighting(images)
    assert changed.min() >= 0 and changed.max() <= 1 and not torch.equal(changed, images)
    ramp = torch.linspace(0.3, 0.6, 64).view(1, 1, 8, 8).expand(16, 3, 8, 8)
    assert (random_lighting(ramp).flatten(2).diff(dim=-1) > 0).all()


def test_repainted_pot_keeps_shading_and_position(photo, pots):
    image = photo[None].float() / 255
    (painted,) = pots.repaint(image, torch.tensor([0]), torch.ones(1))
    changed = (painted != image[0]).any(0)
    assert changed[10:22, 10:22].all() and not changed[:8].any() and not changed[24:].any()
    light = augmentation._to_linear(painted.double())
    bright, shaded = light[:, 15, 12], light[:, 15, 20]
    was = augmentation._to_linear(image[0].double())
    expected = (was[:, 15, 20] @ torch.tensor([0.2126, 0.7152, 0.0722]).double()) / (
        was[:, 15, 12] @ torch.tensor([0.2126, 0.7152, 0.0722]).double()
    )
    torch.testing.assert_close(shaded / bright, expected.expand(3), rtol=1e-4, atol=0)


def test_repaint_draws_different_colours_with_the_given_probability(photo, pots):
    many, numbers = photo[None].expand(200, -1, -1, -1).float() / 255, torch.zeros(200, dtype=torch.int64)
    none = pots.repaint(many, numbers, torch.zeros(200))
    assert torch.equal(none, many)
    some = pots.repaint(many, numbers, torch.full((200,), 0.5))
    repainted = (some != many).flatten(1).any(1)
    assert 70 < repainted.sum() < 130
    tones = some[repainted][:, :, 15, 12]
    assert len(tones.unique(dim=0)) == repainted.sum()
    assert tones.argmax(1).unique().numel() == 3  # reds, greens and blues


def test_repaint_leaves_no_rim_of_the_old_colour(photo, pots):
    """As at a soft edge of a real photo, the pixel beside the mask is half pot."""
    image = photo[None].float() / 255
    image[0, :, 9, 10:22] = (image[0, :, 8, 10:22] + image[0, :, 12, 12:13]) / 2
    painted = pots.repaint(image, torch.tensor([0]), torch.ones(1))
    assert (painted[0, :, 9, 10:22] != image[0, :, 9, 10:22]).any(0).all()
