"""The order in which maps lie in memory: whether to compute with the channels last, and a backward that keeps to it.

Both orders give the same numbers up to rounding. Images that lie so make torch compute so, up to where a network reads
its maps as a vector.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

# Channels last against plain, by millions of weights in convolutions for each image of 3 × 224 × 224, forward, one
# thread: 1 to 9 million 0.83 to 0.92 times as long (MobileNetV3, EfficientNet, DenseNet, ResNet-50 at 4 images), 11 to
# 12 million 1.01 and 1.07 (ResNet-18 at 1 image, ResNet-50 at 2), 23 million 1.16 (ResNet-50 at 1).
WEIGHTS_PER_NUMBER = 66  # ten million for such an image

# Layers whose backward keeps the order for several targets at once.
ORDERLY = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Linear, nn.Dropout, nn.Dropout2d, nn.Identity)


class OrderPreference:
    """Which images a model computes faster with their channels last. Reads the model once."""

    def __init__(self, model: nn.Module):
        modules = list(model.modules())
        kernels = (module._parameters.get("weight") for module in modules if isinstance(module, nn.Conv2d))
        self._weights = sum(one.numel() for one in kernels if one is not None and not is_lazy(one))
        self._orderly = all(isinstance(module, ORDERLY) for module in modules if not module._modules)

    def channels_last(self, images: Tensor, targets: int) -> bool:
        """Whether to lay images [B, 3, H, W] out so, for so many targets.

        On a CPU in single precision a forward of sixteen images then takes 0.53 (the embedded network) to 0.98 times as
        long (ConvNeXt, which does so by itself). Not where the weights of convolutions outweigh the images: they are
        brought into this order in every pass. For several targets only where each step of the backward keeps the order,
        since an operation between two orders costs more than is gained: four targets at three layers take 0.97 times as
        long with the embedded network, and 1.25 with EfficientNet-B0, 1.54 with DenseNet-121.
        """
        if images.ndim != 4 or images.device.type != "cpu" or images.dtype != torch.float32:
            return False
        return self._weights <= WEIGHTS_PER_NUMBER * images.numel() and (targets == 1 or self._orderly)


def minds_order(error: RuntimeError) -> bool:
    """Whether an operation failed because of how a tensor lies in memory, such as a `view` across its strides."""
    return any(word in str(error) for word in ("stride", "contiguous", "memory format", "memory_format"))


def keeping_order(maps: Iterable[Tensor]) -> AbstractContextManager:
    """Within it, a backward from or to these maps [B, C, h, w] keeps their channels last, where they are."""
    return _KeepsChannelsLast() if any(map(_has_channels_last, maps)) else nullcontext()


class _KeepsChannelsLast(TorchDispatchMode):
    """While active in this thread, convolution and max pooling go back with the channels last.

    `vmap` hands them an input without an order and indices in the plain one, so they would bring everything into that
    and the next step back again: the convolutions of the embedded network take 18 ms in place of 34, of 130.
    """

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else a process's first heatmap waits for the import of torch's compiler: 1.5 s in place of 0.4

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation is torch.ops.aten.convolution_backward.default:
            gradient, maps, *others = args
            if others[-1] == [True, False, False] and _has_channels_last(gradient):
                return operation(gradient, _like(maps), *others)
        elif operation is torch.ops.aten.max_pool2d_with_indices_backward.default:
            gradient, maps, *others, indices = args
            if maps.ndim == 4:
                return operation(_reordered(gradient), _like(maps), *others, _reordered(indices))
        return operation(*args, **(kwargs or {}))


def _has_channels_last(maps):
    """Whether maps [B, C, h, w] lie so, also where a batch is one image expanded."""
    if maps.ndim != 4:
        return False
    one = maps[:1]
    return not one.is_contiguous() and one.is_contiguous(memory_format=torch.channels_last)


def _like(maps):
    """Of the same shape; its numbers are not read where only the gradient of the input is asked for."""
    return torch.empty(maps.shape, dtype=maps.dtype, device=maps.device, memory_format=torch.channels_last)


def _reordered(maps):
    """With the channels last, also by the stride of the first axis, which a kernel asks for even of a single image."""
    if maps.is_contiguous(memory_format=torch.channels_last) and maps.stride(0) == maps[0].numel():
        return maps
    return _like(maps).copy_(maps)
