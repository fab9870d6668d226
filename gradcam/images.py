"""Images as a model takes them: checked, on its device and in its precision."""

import torch
from torch import Tensor, nn


def as_batch(images, model: nn.Module) -> Tensor:
    """A batch of images [B, 3, H, W], of sequences [B, C, L] or of volumes [B, C, D, H, W], detached, for this model.

    Raises TypeError for anything but a tensor, ValueError for another shape, an empty batch or whole numbers.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"expected images as a tensor [B, 3, H, W], got {type(images).__name__}")
    if images.layout is not torch.strided or images.is_meta:
        raise ValueError(
            f"expected images whose numbers are there, got {images.layout} on {images.device}: "
            "make a dense tensor of them"
        )
    if not _has_batch_axis(images, model) or not images.is_floating_point() or not images.numel():
        raise ValueError(
            f"expected floating-point images [B, 3, H, W], got {images.dtype} {list(images.shape)}: "
            "add the batch axis, scale to what the model was trained on"
        )
    weights = (parameter for parameter in model.parameters() if parameter.is_floating_point())
    first = next(weights, images)
    # Of a model in several precisions, the images' own if it is one of them; all weights are compared only where it is
    # not the first one's.
    known = images.dtype == first.dtype or any(weight.dtype == images.dtype for weight in weights)
    with torch.inference_mode(False):
        images = images.detach().to(first.device, images.dtype if known else first.dtype)
        return images.clone() if images.is_inference() else images  # autograd takes no tensor made in inference mode


def _has_batch_axis(images, model):
    """Three axes are a photo without its batch axis, except for a network of sequences."""
    if images.ndim == 3:
        kinds = {type(module) for module in model.modules()}
        return nn.Conv1d in kinds and not kinds & {nn.Conv2d, nn.Conv3d}
    return images.ndim in (4, 5)
