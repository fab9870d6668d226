"""Maps as they are stored, and back: at the layer's own size in half precision, enlarged again, laid over the photo."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the name in torch's own documentation)

# A peak from 2⁻¹⁴ up to float16's largest is stored as it is: rounding then moves no value by more than 2⁻¹¹ of the
# peak. Others are divided by a power of two first, which costs no precision: the evidence of a network without
# normalisation may be 1e-9 everywhere, and would be stored as zeros.
SMALLEST, LARGEST = 2.0**-14, 65504.0


def packed(heat: Tensor) -> tuple[bytes, float]:
    """A layer's map [h, w] as float16 in row order, little-endian, and the number to multiply it with again."""
    peak = float(heat.nan_to_num(0, 0, 0).abs().max())
    scale = 1.0 if peak == 0 or SMALLEST <= peak <= LARGEST else 2.0 ** math.floor(math.log2(peak))
    scale = max(scale, 2.0**-126)  # float32's smallest normal number: the column holds it
    return (heat.detach().cpu().double() / scale).numpy().astype("<f2").tobytes(), scale


def enlarge(
    heat: bytes, grid_h: int, grid_w: int, input_h: int = 224, input_w: int | None = None, heat_scale: float = 1.0
) -> np.ndarray:
    """A stored map as the heatmap over the network's input again: [input_h, input_w] float32, in units of the target.

    The arguments are a row's columns. Bilinear, align_corners=False, as `gradcam` enlarges its maps: the result is
    `Explainer(...).explain(...).heatmaps` but for the rounding to float16, 2⁻¹¹ of the map's peak. Other sizes than the
    input's are possible. Raises ValueError where the bytes are not grid_h × grid_w numbers.
    """
    if len(heat) != 2 * grid_h * grid_w:
        raise ValueError(f"expected {grid_h} × {grid_w} numbers of two bytes, got {len(heat)} bytes")
    grid = torch.from_numpy(np.frombuffer(heat, "<f2").astype(np.float32).reshape(1, 1, grid_h, grid_w))
    size = (input_h, input_h if input_w is None else input_w)
    return F.interpolate(grid * heat_scale, size=size, mode="bilinear", align_corners=False)[0, 0].numpy()


def place(heatmap: np.ndarray, seen: tuple[float, float, float, float], height: int, width: int) -> np.ndarray:
    """A heatmap over the input [h, w] as one over the whole photo, [height, width] float32.

    seen: where the input lies in the photo, as a row's seen_left, seen_top, seen_right, seen_bottom: 0…1 from edge to
    edge, beyond that where there are bars. What the network did not see is 0, and heat on bars is left out.
    """
    left, top, right, bottom = seen
    x = ((torch.arange(width) + 0.5) / width - left) / (right - left)  # of the photo's pixels, in the input, 0…1
    y = ((torch.arange(height) + 0.5) / height - top) / (bottom - top)
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # [height, width, 2]
    source = torch.from_numpy(np.ascontiguousarray(heatmap, np.float32))[None, None]
    placed = F.grid_sample(source, (places * 2 - 1)[None], padding_mode="border", align_corners=False)[0, 0]
    inside = ((places >= 0) & (places <= 1)).all(-1)
    return placed.where(inside, 0).numpy()
