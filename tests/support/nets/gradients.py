"""Where the gradient stops, changes or takes another way: no_grad, detach, checkpoints, own functions."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from gradcam import Explainer

from .case import BOTH, Small, also, lived_in, network, small

NO_WAY = r"gradient|depend|differentia"


@network("conv1", sentence=NO_WAY)
class NoGradInside(Small):
    """`with torch.no_grad()` around a frozen backbone; asked for a layer inside it."""

    mode = staticmethod(torch.no_grad)

    def stem(self, x):
        with self.mode():
            return super().stem(x)


also(name="no grad inside, read behind it", layers=("conv2",), sentence=None)


class _LeafBehind(Small):
    """The oracle's way to what follows: the layer's output made a leaf once the block of no_grad is over."""

    def __init__(self):
        super().__init__()
        self.before, self.norm = self.norm, nn.Identity()

    def stem(self, x):
        with torch.no_grad():
            x = self.before(self.conv1(x))
        return self.norm(x.requires_grad_()).relu()


@network("norm", or_right=True, sentence=NO_WAY, plain=lambda: lived_in(_LeafBehind()))
class NoGradUpToTheLayer(Small):
    """The asked layer is the last under no_grad: its output feeds layers that do have gradients."""

    def stem(self, x):
        with torch.no_grad():
            x = self.norm(self.conv1(x))
        return x.relu()


@network("conv1", sentence=NO_WAY)
class DecoratedForward(Small):
    """`@torch.no_grad()` on the forward itself: inference classes."""

    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


@network("conv1", sentence=NO_WAY)
class InferenceModeInside(NoGradInside):
    """`torch.inference_mode()` inside, whose tensors autograd refuses for ever."""

    mode = staticmethod(torch.inference_mode)


@network("conv1", sentence=NO_WAY)
class InferenceModeForward(Small):
    """`@torch.inference_mode()` on the forward."""

    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


@network("conv1", sentence=NO_WAY)
class Detached(Small):
    """`x.detach()` between backbone and head, as self-supervised probes do."""

    def top(self, x):
        return super().top(x.detach())


also(name="detached, read behind it", layers=("conv2",), sentence=None)
also(name="detached, beside a live one", layers=("conv1", "conv2"), sentence=NO_WAY)


@network("conv1", sentence=NO_WAY)
class ThroughNumpy(Small):
    """A step in numpy in the middle of the network."""

    def top(self, x):
        return super().top(torch.from_numpy(x.detach().cpu().numpy().clip(0)))


@network("conv1", sentence=NO_WAY)
class ThroughData(Small):
    """`.data`, the old way to stop a gradient."""

    def top(self, x):
        return super().top(x.data)


@network(("conv1", "side"), sentence=NO_WAY)
class SideBranch(Small):
    """A layer that runs and leads nowhere: an auxiliary head, a projector whose output only the loss reads."""

    def __init__(self):
        super().__init__()
        self.side = nn.Conv2d(4, 2, 1)

    def top(self, x):
        self.side(x)
        return super().top(x)


@network(("conv1", "side"), sentence=r"did not", name="a layer that does not run")
class NotRun(Small):
    """An auxiliary head that runs in training only."""

    def __init__(self):
        super().__init__()
        self.side = nn.Conv2d(4, 2, 1)


@network(BOTH, targets=(0, 1))
class OneOutputConstant(Small):
    """One class's logit does not depend on the picture, the others do: an empty map beside a full one."""

    def forward(self, x):
        return super().forward(x) * torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=x.dtype)


@network(BOTH)
class Checkpointed(Small):
    """Activation checkpointing without re-entrance: the layers run again in the backward."""

    reentrant = False

    def stem(self, x):
        return checkpoint(super().stem, x, use_reentrant=self.reentrant)

    def top(self, x):
        return checkpoint(super().top, x, use_reentrant=self.reentrant)


@network(BOTH, plain=small, sentence=r"checkpoint|gradient", or_right=True)
class CheckpointedReentrant(Checkpointed):
    """The older, re-entrant kind, which runs the layers under no_grad first."""

    reentrant = True


also(name="checkpointed reentrant, read before it", layers=("norm",))


