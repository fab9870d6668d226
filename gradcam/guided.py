"""Guided Backpropagation and Guided Grad-CAM: evidence by pixel and colour; for networks of ReLUs only."""

import torch
from torch import Tensor, nn
from torch.func import functionalize

from .explainer import Explainer
from .forward_pass import logits_of
from .images import as_batch
from .model_copy import BorrowedCopy, ModelCopies
from .relus import HiddenDependencies, guide_relus
from .targets import as_targets, cotangents


def guided_backpropagation(model: nn.Module, images: Tensor, targets=None) -> Tensor:
    """d target / d image, with every ReLU passing back positive gradients only: [B, K, 3, H, W], signed, on the CPU.

    Springenberg et al. 2014, arXiv:1412.6806, sec. 3.4. The rule exists for ReLU, bounded above (ReLU6) or not,
    however it is written; what is linear, pools, pads, upsamples or normalises passes its gradient as it is. Raises
    ValueError for a model with anything else between image and outputs — another activation, a gate, attention, a
    backward of its own, a softmax at the end — and for one without a ReLU: the result would silently be something
    else. The model is left unchanged.
    """
    targets, images = as_targets(targets, len(images)), as_batch(images, model)
    with torch.inference_mode(False), torch.enable_grad(), ModelCopies(model).borrow() as borrowed:
        gradients = _guided_gradients(borrowed, images, targets)
    if isinstance(gradients, str):  # raised here, where the graph is freed: an exception keeps what its frames hold
        raise ValueError(
            f"guided backpropagation is defined for ReLU, but {gradients}: use Grad-CAM or another method for it"
        )
    return gradients


def guided_grad_cam(model: nn.Module, images: Tensor, targets=None, layer=None) -> Tensor:
    """Guided Backpropagation times the upsampled Grad-CAM map: [B, K, 3, H, W] (Selvaraju et al. 2017, sec. 3.2).

    layer: the layer to read, by name or module; None is the model's last Conv2d by definition (see `suggest_layers`).
    """
    if layer is None:
        layer = Explainer(model).layers[-1]
    heatmaps = Explainer(model, [layer]).explain(images, targets).heatmaps  # [B, K, 1, H, W]
    return guided_backpropagation(model, images, targets) * heatmaps


def _guided_gradients(borrowed: BorrowedCopy, images, targets) -> Tensor | str:
    """The gradients [B, K, 3, H, W], or the reason why there are none."""
    leaf = images.clone().requires_grad_()
    outputs = _recorded_outputs(borrowed, leaf)
    if isinstance(outputs, str):
        return f"this model runs {outputs}"
    try:
        refusal = guide_relus(outputs, leaf)
        if refusal:
            return refusal
        rows = cotangents(outputs, targets)
        # One target after the other: these gradients reach the image and are the largest of all.
        gradients = [torch.autograd.grad(outputs, leaf, row, retain_graph=True)[0] for row in rows]
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        return "this model changes in place what its gradient needs"
    return torch.stack(gradients, 1).cpu()


def _recorded_outputs(borrowed, leaf) -> Tensor | str:
    """The outputs with their graph, or the first operation on the way to them that autograd does not record."""

    def run(images):
        return logits_of(borrowed.forward(images))

    first = last = HiddenDependencies(leaf)
    try:
        with first:
            outputs = run(leaf)
        if first.partly:
            with (last := HiddenDependencies(leaf)):
                outputs = functionalize(run)(leaf)  # the same without in-place operations, which shows all dependencies
    except RuntimeError:  # of inference mode, or of an operation that `functionalize` cannot take
        if first.hidden is None:
            raise
        return first.hidden
    return outputs if last.hidden is None else last.hidden
