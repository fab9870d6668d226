"""Images as a model takes them: checked, on its device and in its precision."""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# Channels last against plain, by millions of weights in convolutions for each image of 3 × 224 × 224, forward, one
# thread: 1 to 9 million 0.83 to 0.92 times as long (MobileNetV3, EfficientNet, DenseNet, ResNet-50 at 4 images), 11 to
# 12 million 1.01 and 1.07 (ResNet-18 at 1 image, ResNet-50 at 2), 23 million 1.16 (ResNet-50 at 1).
WEIGHTS_PER_NUMBER = 66  # ten million for such an image


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


def channels_last_pays(images: Tensor, model: nn.Module, targets: int) -> bool:
    """Whether to lay images [B, 3, H, W] out with their channels last, which gives the same numbers up to rounding.

    On a CPU in single precision a forward of sixteen images then takes 0.53 (the embedded network) to 0.98 times as
    long (ConvNeXt, which does so by itself). Not for several targets: their gradients start plain from the head, and
    each operation between the two orders costs more than was gained (4.1 times a forward in place of 3.3). Nor where
    the weights of convolutions outweigh the images: they are brought into this order in every pass.
    """
    if images.ndim != 4 or images.device.type != "cpu" or images.dtype != torch.float32 or targets != 1:
        return False
    kernels = (module._parameters.get("weight") for module in model.modules() if isinstance(module, nn.Conv2d))
    weights = sum(one.numel() for one in kernels if one is not None and not is_lazy(one))
    return weights <= WEIGHTS_PER_NUMBER * images.numel()


def minds_layout(error: RuntimeError) -> bool:
    """Whether an operation failed because of how a tensor lies in memory, such as a `view` across its strides."""
    return any(word in str(error) for word in ("stride", "contiguous", "memory format", "memory_format"))
