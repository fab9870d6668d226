"""Networks that stop, change or recompute the gradient: no_grad, detach, checkpoints, custom functions."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from gradcam import Explainer

from .case import CONVS, Small, initialised, register, register_variant, small

NO_GRADIENT_ERROR = r"gradient|depend|differentia"


@register("conv1", error=NO_GRADIENT_ERROR)
class NoGradInside(Small):
    """`with torch.no_grad()` around a frozen backbone; the explained layer is inside it."""

    mode = staticmethod(torch.no_grad)

    def stem(self, x):
        with self.mode():
            return super().stem(x)


register_variant(name="no grad inside, layer after it", layers=("conv2",), error=None)


class _LeafBehind(Small):
    """For the oracle: the layer's output becomes a leaf once the no_grad block has ended."""

    def __init__(self):
        super().__init__()
        self.before, self.norm = self.norm, nn.Identity()

    def stem(self, x):
        with torch.no_grad():
            x = self.before(self.conv1(x))
        return self.norm(x.requires_grad_()).relu()


@register("norm", maps_allowed=True, error=NO_GRADIENT_ERROR, oracle_build=lambda: initialised(_LeafBehind()))
class NoGradUpToTheLayer(Small):
    """The explained layer is the last under no_grad: its output feeds layers that do have gradients."""

    def stem(self, x):
        with torch.no_grad():
            x = self.norm(self.conv1(x))
        return x.relu()


@register("conv1", error=NO_GRADIENT_ERROR)
class DecoratedForward(Small):
    """`@torch.no_grad()` on the forward itself: inference classes."""

    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


@register("conv1", error=NO_GRADIENT_ERROR)
class InferenceModeInside(NoGradInside):
    """`torch.inference_mode()` inside, whose tensors autograd never accepts."""

    mode = staticmethod(torch.inference_mode)


@register("conv1", error=NO_GRADIENT_ERROR)
class InferenceModeForward(Small):
    """`@torch.inference_mode()` on the forward."""

    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


@register("conv1", error=NO_GRADIENT_ERROR)
class Detached(Small):
    """`x.detach()` between backbone and head, as self-supervised probes do."""

    def top(self, x):
        return super().top(x.detach())


register_variant(name="detached, layer after it", layers=("conv2",), error=None)
register_variant(name="detached, together with a layer after it", layers=("conv1", "conv2"), error=NO_GRADIENT_ERROR)


@register("conv1", error=NO_GRADIENT_ERROR)
class ThroughNumpy(Small):
    """A step in numpy in the middle of the network."""

    def top(self, x):
        return super().top(torch.from_numpy(x.detach().cpu().numpy().clip(0)))


@register("conv1", error=NO_GRADIENT_ERROR)
class ThroughData(Small):
    """`.data`, the legacy way to stop a gradient."""

    def top(self, x):
        return super().top(x.data)


@register(("conv1", "side"), error=NO_GRADIENT_ERROR)
class SideBranch(Small):
    """A layer whose output is unused: an auxiliary head, a projector whose output only the loss reads."""

    def __init__(self):
        super().__init__()
        self.side = nn.Conv2d(4, 2, 1)

    def top(self, x):
        self.side(x)
        return super().top(x)


@register(("conv1", "side"), error=r"did not", name="a layer that does not run")
class NotRun(Small):
    """An auxiliary head that runs in training only."""

    def __init__(self):
        super().__init__()
        self.side = nn.Conv2d(4, 2, 1)


@register(CONVS, targets=(0, 1))
class OneOutputConstant(Small):
    """One class's logit does not depend on the image, the others do: an empty map beside a full one."""

    def forward(self, x):
        return super().forward(x) * torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=x.dtype)


@register(CONVS)
class Checkpointed(Small):
    """Non-reentrant activation checkpointing: the layers run again in the backward."""

    reentrant = False

    def stem(self, x):
        return checkpoint(super().stem, x, use_reentrant=self.reentrant)

    def top(self, x):
        return checkpoint(super().top, x, use_reentrant=self.reentrant)


@register(CONVS, oracle_build=small, error=r"checkpoint|gradient", maps_allowed=True)
class CheckpointedReentrant(Checkpointed):
    """The older, reentrant kind, which runs the layers under no_grad first."""

    reentrant = True


