"""Guided Backpropagation and Guided Grad-CAM: which pixels, in colour — for networks of ReLUs, and for no others."""

import torch
from torch import Tensor, nn
from torch.func import functionalize

from .explainer import Explainer
from .forward_pass import logits_of
from .images import as_batch
from .model_copy import Lent, Replicas
from .relus import Watch, guide
from .targets import as_targets, cotangents


def guided_backpropagation(model: nn.Module, images: Tensor, targets=None) -> Tensor:
    """d target / d image, with every ReLU passing back positive gradients only: [B, K, 3, H, W], signed, on the CPU.

    Springenberg et al. 2014, arXiv:1412.6806, sec. 3.4. The rule exists for ReLU, bounded above (ReLU6) or not,
    however it is spelt; what is linear, pools, pads, enlarges or normalises passes its gradient as it is. Raises
    ValueError for a model with anything else between image and outputs — another activation, a gate, attention, a
    backward of its own, a softmax at the end — and for one without a ReLU: the result would silently be something
    else. The model stays as found.
    """
    targets, images = as_targets(targets, len(images)), as_batch(images, model)
    with torch.inference_mode(False), torch.enable_grad(), Replicas(model).lend() as lent:
        slopes, refusal = _slopes(lent, images, targets)
    if refusal:  # here, where the graph is gone: an exception keeps what its frames hold for as long as it is kept
        raise ValueError(
            f"guided backpropagation is defined for ReLU, but {refusal}: use Grad-CAM or another method for it"
        )
    return slopes


def guided_grad_cam(model: nn.Module, images: Tensor, targets=None, layer=None) -> Tensor:
    """Guided Backpropagation times the upsampled Grad-CAM map: [B, K, 3, H, W] (Selvaraju et al. 2017, sec. 3.2).

    layer: the layer to read, by name or module; None is the model's last Conv2d by definition (see `suggest_layers`).
    """
    if layer is None:
        layer = Explainer(model).layers[-1]
    heatmaps = Explainer(model, [layer]).explain(images, targets).heatmaps  # [B, K, 1, H, W]
    return guided_backpropagation(model, images, targets) * heatmaps


def _slopes(lent: Lent, images, targets):
    """The gradients [B, K, 3, H, W], or what is in their way, in words."""
    leaf = images.clone().requires_grad_()
    outputs, hidden = _recorded(lent, leaf)
    if hidden:
        return None, f"this model runs {hidden}"
    try:
        refusal = guide(outputs, leaf)
        if refusal:
            return None, refusal
        rows = cotangents(outputs, targets)
        # One target after the other: these gradients reach the image and are the largest there are.
        slopes = [torch.autograd.grad(outputs, leaf, row, retain_graph=True)[0] for row in rows]
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        return None, "this model changes in place what its gradient needs"
    return torch.stack(slopes, 1).cpu(), None


def _recorded(lent, leaf):
    """The outputs, with all that autograd records on the way to them, and what it does not see, in words."""

    def run(images):
        return logits_of(lent.forward(images))

    watch = once_more = Watch(leaf)
    try:
        with watch:
            outputs = run(leaf)
        if watch.partly:
            with (once_more := Watch(leaf)):
                outputs = functionalize(run)(leaf)  # the same with nothing done in place, which shows all there is
    except RuntimeError:  # of inference mode, or of an operation that `functionalize` cannot take
        if watch.hidden is None:
            raise
        return None, watch.hidden
    return outputs, once_more.hidden
