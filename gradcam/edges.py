"""The article's base picture: a photo reduced to its edges, so that heat laid over it stands out."""

import cv2
import numpy as np


def edge_map(image) -> np.ndarray:
    """Dark edges on white: RGB [H, W, 3], uint8 or floats in 0..1 → uint8 [H, W, 3].

    As the article draws it: grey, ×255 to uint8, 5×5 Gaussian blur, Canny with thresholds 30 and 80, inverted.
    Raises ValueError for another shape.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an RGB image [H, W, 3], got {list(image.shape)}")
    if image.dtype != np.uint8:
        image = (image * 255).round().clip(0, 255).astype(np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(cv2.GaussianBlur(grey, (5, 5), 0), 30, 80)  # [H, W], 255 on an edge
    return np.repeat(255 - edges[..., None], 3, axis=2)
