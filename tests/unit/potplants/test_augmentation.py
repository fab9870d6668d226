"""What training changes about a photo: only what it says, and a pot's old colour leaves no trace."""

import numpy as np
import pytest
import torch
from PIL import Image

from potplants import augmentation
from potplants.augmentation import Pots, flipped, lit, moved


@pytest.fixture(autouse=True)
def dice():
    torch.manual_seed(3)


@pytest.fixture
def photo():
    """A grey photo with a red pot in the middle whose right half lies in the shade."""
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


def test_a_flip_is_a_mirror_or_nothing():
    images = torch.rand(64, 3, 4, 6)
    changed = flipped(images)
    mirrored = [torch.equal(now, was.flip(-1)) for now, was in zip(changed, images)]
    assert 16 < sum(mirrored) < 48 and all(m or torch.equal(now, was) for m, now, was in zip(mirrored, changed, images))


def test_moving_by_nothing_changes_nothing_and_by_something_stays_in_bounds():
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(moved(images, 0, 0, 0), images, rtol=0, atol=1e-5)
    dot = torch.zeros(64, 1, 33, 33)
    dot[:, :, 16, 16] = 1
    places = moved(dot, shift=0.12, zoom=0, turn=0).flatten(1).argmax(1)
    reach = (torch.stack([places // 33, places % 33]) - 16).abs().max()
    assert 2 <= reach <= 4  # 0.12 × 33 pixels


def test_light_keeps_values_and_order():
    images = torch.rand(32, 3, 8, 8)
    changed = lit(images)
    assert changed.min() >= 0 and changed.max() <= 1 and not torch.equal(changed, images)
    ramp = torch.linspace(0.3, 0.6, 64).view(1, 1, 8, 8).expand(16, 3, 8, 8)
    assert (lit(ramp).flatten(2).diff(dim=-1) > 0).all()


def test_a_pot_in_another_colour_keeps_its_shade_and_its_place(photo, pots):
    image = photo[None].float() / 255
    (painted,) = pots.repaint(image, torch.tensor([0]), torch.ones(1))
    changed = (painted != image[0]).any(0)
    assert changed[10:22, 10:22].all() and not changed[:8].any() and not changed[24:].any()
    light = augmentation._to_linear(painted.double())
    bright, shaded = light[:, 15, 12], light[:, 15, 20]
    was = augmentation._to_linear(image[0].double())
    wanted = (was[:, 15, 20] @ torch.tensor([0.2126, 0.7152, 0.0722]).double()) / (
        was[:, 15, 12] @ torch.tensor([0.2126, 0.7152, 0.0722]).double()
    )
    torch.testing.assert_close(shaded / bright, wanted.expand(3), rtol=1e-4, atol=0)


def test_colours_differ_and_shares_are_kept(photo, pots):
    many, chosen = photo[None].expand(200, -1, -1, -1).float() / 255, torch.zeros(200, dtype=torch.int64)
    none = pots.repaint(many, chosen, torch.zeros(200))
    assert torch.equal(none, many)
    some = pots.repaint(many, chosen, torch.full((200,), 0.5))
    repainted = (some != many).flatten(1).any(1)
    assert 70 < repainted.sum() < 130
    tones = some[repainted][:, :, 15, 12]
    assert len(tones.unique(dim=0)) == repainted.sum()
    assert tones.argmax(1).unique().numel() == 3  # reds, greens and blues


def test_no_rim_of_the_old_colour_stays(photo, pots):
    """A soft edge of a real photo: the pixel beside the mask is half pot."""
    image = photo[None].float() / 255
    image[0, :, 9, 10:22] = (image[0, :, 8, 10:22] + image[0, :, 12, 12:13]) / 2
    painted = pots.repaint(image, torch.tensor([0]), torch.ones(1))
    assert (painted[0, :, 9, 10:22] != image[0, :, 9, 10:22]).any(0).all()
