"""Photos of the dataset as the networks' input tensors."""

import cv2
import numpy as np
import torch
from torch import Tensor


def load_pixels(files, size: int) -> Tensor:
    """Square photos as uint8 [M, 3, size, size], RGB. Raises ValueError naming an unreadable file."""
    return torch.from_numpy(np.stack([_pixels(path, size) for path in files])).permute(0, 3, 1, 2).contiguous()


def as_input(pixels: Tensor) -> Tensor:
    """The networks' input range: RGB in [0, 1], no other normalisation. uint8 → float32, same shape."""
    return pixels.float() / 255


def _pixels(path, size):
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"expected a photo, but {path} cannot be read: remove it or replace it")
    if image.shape[:2] != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return image[..., ::-1]
