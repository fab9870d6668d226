"""Hooks registered on the model, global hooks, and forwards with unusual signatures or outputs."""

import functools
import threading
from contextlib import contextmanager

import torch
from torch import nn

from .case import CONVS, Small, initialised, register, register_variant, small, wait_for_threads


@register(CONVS)
def forward_hook_that_changes_the_output():
    """Steering, clamping, feature editing: a forward hook whose return value replaces the output; part of the model."""
    model = small()
    model.norm.register_forward_hook(lambda module, args, output: output * 2)
    model.conv2.register_forward_hook(lambda module, args, output: output.tanh())
    model.register_forward_hook(lambda module, args, output: output * 3)
    return model


@register(CONVS)
def forward_hook_with_keywords():
    """Hooks registered with `with_kwargs=True`, `prepend=True` and `always_call=True`."""
    model = small()
    model.norm.register_forward_hook(lambda module, args, kwargs, output: output * 2, with_kwargs=True)
    model.norm.register_forward_hook(lambda module, args, output: output + 1, prepend=True)
    model.conv2.register_forward_hook(lambda module, args, output: None, always_call=True)
    return model


@register(CONVS)
def forward_pre_hook():
    """Normalisation of the input as a pre-hook, plain and with keywords."""
    model = small()
    model.register_forward_pre_hook(lambda module, args: ((args[0] - 0.5) * 2,))
    model.conv2.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] + 1,), kwargs), with_kwargs=True)
    return model


@register(CONVS)
def hook_that_closes_over_the_model():
    """A hook that calls another layer of the same model."""
    model = small()
    model.conv2.register_forward_hook(
        lambda module, args, output: output * model.norm.weight.mean() + model.norm(args[0]).mean()
    )
    return model


@register(CONVS)
def hook_that_is_a_method_of_the_model():
    """`self.conv2.register_forward_hook(self._save)` in the constructor, and the forward reads what was saved."""

    class SavesOutputs(Small):
        def __init__(self):
            super().__init__()
            self.saved = None
            self.conv1.register_forward_hook(self._save)

        def _save(self, module, args, output):
            self.saved = output

        def forward(self, x):
            return super().forward(x) + self.saved.mean((2, 3))

    return initialised(SavesOutputs())


@register(CONVS)
def hooks_that_are_partials_and_objects():
    """`functools.partial(self._save, name=…)` as a hook, and a callable object that records outputs."""

    class Recorder:
        def __init__(self):
            self.outputs = {}

        def __call__(self, module, args, output):
            self.outputs["last"] = output

    class SavesOutputs(Small):
        def __init__(self):
            super().__init__()
            self.saved, self.recorder = {}, Recorder()
            self.conv1.register_forward_hook(functools.partial(self._save, name="conv1"))
            self.norm.register_forward_hook(self.recorder)

        def _save(self, module, args, output, name):
            self.saved[name] = output

        def forward(self, x):
            logits = super().forward(x)
            wait_for_threads()
            return logits + self.saved["conv1"].mean((2, 3)) + self.recorder.outputs["last"].mean((2, 3))

    return initialised(SavesOutputs())


@register((("conv1", 0), ("conv2", 0)))
def hook_removed_by_its_handle():
    """A warm-up hook whose handle the model keeps and removes in its first forward."""

    class RemovesItsHook(Small):
        def __init__(self):
            super().__init__()
            self.handle = self.norm.register_forward_hook(lambda module, args, output: output * 2)

        def forward(self, x):
            logits = super().forward(x)
            self.handle.remove()
            return logits + super().forward(x[:, :, 1:, 1:]).detach()

    return initialised(RemovesItsHook())


@register((("conv1", 0), ("conv2", 0)))
class HookForOneForward(Small):
    """A hook registered and removed within the forward: attention maps, probes."""

    def forward(self, x):
        seen = []
        handle = self.norm.register_forward_hook(lambda module, args, output: seen.append(output.mean()))
        try:
            return super().forward(x) + self.head(self.conv2(self.stem(x)).mean((2, 3))) * seen[-1]
        finally:
            handle.remove()


@register(CONVS)
def feature_extractor_by_hooks():
    """Hooks that leave each layer's output in a dict, which the head reads — before any hook of the explainer runs."""

    class Extractor(Small):
        def __init__(self):
            super().__init__()
            self.features = {}
            for name in ("norm", "conv2"):
                self.get_submodule(name).register_forward_hook(self.save(name))

        def save(self, name):
            def hook(module, args, output):
                self.features[name] = output
                wait_for_threads()

            return hook

        def forward(self, x):
            self.stem(x)
            self.conv2(self.features["norm"].relu())
            return self.head(self.features["conv2"].mean((2, 3)))

    return initialised(Extractor())


