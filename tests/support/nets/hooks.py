"""Hooks that the model brings along, hooks of the whole process, and forwards with unusual signatures."""

import functools
import threading
from contextlib import contextmanager

import torch
from torch import nn

from .case import BOTH, Small, also, lived_in, meet, network, small


@network(BOTH)
def forward_hook_that_changes_the_output():
    """Steering, clamping, feature editing: a forward hook whose answer replaces the output. It is part of the model."""
    model = small()
    model.norm.register_forward_hook(lambda module, args, output: output * 2)
    model.conv2.register_forward_hook(lambda module, args, output: output.tanh())
    model.register_forward_hook(lambda module, args, output: output * 3)
    return model


@network(BOTH)
def forward_hook_with_keywords():
    """Hooks registered with `with_kwargs=True`, `prepend=True` and `always_call=True`."""
    model = small()
    model.norm.register_forward_hook(lambda module, args, kwargs, output: output * 2, with_kwargs=True)
    model.norm.register_forward_hook(lambda module, args, output: output + 1, prepend=True)
    model.conv2.register_forward_hook(lambda module, args, output: None, always_call=True)
    return model


@network(BOTH)
def forward_pre_hook():
    """Normalisation of the input as a pre-hook, plain and with keywords."""
    model = small()
    model.register_forward_pre_hook(lambda module, args: ((args[0] - 0.5) * 2,))
    model.conv2.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] + 1,), kwargs), with_kwargs=True)
    return model


@network(BOTH)
def hook_that_closes_over_the_model():
    """A hook that reaches for another layer of the same model."""
    model = small()
    model.conv2.register_forward_hook(
        lambda module, args, output: output * model.norm.weight.mean() + model.norm(args[0]).mean()
    )
    return model


@network(BOTH)
def hook_that_is_a_method_of_the_model():
    """`self.conv2.register_forward_hook(self._save)` in the constructor, and the forward reads what was saved."""

    class Saves(Small):
        def __init__(self):
            super().__init__()
            self.saved = None
            self.conv1.register_forward_hook(self._save)

        def _save(self, module, args, output):
            self.saved = output

        def forward(self, x):
            return super().forward(x) + self.saved.mean((2, 3))

    return lived_in(Saves())


@network(BOTH)
def hooks_that_are_partials_and_objects():
    """`functools.partial(self._save, name=…)` as a hook, and a callable object that keeps what it saw."""

    class Keeper:
        def __init__(self):
            self.kept = {}

        def __call__(self, module, args, output):
            self.kept["last"] = output

    class Saves(Small):
        def __init__(self):
            super().__init__()
            self.saved, self.keeper = {}, Keeper()
            self.conv1.register_forward_hook(functools.partial(self._save, name="conv1"))
            self.norm.register_forward_hook(self.keeper)

        def _save(self, module, args, output, name):
            self.saved[name] = output

        def forward(self, x):
            logits = super().forward(x)
            meet()
            return logits + self.saved["conv1"].mean((2, 3)) + self.keeper.kept["last"].mean((2, 3))

    return lived_in(Saves())


@network((("conv1", 0), ("conv2", 0)))
def hook_removed_by_its_handle():
    """A warm-up hook whose handle the model keeps, and removes in its first forward."""

    class WarmsUp(Small):
        def __init__(self):
            super().__init__()
            self.handle = self.norm.register_forward_hook(lambda module, args, output: output * 2)

        def forward(self, x):
            logits = super().forward(x)
            self.handle.remove()
            return logits + super().forward(x[:, :, 1:, 1:]).detach()

    return lived_in(WarmsUp())


@network((("conv1", 0), ("conv2", 0)))
class HookForOneForward(Small):
    """A hook registered and removed within the forward: attention maps, probes."""

    def forward(self, x):
        seen = []
        handle = self.norm.register_forward_hook(lambda module, args, output: seen.append(output.mean()))
        try:
            return super().forward(x) + self.head(self.conv2(self.stem(x)).mean((2, 3))) * seen[-1]
        finally:
            handle.remove()


@network(BOTH)
def feature_extractor_by_hooks():
    """Hooks that leave each layer's output in a dict, from which the head is fed — before any hook of ours runs."""

    class Extractor(Small):
        def __init__(self):
            super().__init__()
            self.features = {}
            for name in ("norm", "conv2"):
                self.get_submodule(name).register_forward_hook(self.keep(name))

        def keep(self, name):
            def hook(module, args, output):
                self.features[name] = output
                meet()

            return hook

        def forward(self, x):
            self.stem(x)
            self.conv2(self.features["norm"].relu())
            return self.head(self.features["conv2"].mean((2, 3)))

    return lived_in(Extractor())


