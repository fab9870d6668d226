"""What training may change about a photo without changing which plant it shows. Each step draws from torch's random state."""

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

POT = 1  # its number in a mask
HALO = 5  # pixels: a mask grown by two on every side, or a rim of the old colour would stay and tell it


def flipped(images: Tensor) -> Tensor:
    """Mirrored left to right, every other photo: [B, 3, S, S]."""
    chosen = torch.rand(len(images)) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def moved(images: Tensor, shift: float = 0.12, zoom: float = 0.15, turn: float = 0.12) -> Tensor:
    """Shifted by up to `shift` of the side, zoomed by a factor of 1 ± `zoom`, turned by up to `turn` radians; mirrored at the border."""
    count = len(images)
    angle, scale = turn * _either(count), 1 + zoom * _either(count)
    across, down = shift * 2 * _either(count), shift * 2 * _either(count)  # a side is two units long
    cos, sin = scale * angle.cos(), scale * angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin, across], 1), torch.stack([sin, cos, down], 1)], 1)  # [B, 2, 3]
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def lit(images: Tensor, brightness: float = 0.25, contrast: float = 0.2, tint: float = 0.06) -> Tensor:
    """Brighter or darker by a factor, with more or less contrast, warmer or cooler: values stay in 0…1."""
    count = len(images)
    factor = (1 + brightness * _either(count))[:, None, None, None] * (1 + tint * _either(3 * count)).view(
        count, 3, 1, 1
    )
    images = images * factor
    middle = images.mean((1, 2, 3), keepdim=True)
    return ((images - middle) * (1 + contrast * _either(count))[:, None, None, None] + middle).clamp(0, 1)


class Pots:
    """The pots of some photos, ready to be painted in other colours with their light and shade kept."""

    def __init__(self, pixels: Tensor, masks: list):
        self._places, self._shading = zip(*map(_pot, pixels, masks))  # each [P] int64, [P] float

    def repaint(self, images: Tensor, chosen: Tensor, shares: Tensor) -> Tensor:
        """`images` [B, 3, S, S] in 0…1, which are photos number `chosen` [B], each with a pot of a random colour by a chance of `shares` [B]."""
        images = images.clone()
        for image, number, painted in zip(images, chosen.tolist(), torch.rand(len(images)) < shares):
            if painted and len(self._places[number]):
                pot = _to_screen((_any_colour()[:, None] * self._shading[number]).clamp(0, 1))  # [3, P]
                image.view(3, -1)[:, self._places[number]] = pot
        return images


def _pot(pixels, mask):
    """Where a photo's pot is, and how bright each of its pixels is against the pot's median."""
    grown = cv2.dilate((np.asarray(Image.open(mask)) == POT).astype(np.uint8), np.ones((HALO, HALO)))
    places = torch.from_numpy(grown.ravel()).nonzero()[:, 0]
    light = _to_linear(pixels.view(3, -1)[:, places].double() / 255)
    luminance = torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64) @ light  # [P]
    return places, (luminance / luminance.median().clamp(min=1e-4)).float() if len(places) else luminance.float()


def _any_colour():
    """Linear RGB of any hue, from grey to as vivid as a glazed pot, from dark to light: as bright as the pots of the renders are."""
    hue = torch.rand(3)
    hue = (hue - hue.min()) / (hue.max() - hue.min())  # the purest of its kind: 0 in one channel, 1 in another
    colour = 1 - torch.rand(()).sqrt() * (1 - hue)  # more often vivid than not
    return colour * torch.empty(()).uniform_(0.02, 0.5)


def _either(count):
    """Evenly from −1 to 1."""
    return 2 * torch.rand(count) - 1


def _to_linear(screen):
    return torch.where(screen <= 0.04045, screen / 12.92, ((screen + 0.055) / 1.055) ** 2.4)


def _to_screen(linear):
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
