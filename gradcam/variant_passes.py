"""Further forward passes over variants of one image: counted, and batched unless the network mixes its batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from .memory import ran_out

VARIANTS_PER_BATCH = {"cpu": 8}  # forward passes of Ablation-CAM, Score-CAM and occlusion that share a batch, by device
VARIANTS_PER_BATCH_ELSEWHERE = 32

Progress = Callable[[float], bool | None]  # takes the part done, 0…1; answers False to stop


class Cancelled(Exception):  # noqa: N818  a public name; the caller's own wish is no error
    """The caller said stop. Nothing was left behind."""


class PassCounter:
    """Counts forward passes for the caller, who may stop them."""

    def __init__(self, progress: Progress | None, images: int):
        self._progress, self._images, self._done, self.total = progress, images, 0, 0

    def expect(self, passes_per_image: int):
        self.total = self._images * passes_per_image

    def count(self, passes: int):
        self._done += passes
        if self._progress is not None and self._progress(min(1.0, self._done / self.total)) is False:
            raise Cancelled("stopped by the caller")


class VariantPasses:
    """Forward passes over variants of one image: together, unless the network mixes its batch.

    That is measured, not assumed: the unchanged image is put before the first variants. If its outputs differ from what
    they were before, each variant runs alone, in the place of the image among the images that were there.
    """

    def __init__(
        self,
        outputs: Callable[..., Tensor],
        originals: tuple[Tensor, ...],
        image: int,
        before: Tensor,
        mixes: bool | None,
    ):
        """Variants of one image out of a batch.

        outputs: runs the model on tensors like `originals`, which hold all images; before: the image's outputs there.
        mixes: None to measure it, at the price of one image more.
        """
        self._outputs, self._originals, self._image, self._before = outputs, originals, image, before
        self._mixes = mixes

    def outputs_of(self, variants: tuple[Tensor, ...]) -> Tensor:
        """The model's outputs [n, N] for variants [n, ...] of each tensor in `originals`."""
        if self._mixes is None:
            together = self._beside_the_image(variants)
            self._mixes = together is None
            if together is not None:
                return together
        return torch.cat([self._alone(parts) for parts in zip(*variants)]) if self._mixes else self._outputs(*variants)

    def _beside_the_image(self, variants):
        """The variants' outputs, or None where their presence changes the image's outputs."""
        row = slice(self._image, self._image + 1)
        try:
            outputs = self._outputs(*(torch.cat([whole[row], some]) for whole, some in zip(self._originals, variants)))
        except RuntimeError as error:
            if ran_out(error):
                raise
            return None  # a network that takes only so many at a time, such as frames of a film
        if len(outputs) != 1 + len(variants[0]):
            return None
        tolerance = self._before.abs().max() * torch.finfo(self._before.dtype).eps ** 0.5
        return outputs[1:] if (outputs[0] - self._before).abs().max() <= tolerance else None

    def _alone(self, parts):
        tensors = [whole.clone() for whole in self._originals]
        for tensor, part in zip(tensors, parts):
            tensor[self._image] = part
        return self._outputs(*tensors)[self._image : self._image + 1]


def variants_per_batch(device: torch.device, at_once: int | None) -> int:
    """How many variants share a batch: the caller's `at_once`, or a default for the device."""
    return at_once or VARIANTS_PER_BATCH.get(device.type, VARIANTS_PER_BATCH_ELSEWHERE)