@network(BOTH, plain=small)
def backward_hooks():
    """Full backward hooks and pre-hooks of a training loop, which log and change gradients: not ours to run."""
    model = small()
    seen = model.seen = []
    model.conv2.register_full_backward_hook(
        lambda module, into, out: seen.append("full") or tuple(None if g is None else g * 5 for g in into)
    )
    model.head.register_full_backward_pre_hook(lambda module, out: seen.append("pre") or tuple(g * 7 for g in out))
    return model


@network(BOTH)
def hooks_of_its_state_dict():
    """State-dict hooks that rename keys, and load hooks."""
    model = small()
    model.register_state_dict_post_hook(
        lambda module, state, prefix, metadata: state.update(extra=torch.zeros(1)) or state
    )
    model.register_load_state_dict_post_hook(lambda module, keys: None)
    model.norm.register_state_dict_pre_hook(lambda module, prefix, keep: None)
    return model


@network(BOTH)
class ExtraState(Small):
    """`get_extra_state` and `set_extra_state`, for what is no tensor."""

    def __init__(self):
        super().__init__()
        self.vocabulary = {"a": 2.0}

    def get_extra_state(self):
        return self.vocabulary

    def set_extra_state(self, state):
        self.vocabulary = state

    def stem(self, x):
        return super().stem(x) * self.vocabulary["a"]


_inside = []  # who is in the context below, whichever thread


@contextmanager
def _globally():
    """A context in which a global forward hook follows every BatchNorm: one hook, however many are inside."""
    with _LOCK:
        if not _inside:
            _inside.append(nn.modules.module.register_module_forward_hook(_double_norms))
        _inside.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _inside.pop()
            if len(_inside) == 1:
                _inside.pop().remove()


_LOCK = threading.Lock()


def _double_norms(module, args, output):
    return output * 2 if isinstance(module, nn.BatchNorm2d) else None


class _Doubled(Small):
    def stem(self, x):
        return (self.norm(self.conv1(x)) * 2).relu()


@network(BOTH, around=_globally, plain=lambda: lived_in(_Doubled()))
def global_hook():
    """Profilers and debuggers hook every module of the process."""
    return small()


@network(BOTH)
class AnyArguments(Small):
    """`forward(*args, **kwargs)`: wrappers that hand on whatever comes."""

    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs)


@network(BOTH)
class ExtraDefaults(Small):
    """Further arguments with defaults: masks, flags, labels."""

    def forward(self, pixel_values, labels=None, *, scale=2.0, return_dict=True, **unused):
        logits = super().forward(pixel_values) * scale
        return {"logits": logits, "loss": None} if return_dict else (None, logits)


@network(BOTH)
class TupleOutput(Small):
    """A tuple, logits first: with auxiliary heads, with features, with a loss."""

    def forward(self, x):
        maps = self.stem(x)
        return self.top(maps), maps.mean(), [maps]


@network(BOTH)
class NestedTupleOutput(Small):
    """A list with the logits first."""

    def forward(self, x):
        return [super().forward(x)]


@network(BOTH, sentence=r"logits")
class OutputWithoutLogits(Small):
    """A dict of losses and boxes, in which no logits can be found."""

    def forward(self, x):
        return {"boxes": super().forward(x)}


@network(BOTH, sentence=r"call|callable|\[B, N\]|shape", shape=(2, 3, 10, 10))
class OneNumberPerImage(Small):
    """A regressor that puts out [B], asked for class 0."""

    def forward(self, x):
        return super().forward(x)[:, 0]


also(
    name="one number per image, by a callable",
    sentence=None,
    targets=(lambda outputs: outputs * 2, lambda outputs: -outputs),
)


@network(
    ("conv1", "last"), targets=(lambda maps: maps[:, 1, 2:5, 2:5].sum((1, 2)), lambda maps: maps[:, 0].amax((1, 2)))
)
class Segmentation(Small):
    """A segmenter, [B, N, H, W], asked by callables for a class in a region and for its strongest pixel."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(5, 4, 1)

    def top(self, x):
        return nn.functional.interpolate(self.last(self.conv2(x).relu()), scale_factor=2.0, mode="bilinear")


@network((("conv1", 0), ("conv2", 1)), sentence=r"complex|real")
class ComplexOutputs(Small):
    """Complex logits: a spectral head that was never brought back to the reals."""

    def forward(self, x):
        return torch.complex(super().forward(x), super().forward(x))


also(name="complex outputs, asked for their size", targets=(lambda outputs: outputs[:, 1].abs(),), or_right=True)


@network(BOTH)
class ComplexInside(Small):
    """A Fourier transform inside, real logits outside."""

    def stem(self, x):
        return torch.fft.ifft2(
            torch.fft.fft2(super().stem(x)) * torch.fft.fft2(self.norm.weight.expand(8, 8, 4).movedim(-1, 0))
        ).real


@network(BOTH, sentence=r"gradient|integer|floating|dtype|whole")
class IntegerOutputs(Small):
    """A model that puts out its decision, `argmax`, or integer counts."""

    def forward(self, x):
        return nn.functional.one_hot(super().forward(x).argmax(1), 4)
