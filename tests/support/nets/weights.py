"""Weights that are computed in the forward, frozen, missing, offloaded, quantised or of another class."""

import warnings

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from .case import CONVS, Small, initialised, register, small


@register(CONVS)
def weight_norm():
    """Weight normalisation by parametrisation."""
    model = small()
    parametrizations.weight_norm(model.conv1)
    parametrizations.weight_norm(model.head)
    return model


@register(CONVS)
def spectral_norm():
    """Spectral normalisation, whose power iteration writes buffers in training mode."""
    model = small()
    parametrizations.spectral_norm(model.conv2)
    return model


@register(CONVS)
def orthogonal():
    """Orthogonal weights by parametrisation."""
    model = small()
    parametrizations.orthogonal(model.conv2)
    parametrizations.orthogonal(model.head)
    return model


class _Symmetric(nn.Module):
    def forward(self, weight):
        return weight + weight.flip(-1)


@register(CONVS)
def own_parametrisation():
    """Custom parametrisations: two on one weight, and one from torch."""
    model = small()
    nn.utils.parametrize.register_parametrization(model.conv1, "weight", _Symmetric())
    nn.utils.parametrize.register_parametrization(model.conv1, "weight", nn.Tanh())
    nn.utils.parametrize.register_parametrization(model.norm, "weight", nn.Softplus())
    return model


@register((("conv1", 1), "conv2"))
class CachedParametrisation(Small):
    """`parametrize.cached()` inside the forward keeps computed weights in a table of torch."""

    def __init__(self):
        super().__init__()
        nn.utils.parametrize.register_parametrization(self.conv1, "weight", nn.Tanh())

    def stem(self, x):
        with nn.utils.parametrize.cached():
            self.norm(self.conv1(x))
            return super().stem(x)


def _legacy(normalise, *names):
    model = small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for name in names:
            normalise(model.get_submodule(name))
    return model


@register(CONVS)
def legacy_weight_norm():
    """`nn.utils.weight_norm`: a forward pre-hook that sets a plain attribute `weight` with a graph."""
    return _legacy(nn.utils.weight_norm, "conv1", "head")


@register(CONVS)
def legacy_spectral_norm():
    """`nn.utils.spectral_norm`: a pre-hook with a plain attribute and power iteration buffers."""
    return _legacy(nn.utils.spectral_norm, "conv2", "head")


@register(CONVS)
def pruned():
    """`prune` keeps weight_orig and a mask; a forward pre-hook multiplies them into a plain attribute."""
    model = small()
    prune.l1_unstructured(model.conv1, "weight", amount=0.4)
    prune.random_unstructured(model.head, "weight", amount=3)
    return model


@register(CONVS)
def pruned_twice():
    """Pruned again after fine-tuning: a container of methods in one hook."""
    model = small()
    prune.ln_structured(model.conv2, "weight", amount=1, n=2, dim=0)
    prune.l1_unstructured(model.conv2, "weight", amount=0.3)
    return model


@register(CONVS)
def frozen():
    """A frozen backbone: no weight requires a gradient."""
    return small().requires_grad_(False)


@register(CONVS)
def half_frozen_with_gradients():
    """Fine-tuning in progress: some weights frozen, others with a `.grad` and hooks on it."""
    model = small()
    model.conv1.requires_grad_(False)
    model(torch.rand(2, 3, 10, 10, dtype=torch.float64)).sum().backward()
    model.head.weight.register_hook(lambda gradient: gradient * 1e6)
    model.conv2.weight.register_post_accumulate_grad_hook(lambda parameter: parameter.data.zero_())
    return model


@register(CONVS, oracle_build=small)
def made_in_inference_mode():
    """A model built under `torch.inference_mode()`, whose weights autograd does not accept."""
    with torch.inference_mode():
        return small()


def _with_buffers(mode):
    model = small()
    with mode():
        model.norm.running_mean = model.norm.running_mean * 2
        model.register_buffer("shift", torch.rand(4, 1, 1, dtype=torch.float64), persistent=False)
        model.factor = torch.full((), 3.0, dtype=torch.float64)
    model.norm.register_forward_hook(lambda module, args, output: output * model.factor + model.shift)
    return model


@register(CONVS, oracle_build=lambda: _with_buffers(torch.no_grad))
def buffers_made_in_inference_mode():
    """A model that ran once under inference mode: buffers and plain tensors were created there."""
    return _with_buffers(torch.inference_mode)