class _CheckpointedHead(Checkpointed):
    reentrant = True

    def stem(self, x):
        return Small.stem(self, x)


@network(("norm",), plain=small, sentence=r"checkpoint|gradient", or_right=True)
class OnlyTheHeadCheckpointedReentrant(_CheckpointedHead):
    """The layer lies before a re-entrant checkpoint, which allows `backward` and no `grad`."""


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


@network(BOTH)
class OwnFunction(Small):
    """A custom autograd.Function, which torch.vmap knows nothing of."""

    function = _Swish

    def stem(self, x):
        return self.function.apply(self.norm(self.conv1(x)))


class _Looks(torch.autograd.Function):
    """Its backward looks at values, which vmap forbids."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x > 0) if float(gradient.abs().max()) > 0 else gradient


@network(BOTH)
class OwnFunctionThatLooks(OwnFunction):
    """A backward with `.item()` in it."""

    function = _Looks


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


@network(BOTH)
class GradientReversal(OwnFunction):
    """Domain adaptation turns the gradient round on purpose: the map is of the gradient that autograd gives."""

    function = _Reversed


class _Once(torch.autograd.Function):
    """Frees in its backward what it saved outside autograd, as reversible networks and some CUDA kernels do."""

    @staticmethod
    def forward(ctx, x):
        ctx.kept = [x.detach()]
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.kept[0] > 0)


@network(BOTH)
class OwnFunctionWithAttributes(OwnFunction):
    """Tensors kept as attributes of ctx instead of by save_for_backward."""

    function = _Once


@network(BOTH)
class StraightThrough(Small):
    """Rounding with a straight-through gradient."""

    def stem(self, x):
        x = super().stem(x)
        return x + (x.round() - x).detach()


@network(BOTH)
class HooksOnTensors(Small):
    """`x.register_hook` in the forward changes the gradient, by clipping say: part of the model's own backward."""

    def stem(self, x):
        x = super().stem(x)
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.clamp(-0.002, 0.002))
        return x


@network("norm")
class GradientOfItself(Small):
    """Energy-based and physics-informed nets take a gradient inside the forward, with create_graph."""

    def forward(self, x):
        with torch.enable_grad():
            maps = self.stem(x)
            energy = self.top(maps).pow(2).sum()
            (force,) = torch.autograd.grad(energy, maps, create_graph=True)
        return self.head(torch.cat([force.tanh(), force.mean(1, keepdim=True)], 1).mean((2, 3)))


@network("conv1")
class ExplainsItself(Small):
    """Attention-mining networks (GAIN) ask for a heatmap of a part of themselves in their own forward."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    def stem(self, x):
        x = super().stem(x)
        heat = Explainer(self.body, "0").explain(x.detach(), [1], signed=True).heatmaps[:, 0]
        return x * heat.sigmoid()


@network(BOTH)
class EnableGradInside(Small):
    """`torch.enable_grad()` or `set_grad_enabled(True)` inside the forward."""

    def forward(self, x):
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        logits = super().forward(x)
        torch.set_grad_enabled(before)
        return logits


@network(BOTH, around=torch.no_grad, name="the caller is under no_grad")
def under_no_grad():
    """Evaluation loops run under no_grad."""
    return small()


@network(BOTH, around=torch.inference_mode, name="the caller is under inference_mode")
def under_inference_mode():
    """Servers run under inference mode."""
    return small()


def _strict():
    return torch.autograd.set_detect_anomaly(True, check_nan=True)


@network(BOTH, around=_strict, alone=True, name="the caller detects anomalies")
def under_anomaly_detection():
    """A debugging session with anomaly detection on."""
    return small()


@network(BOTH, around=lambda: torch.autograd.graph.save_on_cpu(), name="the caller saves tensors on the CPU")
def with_saved_tensors_hooks():
    """Saved-tensor hooks that offload or compress what autograd keeps."""
    return small()


@network(BOTH, around=lambda: FlopCounterMode(display=False), name="the caller counts operations")
def under_a_dispatch_mode():
    """Profilers of torch's own work as dispatch modes: FLOP counters, memory trackers."""
    return small()
