"""Transformed models: traced, exported, compiled, scripted, pickled, or with a replaced forward."""

import copy
import functools
import io
import pickle
from types import MethodType

import torch
from torch import nn

from .case import CONVS, Small, initialised, register, register_variant, small


@register(CONVS)
def symbolically_traced():
    """torch.fx rewrites networks for quantisation and feature extraction; each GraphModule has its own class."""
    return torch.fx.symbolic_trace(small().eval())


@register("conv2")
def traced_around_a_submodule():
    """Feature extractors trace the backbone and leave the head in Python: a GraphModule inside a module."""
    model = nn.Sequential()
    model.add_module("backbone", torch.fx.symbolic_trace(nn.Sequential(small().conv1, small().norm, nn.ReLU()).eval()))
    model.add_module("conv2", small().conv2)
    model.add_module("rest", nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4).double()))
    return model


register_variant(name="traced around a submodule, layers inside the graph", layers=("backbone.0", "backbone", "conv2"))


def _gate(x):
    """A function that fx cannot trace."""
    return x * (x.mean((1, 2, 3), keepdim=True) > 0)


torch.fx.wrap("_gate")


@register(CONVS)
def traced_with_a_wrapped_function():
    """Functions with conditions are wrapped as one node of the graph (`torch.fx.wrap`)."""

    class Gated(Small):
        def forward(self, x):
            return self.top(_gate(self.stem(x)))

    return torch.fx.symbolic_trace(initialised(Gated()).eval())


@register(CONVS)
def traced_and_rewritten():
    """Graphs are edited after tracing: here every ReLU becomes a GELU."""
    traced = torch.fx.symbolic_trace(small().eval())
    for node in traced.graph.nodes:
        if node.op == "call_method" and node.target == "relu":
            node.op, node.target = "call_function", nn.functional.gelu
    traced.recompile()
    return traced


@register("conv2", training=None, error=r"did not run|export", maps_allowed=True)
def exported():
    """`torch.export(...).module()` is used for deployment; its submodules hold weights and are never called."""
    model = small().eval()
    return torch.export.export(model, (torch.rand(2, 3, 10, 10, dtype=torch.float64),)).module()


@register(CONVS, training=None, oracle_build=lambda: small().eval())
def exported_and_unflattened():
    """`torch.export.unflatten` restores the exported program's modules."""
    program = torch.export.export(_SmallInDouble().eval(), (torch.rand(2, 3, 10, 10, dtype=torch.float64),))
    return torch.export.unflatten(program)


class _SmallInDouble(Small):
    """Small, in float64 from the start, as an exported program must be."""

    def __init__(self):
        super().__init__()
        initialised(self)


@register(("_orig_mod.conv1", "_orig_mod.conv2"), oracle_build=lambda: _nested("_orig_mod"))
def compiled():
    """`torch.compile(model)`, for speed: a wrapper whose compiled forward refers to the original."""
    return torch.compile(small(), backend="eager")


@register(CONVS, oracle_build=small)
def compiled_in_place():
    """`model.compile()` keeps the class and stores a compiled call in an attribute."""
    model = small()
    model.compile(backend="eager")
    return model


def _nested(name):
    outer = nn.Sequential()
    outer.add_module(name, small())
    return outer


@register(("0", "3"), oracle_build=lambda: _sequential(lambda stem: stem))
def a_submodule_compiled():
    """Only the expensive block is compiled, the rest stays in Python."""
    return _sequential(lambda stem: torch.compile(stem, backend="eager"))


def _sequential(change):
    parts = small()
    return nn.Sequential(
        parts.conv1,
        change(nn.Sequential(parts.norm, nn.ReLU())),
        nn.Identity(),
        parts.conv2,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        parts.head,
    )


@register(CONVS, oracle_build=small)
def a_method_compiled():
    """`self.stem = torch.compile(self.stem)`: a compiled bound method in an attribute."""
    model = small()
    model.stem = torch.compile(model.stem, backend="eager")
    return model


@torch.jit.script
def _scripted_gate(x: torch.Tensor, scale: float) -> torch.Tensor:
    return x * torch.sigmoid(x * scale)


@register(CONVS)
class ScriptedFunction(Small):
    """A function of `torch.jit.script` as activation: fused swishes of older model zoos."""

    def __init__(self):
        super().__init__()
        self.act = _scripted_gate

    def stem(self, x):
        return self.act(self.norm(self.conv1(x)), 1.5)


@register(("0", "3"), error=r"script", maps_allowed=True, oracle_build=lambda: _sequential(lambda stem: stem))
def a_submodule_scripted():
    """One block was scripted for speed or came from a .pt file; its neighbours are Python."""
    return _sequential(lambda stem: torch.jit.script(stem.eval()))


register_variant(name="a submodule scripted, before the layer", layers=("3",))


@register(("0", "3"), error=r"trace|script", maps_allowed=True, oracle_build=lambda: _sequential(lambda stem: stem))
def a_submodule_traced_by_jit():
    """The same with `torch.jit.trace`."""
    return _sequential(
        lambda stem: torch.jit.trace(stem.eval(), torch.rand(1, 4, 8, 8, dtype=torch.float64), check_trace=False)
    )


@register("", error=r"TorchScript|script", training=None)
def a_scripted_model():
    """A whole model from `torch.jit.load`."""
    return torch.jit.script(small().eval())


def _doubled(forward):
    @functools.wraps(forward)
    def wrapped(*args, **kwargs):
        return forward(*args, **kwargs) * 2

    return wrapped


@register(CONVS)
def forward_wrapped():
    """Accelerate's hooks, profilers and loggers set a closure over the old bound forward on the instance."""
    model = small()
    model.forward = _doubled(model.forward)
    return model