@register(CONVS, oracle_build=small)
def backward_hooks():
    """Full backward hooks and pre-hooks of a training loop, which log and change gradients: not to be run."""
    model = small()
    seen = model.seen = []
    model.conv2.register_full_backward_hook(
        lambda module, into, out: seen.append("full") or tuple(None if g is None else g * 5 for g in into)
    )
    model.head.register_full_backward_pre_hook(lambda module, out: seen.append("pre") or tuple(g * 7 for g in out))
    return model


@register(CONVS)
def hooks_of_its_state_dict():
    """State-dict hooks that rename keys, and load hooks."""
    model = small()
    model.register_state_dict_post_hook(
        lambda module, state, prefix, metadata: state.update(extra=torch.zeros(1)) or state
    )
    model.register_load_state_dict_post_hook(lambda module, keys: None)
    model.norm.register_state_dict_pre_hook(lambda module, prefix, save: None)
    return model


@register(CONVS)
class ExtraState(Small):
    """`get_extra_state` and `set_extra_state`, for state that is not a tensor."""

    def __init__(self):
        super().__init__()
        self.vocabulary = {"a": 2.0}

    def get_extra_state(self):
        return self.vocabulary

    def set_extra_state(self, state):
        self.vocabulary = state

    def stem(self, x):
        return super().stem(x) * self.vocabulary["a"]


_active = []  # the hook, then one entry per active context below, in any thread


@contextmanager
def _global_batch_norm_hook():
    """A context with a global forward hook on every BatchNorm: one hook, however many threads are in the context."""
    with _LOCK:
        if not _active:
            _active.append(nn.modules.module.register_module_forward_hook(_double_norms))
        _active.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _active.pop()
            if len(_active) == 1:
                _active.pop().remove()


_LOCK = threading.Lock()


def _double_norms(module, args, output):
    return output * 2 if isinstance(module, nn.BatchNorm2d) else None


class _Doubled(Small):
    def stem(self, x):
        return (self.norm(self.conv1(x)) * 2).relu()


@register(CONVS, context=_global_batch_norm_hook, oracle_build=lambda: initialised(_Doubled()))
def global_hook():
    """Profilers and debuggers hook every module of the process."""
    return small()


@register(CONVS)
class AnyArguments(Small):
    """`forward(*args, **kwargs)`: wrappers that pass on all arguments."""

    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs)


@register(CONVS)
class ExtraDefaults(Small):
    """Further arguments with defaults: masks, flags, labels."""

    def forward(self, pixel_values, labels=None, *, scale=2.0, return_dict=True, **unused):
        logits = super().forward(pixel_values) * scale
        return {"logits": logits, "loss": None} if return_dict else (None, logits)


@register(CONVS)
class TupleOutput(Small):
    """A tuple, logits first: with auxiliary heads, with features, with a loss."""

    def forward(self, x):
        maps = self.stem(x)
        return self.top(maps), maps.mean(), [maps]


@register(CONVS)
class NestedTupleOutput(Small):
    """A list with the logits first."""

    def forward(self, x):
        return [super().forward(x)]


@register(CONVS, error=r"logits")
class OutputWithoutLogits(Small):
    """A dict of losses and boxes, without logits."""

    def forward(self, x):
        return {"boxes": super().forward(x)}


@register(CONVS, error=r"call|callable|\[B, N\]|shape", shape=(2, 3, 10, 10))
class OneNumberPerImage(Small):
    """A regressor with outputs [B], explained for class 0."""

    def forward(self, x):
        return super().forward(x)[:, 0]


register_variant(
    name="one number per image, callable target",
    error=None,
    targets=(lambda outputs: outputs * 2, lambda outputs: -outputs),
)


@register(
    ("conv1", "last"), targets=(lambda maps: maps[:, 1, 2:5, 2:5].sum((1, 2)), lambda maps: maps[:, 0].amax((1, 2)))
)
class Segmentation(Small):
    """A segmenter, [B, N, H, W]; callable targets select a class in a region and its strongest pixel."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(5, 4, 1)

    def top(self, x):
        return nn.functional.interpolate(self.last(self.conv2(x).relu()), scale_factor=2.0, mode="bilinear")


@register((("conv1", 0), ("conv2", 1)), error=r"complex|real")
class ComplexOutputs(Small):
    """Complex logits: a spectral head without a final real part."""

    def forward(self, x):
        return torch.complex(super().forward(x), super().forward(x))


register_variant(
    name="complex outputs, target their magnitude", targets=(lambda outputs: outputs[:, 1].abs(),), maps_allowed=True
)


@register(CONVS)
class ComplexInside(Small):
    """A Fourier transform inside, real logits outside."""

    def stem(self, x):
        return torch.fft.ifft2(
            torch.fft.fft2(super().stem(x)) * torch.fft.fft2(self.norm.weight.expand(8, 8, 4).movedim(-1, 0))
        ).real


@register(CONVS, error=r"gradient|integer|floating|dtype|whole")
class IntegerOutputs(Small):
    """A model that returns its decision, `argmax`, or integer counts."""

    def forward(self, x):
        return nn.functional.one_hot(super().forward(x).argmax(1), 4)
