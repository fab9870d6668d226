"""Guided Backpropagation and Guided Grad-CAM: which pixels, in colour — for networks of ReLUs, and for no others."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .explainer import Explainer
from .images import as_batch
from .recording import logits_of
from .replica import Replicas
from .targets import as_targets, cotangents

_RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_RELU6 = {F.relu6, F.hardtanh, F.hardtanh_}  # ReLU6 is a hardtanh from 0 to 6
_OTHERS = {
    F.gelu, F.silu, F.leaky_relu, F.leaky_relu_, F.elu, F.elu_, F.selu, F.selu_, F.celu, F.celu_, F.mish, F.hardswish,
    F.hardsigmoid, F.softplus, F.logsigmoid, F.prelu, F.rrelu, F.rrelu_, F.glu, F.softsign, F.tanhshrink, F.softshrink, F.hardshrink,
    F.threshold, F.threshold_, torch.sigmoid, torch.tanh, Tensor.sigmoid, Tensor.tanh, F.sigmoid, F.tanh,
}  # fmt: skip


def guided_backpropagation(model: nn.Module, images: Tensor, targets=None) -> Tensor:
    """d target / d image, with every ReLU passing back positive gradients only: [B, K, 3, H, W], signed, on the CPU.

    Springenberg et al. 2014, arXiv:1412.6806, sec. 3.4. The rule exists for ReLU (and ReLU6, its clipped twin). Raises ValueError
    for a model with another activation, or with none: it would silently be the plain gradient. The model stays as found.
    """
    targets, images = as_targets(targets, len(images)), as_batch(images, model)
    with torch.inference_mode(False), torch.enable_grad(), Replicas(model).lend() as lent:
        leaf = images.clone().requires_grad_()
        with _GuidedReLUs() as guided:
            outputs = logits_of(lent.forward(leaf))
        if not guided.found:
            raise ValueError(
                "guided backpropagation changes ReLUs, but this model ran none: the result would be the plain gradient"
            )
        rows = cotangents(outputs, targets)
        # One target after the other: these gradients reach the image and are the largest there are.
        slopes = [torch.autograd.grad(outputs, leaf, row, retain_graph=True)[0] for row in rows]
    return torch.stack(slopes, 1).cpu()  # [B, K, 3, H, W]


def guided_grad_cam(model: nn.Module, images: Tensor, targets=None, layer=None) -> Tensor:
    """Guided Backpropagation times the upsampled Grad-CAM map: [B, K, 3, H, W] (Selvaraju et al. 2017, sec. 3.2).

    layer: the layer to read, by name or module; None is the model's last Conv2d by definition (see `suggest_layers`).
    """
    if layer is None:
        layer = Explainer(model).layers[-1]
    heatmaps = Explainer(model, [layer]).explain(images, targets).heatmaps  # [B, K, 1, H, W]
    return guided_backpropagation(model, images, targets) * heatmaps


class _GuidedReLUs(TorchFunctionMode):
    """While active in this thread, every ReLU that runs — module, function or method — is a guided one."""

    def __init__(self):
        super().__init__()
        self.found = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in _RELUS:
            self.found += 1
            return _Guided.apply(args[0], float("inf"))
        if function in _RELU6:
            low, high = (0.0, 6.0) if function is F.relu6 else _bounds(*args[1:], **kwargs)
            if low == 0:
                self.found += 1
                return _Guided.apply(args[0], high)
        if function in _OTHERS or function in _RELU6:
            raise ValueError(
                f"guided backpropagation is defined for ReLU, but this model runs {function.__name__}: use Grad-CAM or another method for it"
            )
        return function(*args, **kwargs)


def _bounds(min_val=-1.0, max_val=1.0, inplace=False):
    return min_val, max_val


class _Guided(torch.autograd.Function):
    """min(max(x, 0), high), which passes a gradient back only where it and the input are positive."""

    @staticmethod
    def forward(ctx, x, high):
        ctx.save_for_backward(x)
        ctx.high = high
        return x.clamp(0, high)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient.clamp(min=0) * ((x > 0) & (x < ctx.high)), None
