"""Whether an explanation fits in memory, said before it is begun."""

from pathlib import Path

import torch
from torch import Tensor

MEMINFO = Path("/proc/meminfo")


def require(images: Tensor, targets: int, layers: int, device) -> None:
    """Raises MemoryError when the heatmaps [B, K, L, H, W] asked for cannot fit on `device`."""
    height, width = images.shape[-2:]
    needed = len(images) * targets * layers * height * width * max(4, images.element_size())
    free = available(device)
    if free is not None and needed > free:
        raise MemoryError(
            f"{len(images)} images × {targets} targets × {layers} layers at {height} × {width} need {needed / 2**30:.1f} GiB of heatmaps, "
            f"{free / 2**30:.1f} GiB are free: ask for fewer images, targets or layers at a time"
        )


def available(device) -> int | None:
    """Free bytes on the device, or None where nobody can tell."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024
