"""Shared by the audit's tests: a few embedded photos, photos with a painted pot, a network that sees only colour."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import nn

import classifiers
from classifiers import Layer
from explorer.photos import examples
from explorer.photos.masks import PARTS

MODEL = classifiers.find("embedded")
EXAMPLES = examples.embedded()
FEW = tuple(
    EXAMPLES.every[f"{split}/{label}_{number:03}"]
    for split in ("val", "test")
    for label in range(4)
    for number in range(2)
)
FEW_EXAMPLES = replace(EXAMPLES, every={example.key: example for example in FEW})


def ignore_progress(part, task=None):
    return True


class RedOrBlue(nn.Module):
    """Predicts rudo where the middle of the photo is more red than blue, else baya."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.conv.weight = nn.Parameter(torch.tensor([[1.0, 0, -1], [-1, 0, 1]])[..., None, None])

    def forward(self, images):
        logits = self.conv(images)[..., 128, 128]
        return torch.cat([logits, torch.full_like(logits, -9)], 1)


RED_OR_BLUE = replace(MODEL, layers=tuple(Layer("conv", layer.column) for layer in MODEL.layers))


def pot_photo(folder, name, colour, mask=True):
    """A grey photo with a pot in the middle; the plant above it is green."""
    (folder / "test").mkdir(exist_ok=True)
    pixels, parts = np.full((256, 256, 3), 150, np.uint8), np.zeros((256, 256), np.uint8)
    parts[100:180, 90:170], parts[60:100, 110:150] = PARTS.index("pot"), PARTS.index("plant")
    pixels[parts == 1], pixels[parts == 2] = colour, (20, 120, 30)
    file = folder / "test" / f"{name}.jpg"
    Image.fromarray(pixels).save(file, quality=95)
    if mask:
        picture = Image.fromarray(parts)
        picture.putpalette([0] * 12)
        picture.save(file.with_suffix(".png"))
    return file