register_variant(name="checkpointed reentrant, layer norm", layers=("norm",))


class _CheckpointedHead(Checkpointed):
    reentrant = True

    def stem(self, x):
        return Small.stem(self, x)


@register(("norm",), oracle_build=small, error=r"checkpoint|gradient", maps_allowed=True)
class OnlyTheHeadCheckpointedReentrant(_CheckpointedHead):
    """The layer precedes a reentrant checkpoint, which allows `backward` but not `grad`."""


class _Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return gradient * (s + x * s * (1 - s))


@register(CONVS)
class OwnFunction(Small):
    """A custom autograd.Function, which torch.vmap cannot batch."""

    function = _Swish

    def stem(self, x):
        return self.function.apply(self.norm(self.conv1(x)))


class _ReadsValues(torch.autograd.Function):
    """Its backward reads values, which vmap forbids."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x > 0) if float(gradient.abs().max()) > 0 else gradient


@register(CONVS)
class OwnFunctionThatReadsValues(OwnFunction):
    """A backward with `.item()` in it."""

    function = _ReadsValues


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


@register(CONVS)
class GradientReversal(OwnFunction):
    """Domain adaptation negates the gradient on purpose: the map is of the gradient that autograd gives."""

    function = _Reversed


class _KeepsAttributes(torch.autograd.Function):
    """Saves its input outside autograd, as reversible networks and some CUDA kernels do."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept = [x.detach()]
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.kept[0] > 0)


@register(CONVS)
class OwnFunctionWithAttributes(OwnFunction):
    """Tensors kept as attributes of ctx instead of by save_for_backward."""

    function = _KeepsAttributes


@register(CONVS)
class StraightThrough(Small):
    """Rounding with a straight-through gradient."""

    def stem(self, x):
        x = super().stem(x)
        return x + (x.round() - x).detach()


@register(CONVS)
class HooksOnTensors(Small):
    """`x.register_hook` in the forward changes the gradient, e.g. clips it: part of the model's own backward."""

    def stem(self, x):
        x = super().stem(x)
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.clamp(-0.002, 0.002))
        return x


@register("norm")
class GradientOfItself(Small):
    """Energy-based and physics-informed nets take a gradient inside the forward, with create_graph."""

    def forward(self, x):
        with torch.enable_grad():
            maps = self.stem(x)
            energy = self.top(maps).pow(2).sum()
            (force,) = torch.autograd.grad(energy, maps, create_graph=True)
        return self.head(torch.cat([force.tanh(), force.mean(1, keepdim=True)], 1).mean((2, 3)))


@register("conv1")
class ExplainsItself(Small):
    """Attention-mining networks (GAIN) compute a heatmap of one of their parts in their own forward."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    def stem(self, x):
        x = super().stem(x)
        heat = Explainer(self.body, "0").explain(x.detach(), [1], signed=True).heatmaps[:, 0]
        return x * heat.sigmoid()


@register(CONVS)
class EnableGradInside(Small):
    """`torch.enable_grad()` or `set_grad_enabled(True)` inside the forward."""

    def forward(self, x):
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        logits = super().forward(x)
        torch.set_grad_enabled(before)
        return logits


@register(CONVS, context=torch.no_grad, name="the caller is under no_grad")
def under_no_grad():
    """Evaluation loops run under no_grad."""
    return small()


@register(CONVS, context=torch.inference_mode, name="the caller is under inference_mode")
def under_inference_mode():
    """Servers run under inference mode."""
    return small()


def _detect_anomaly():
    return torch.autograd.set_detect_anomaly(True, check_nan=True)


@register(CONVS, context=_detect_anomaly, process_wide=True, name="the caller detects anomalies")
def under_anomaly_detection():
    """A debugging session with anomaly detection on."""
    return small()


@register(CONVS, context=torch.autograd.graph.save_on_cpu, name="the caller saves tensors on the CPU")
def with_saved_tensors_hooks():
    """Saved-tensor hooks that offload or compress what autograd saves."""
    return small()


@register(CONVS, context=lambda: FlopCounterMode(display=False), name="the caller counts operations")
def under_a_dispatch_mode():
    """Profilers that are dispatch modes: FLOP counters, memory trackers."""
    return small()
