"""Training augmentations, which do not change the class of a photo. All draw from torch's global random generator."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (PyTorch's usual name for it)

POT = 1  # the pot's value in a mask
DILATION = 5  # pixels: grows a mask by two on every side, or a rim of the old colour would remain and reveal it


def random_flip(images: Tensor) -> Tensor:
    """Each photo mirrored left to right with probability 0.5: [B, 3, S, S]."""
    flipped = torch.rand(len(images)) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def random_affine(images: Tensor, shift: float = 0.12, zoom: float = 0.15, turn: float = 0.12) -> Tensor:
    """Shifted by up to `shift` of the side, scaled by 1 ± `zoom`, rotated by up to `turn` radians; borders mirrored."""
    count = len(images)
    angle, scale = turn * _uniform(count), 1 + zoom * _uniform(count)
    across, down = shift * 2 * _uniform(count), shift * 2 * _uniform(count)  # a side is two units long
    cos, sin = scale * angle.cos(), scale * angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin, across], 1), torch.stack([sin, cos, down], 1)], 1)  # [B, 2, 3]
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def random_lighting(images: Tensor, brightness: float = 0.25, contrast: float = 0.2, tint: float = 0.06) -> Tensor:
    """Brightness, contrast and colour temperature changed by random factors; values stay in 0…1."""
    count = len(images)
    exposure = (1 + brightness * _uniform(count))[:, None, None, None]
    images = images * (exposure * (1 + tint * _uniform(3 * count)).view(count, 3, 1, 1))
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * (1 + contrast * _uniform(count))[:, None, None, None] + mean).clamp(0, 1)


class Pots:
    """The pots of some photos, to be repainted in other colours with their shading preserved."""

    def __init__(self, pixels: Tensor, masks: Sequence[Path]):
        # for each photo: [P] int64, [P] float
        self._indices, self._shading = zip(*map(_indices_and_shading, pixels, masks))

    def repaint(self, images: Tensor, photos: Tensor, probabilities: Tensor) -> Tensor:
        """Each pot in a random colour with its probability [B]; `images` [B, 3, S, S] in 0…1 show photos number [B]."""
        images = images.clone()
        for image, number, repainted in zip(images, photos.tolist(), torch.rand(len(images)) < probabilities):
            if repainted and len(self._indices[number]):
                pot = _to_srgb((_random_colour()[:, None] * self._shading[number]).clamp(0, 1))  # [3, P]
                image.view(3, -1)[:, self._indices[number]] = pot
        return images


def _indices_and_shading(pixels: Tensor, mask: Path) -> tuple[Tensor, Tensor]:
    """The indices of a photo's pot pixels, and each one's luminance relative to the pot's median."""
    dilated = cv2.dilate((np.asarray(Image.open(mask)) == POT).astype(np.uint8), np.ones((DILATION, DILATION)))
    indices = torch.from_numpy(dilated.ravel()).nonzero()[:, 0]
    light = _to_linear(pixels.view(3, -1)[:, indices].double() / 255)
    luminance = torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64) @ light  # [P]
    shading = luminance / luminance.median().clamp(min=1e-4) if len(indices) else luminance
    return indices, shading.float()


def _random_colour() -> Tensor:
    """Linear RGB of any hue, from grey to the saturation of a glazed pot; as bright as the renders' pots."""
    hue = torch.rand(3)
    hue = (hue - hue.min()) / (hue.max() - hue.min())  # fully saturated: 0 in one channel, 1 in another
    colour = 1 - torch.rand(()).sqrt() * (1 - hue)  # more often saturated than not
    return colour * torch.empty(()).uniform_(0.02, 0.5)


def _uniform(count: int) -> Tensor:
    """Uniform in −1…1."""
    return 2 * torch.rand(count) - 1


def _to_linear(srgb: Tensor) -> Tensor:
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _to_srgb(linear: Tensor) -> Tensor:
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