@register("conv1", error=r"lazy|uninitiali[sz]ed|once", name="lazy, not run yet")
def lazy():
    """Lazy modules know their shapes after the first forward; before it there are no weights to share."""
    return _sequential(
        conv1=nn.LazyConv2d(4, 3), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), head=nn.LazyLinear(4)
    )


@register("conv1")
def lazy_after_one_run():
    """The same after a dry run, which changed the modules' classes."""
    model = lazy()
    model(torch.rand(1, 3, 10, 10))
    return model.double()


def _sequential(**modules):
    model = nn.Sequential()
    for name, module in modules.items():
        model.add_module(name, module)
    return model


@register(CONVS, error=r"meta")
def on_the_meta_device():
    """Large models are created on the meta device and loaded later; until then they hold no numbers."""
    with torch.device("meta"):
        return Small().double()


@register(CONVS, error=r"meta", name="partly on the meta device")
def partly_meta():
    """Offloaded layers stay on the meta device until a hook loads them."""
    model = small()
    model.head.to("meta")
    return model


def _offload(module):
    """Move a module's weights to a plain dict; hooks put them on the module only while it runs."""
    weights = {name: nn.Parameter(weight.detach()) for name, weight in module.named_parameters(recurse=False)}
    empty = {name: nn.Parameter(weight.detach().to("meta")) for name, weight in weights.items()}
    module._parameters.update(empty)
    module.register_forward_pre_hook(lambda module, args: module._parameters.update(weights))
    module.register_forward_hook(lambda module, args, output: module._parameters.update(empty))


@register(CONVS, error=r"meta", maps_allowed=True, oracle_build=small)
def offloaded():
    """Models larger than the memory: hooks load a layer's weights from elsewhere before it runs, and unload them."""
    model = small()
    for name in ("conv1", "norm", "conv2", "head"):
        _offload(model.get_submodule(name))
    return model


@register(CONVS, error=r"meta", maps_allowed=True, oracle_build=small, requires="accelerate", training=None)
def offloaded_by_accelerate():
    """The same by accelerate's `cpu_offload`."""
    import accelerate

    return accelerate.cpu_offload(small().eval(), execution_device=torch.device("cpu"))


@register("conv2")
class NoParametersAtAll(nn.Module):
    """Fixed filters in plain tensors: scattering and Gabor networks have no parameter."""

    def __init__(self):
        super().__init__()
        self.filters = torch.randn(4, 3, 3, 3, dtype=torch.float64)
        self.conv2 = nn.Identity()
        self.weights = torch.randn(4, 4, dtype=torch.float64)

    def forward(self, x):
        return self.conv2(nn.functional.conv2d(x, self.filters)).relu().mean((2, 3)) @ self.weights


@register(CONVS, error=r"quanti[sz]|gradient", dtype=torch.float32)
def quantised_head():
    """`quantize_dynamic` puts a packed int8 Linear at the end, through which no gradient flows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(small().float(), {nn.Linear}, dtype=torch.qint8)


class _Lora(nn.Module):
    """A Linear plus a low-rank one; the base is in a list so that it is not saved."""

    def __init__(self, base, rank=2):
        super().__init__()
        self.base = [base]
        self.down, self.up = (
            nn.Linear(base.in_features, rank, bias=False).double(),
            nn.Linear(rank, base.out_features, bias=False).double(),
        )

    def forward(self, x):
        return self.base[0](x) + self.up(self.down(x))


@register(CONVS)
def low_rank_adapters():
    """LoRA: a Linear is replaced by one with adapters beside it."""
    model = small()
    model.head = _Lora(model.head.requires_grad_(False))
    return model


@register(CONVS)
class WeightIsAProperty(Small):
    """Standardised weights: a Conv2d subclass that computes its weight in each forward."""

    def __init__(self):
        super().__init__()
        self.conv2 = _Standardised(4, 5, 3)


class _Standardised(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


@register(CONVS)
class TensorSubclass(Small):
    """Weights and activations of a Tensor subclass, as torchvision's tv_tensors and distributed tensors are."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(4, 1, 1))

    def stem(self, x):
        return (super().stem(x).as_subclass(_Tagged) * self.scale).relu()


class _Tagged(torch.Tensor):
    pass


@register(CONVS)
def reparametrised_after_training():
    """RepVGG and similar: branches fused into one convolution, the old ones deleted."""
    model = initialised(Small()).eval()
    model.conv1 = torch.nn.utils.fuse_conv_bn_eval(model.conv1, model.norm)
    model.norm = nn.Identity()
    return model