@register(CONVS)
def forward_of_a_submodule_wrapped():
    """Accelerate does so for each submodule, to move its weights to the device before it runs."""
    model = small()
    for module in (model.norm, model.conv2, model.head):
        module._old_forward = module.forward
        module.forward = _doubled(module.forward)
    return model


@register(CONVS)
def forward_is_a_partial():
    """As accelerate does: functools.partial of a function that takes the module."""

    def new_forward(module, *args):
        return module._old_forward(*args).sigmoid()

    model = small()
    for module in (model, model.norm):
        module._old_forward = module.forward
        module.forward = functools.update_wrapper(functools.partial(new_forward, module), module.forward)
    return model


@register(CONVS)
def forward_is_a_patched_method():
    """`MethodType` patches one instance, as model surgery on a third-party network does."""

    def forward(self, x):
        return self.top(torch.tanh(self.norm(self.conv1(x))))

    model = small()
    model.forward = MethodType(forward, model)
    return model


@register(CONVS)
def forward_is_a_lambda():
    """A lambda over the module, the shortest patch."""
    model = small()
    model.forward = lambda x: model.top(model.stem(x * 0.5))
    return model


@register(CONVS)
def forward_wrapped_by_a_counter():
    """Counting or timing wrappers keep their own numbers beside the forward."""
    model = small()
    forward, calls = model.forward, {"count": 0}

    def counted(x):
        calls["count"] += 1
        return forward(x)

    model.forward = counted
    return model


@register(CONVS)
def forward_counts_in_its_closure():
    """`nonlocal steps` in a wrapper: the closure's own cell is written to."""
    model, steps = small(), 0
    forward = model.forward

    def counted(x):
        nonlocal steps
        steps += 1
        return forward(x) * steps

    model.forward = counted
    return model


@register(CONVS)
def hook_object_like_accelerates():
    """`_hf_hook` objects hold the module's execution device and are called by the forward that replaced the old one."""

    class Hook:
        def __init__(self, module):
            self.module, self.seen = module, 0

        def pre_forward(self, x):
            self.seen += 1
            return x * self.module.norm.running_var.mean()

    model = small()
    hook, forward = Hook(model), model.forward
    model._hf_hook = hook

    def new_forward(self, *args):
        return forward(self._hf_hook.pre_forward(*args))

    model.forward = MethodType(new_forward, model)
    return model


@register(CONVS, requires="accelerate", oracle_build=small)
def hooked_by_accelerate():
    """accelerate's `add_hook_to_module`, which replaces each forward by a partial."""
    from accelerate.hooks import ModelHook, add_hook_to_module

    model = small()
    for module in (model, model.norm, model.conv2):
        add_hook_to_module(module, ModelHook())
    return model


@register(CONVS)
class OwnCall(Small):
    """Older frameworks override `__call__` to add a mode or a cast."""

    def __call__(self, x, scale=2.0):
        return super().__call__(x) * scale


class _WithGetstate(Small):
    """Small with a custom state: a cache that must not be written to disk."""

    def __init__(self):
        super().__init__()
        self.cache, self.scale = None, 2.0

    def __getstate__(self):
        return {key: value for key, value in vars(self).items() if key != "cache"}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.cache = {}

    def forward(self, x):
        if "bias" not in self.cache:
            self.cache["bias"] = torch.full((), self.scale, dtype=x.dtype)
        return self.top(self.stem(x) * self.cache["bias"])


@register(CONVS)
def pickled():
    """`torch.save(model)` and `torch.load` pass through `__getstate__` and `__setstate__`."""
    return pickle.loads(pickle.dumps(initialised(_WithGetstate())))


@register(CONVS)
def saved_and_loaded():
    """The same through a file, the whole model."""
    file = io.BytesIO()
    torch.save(initialised(_WithGetstate()), file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


@register(("module.conv1", "module.conv2"))
def data_parallel():
    """Models trained on several GPUs are saved inside nn.DataParallel, their layers named `module.…`."""
    return nn.DataParallel(small())


@register(CONVS)
class Functional(Small):
    """`torch.func.functional_call` runs a module with other weights, as meta-learning does."""

    def forward(self, x):
        weights = {name: weight * 1.5 for name, weight in self.head.named_parameters()}
        return torch.func.functional_call(self.head, weights, (self.conv2(self.stem(x)).relu().mean((2, 3)),))


@register(CONVS)
class FunctionalWhole(Small):
    """A stateless call of a whole submodule by its state dict."""

    def __init__(self):
        super().__init__()
        self.body = Small()

    def forward(self, x):
        return self.top(self.stem(x)) + torch.func.functional_call(self.body, dict(self.body.state_dict()), (x,))


@register("conv2")
class Vmapped(Small):
    """`torch.vmap` inside the forward, over images."""

    def forward(self, x):
        maps = self.conv2(self.stem(x))
        return torch.vmap(lambda one: self.head(one.relu().mean((1, 2))))(maps)


@register(("conv2",), oracle_build=lambda: initialised(Vmapped()), error=r"vmap|transform", maps_allowed=True)
class VmappedAroundTheLayer(Small):
    """The layer itself runs under `torch.vmap`: its output is a batched tensor of one image."""

    def forward(self, x):
        maps = self.stem(x)
        return torch.vmap(lambda one: self.head(self.conv2(one[None])[0].relu().mean((1, 2))))(maps)


@register(CONVS)
class CopiesItself(Small):
    """A forward that adapts a copy of a layer, as test-time adaptation does."""

    def forward(self, x):
        adapted = copy.deepcopy(self.norm)
        with torch.no_grad():
            adapted.running_mean += 0.5
        return self.top(adapted(self.conv1(x)).relu())
