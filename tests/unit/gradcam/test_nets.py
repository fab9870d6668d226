"""Every case of `nets`: maps against independent autograd, model state before and after, calls in threads."""

import copy
import gc
import importlib.util
import threading
from collections import deque

import numpy as np
import pytest
import torch
from nets import CASES
from nets.case import Small, initialised
from nets.checks import check_error, check_maps, check_threads
from nets.faulty_explainers import (
    Correct,
    ExplainsTheNextClass,
    InTrainingMode,
    PassesTheCallersImages,
    ReturnsZerosWithoutGradient,
    RunsTheModelItself,
    SharesBuffers,
    SharesLists,
    SharesOneCopy,
    SplitsTheBatch,
    UsesGlobalRandomState,
)
from nets.oracle import plain_maps
from nets.snapshot import differences, snapshot
from torch import nn

from gradcam import Explainer, occlusion, suggest_layers

WITHOUT_ERROR = [case for case in CASES if case.error is None]
WITH_ERROR = [case for case in CASES if case.error is not None]
BY_NAME = {case.name: case for case in CASES}


def parametrize_cases(cases):
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case.name.replace(" ", "-"), marks=_marks(case)) for case in cases]
    )


def _marks(case):
    absent = case.requires is not None and importlib.util.find_spec(case.requires) is None
    return [pytest.mark.skipif(absent, reason=f"{case.requires} is not installed")]


@parametrize_cases(WITHOUT_ERROR)
def test_maps_equal_the_oracle_and_the_model_is_unchanged(case):
    check_maps(case)


@parametrize_cases([case for case in WITHOUT_ERROR if not case.process_wide])
def test_threads_get_their_own_results(case):
    check_threads(case)


@parametrize_cases(WITH_ERROR)
def test_obstacles_raise_a_clear_error(case):
    """Where maps are returned instead, and are allowed, the checks of the other cases apply."""
    if not check_error(case):
        check_maps(case)
        if not case.process_wide:
            check_threads(case)


def test_cases_have_a_unique_name_and_a_reason():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 80
    assert all(case.reason and "\n" not in case.reason for case in CASES)


FAULTS = [
    (SharesBuffers, "codebook", check_maps),
    (SharesBuffers, "calls train", check_maps),
    (SharesLists, "appends without clearing", check_maps),
    (SharesLists, "appends features", check_threads),
    (InTrainingMode, "ResNet", check_maps),
    (InTrainingMode, "raises in training", check_maps),
    (RunsTheModelItself, "counts in a number", check_maps),
    (RunsTheModelItself, "registers a hook", check_maps),
    (RunsTheModelItself, "ViT", check_maps),
    (SplitsTheBatch, "batch centred", check_maps),
    (SplitsTheBatch, "batch statistics in eval of six images", check_maps),
    (UsesGlobalRandomState, "monte carlo dropout", check_maps),
    (ReturnsZerosWithoutGradient, "detached", check_error),
    (PassesTheCallersImages, "in place arithmetic", check_maps),
    (ExplainsTheNextClass, "one channel", check_maps),
    (SharesOneCopy, "sets an attribute", check_threads),
    (SharesOneCopy, "U-Net", check_threads),
]


@pytest.mark.parametrize(("faulty", "name", "check"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_checks_fail_for_faulty_explainers(faulty, name, check):
    """Each check passes for a correct explainer and fails for a faulty one."""
    check(BY_NAME[name], Correct)
    with pytest.raises((AssertionError, KeyError, RuntimeError, ValueError)):
        check(BY_NAME[name], faulty)


DRAWN_BY_OTHERS = []


def draw_in_another_thread():
    """Another thread draws a random number while this one waits."""
    thread = threading.Thread(target=lambda: DRAWN_BY_OTHERS.append(torch.randint(2**62, ()).item()))
    thread.start()
    thread.join()


class Interrupted(Small):
    """Small; another thread draws random numbers in the middle of its forward."""

    dropout_rate = 0.0

    def stem(self, x):
        draw_in_another_thread()
        x = super().stem(x)
        if self.dropout_rate:
            x = nn.functional.dropout(x, self.dropout_rate, training=True)
        draw_in_another_thread()
        return x


class InterruptedWithDropout(Interrupted):
    dropout_rate = 0.3


@pytest.mark.parametrize("kind", [Interrupted, InterruptedWithDropout])
def test_random_numbers_of_other_threads_are_unaffected(kind):
    """The model's draws leave no trace: other threads draw the numbers of a process that explains nothing."""
    explainer, images = Explainer(initialised(kind()), ["conv1"]), BY_NAME["one channel"].images().expand(-1, 3, -1, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        DRAWN_BY_OTHERS.clear()
        for _ in range(5):
            explainer.explain(images, [0])
        after = torch.get_rng_state()
        torch.manual_seed(11)
        expected = [torch.randint(2**62, ()).item() for _ in DRAWN_BY_OTHERS]
        assert len(expected) >= 10 and expected == DRAWN_BY_OTHERS
        assert torch.equal(after, torch.get_rng_state())


class Scaled(Small):
    """Small, with plain attributes that its forward reads."""

    def __init__(self):
        super().__init__()
        self.scale, self.scales, self.extra = 1.0, [1.0], {"norm": nn.Identity()}
        self.shift, self.array = torch.zeros((), dtype=torch.float64), np.ones(1)
        self.members, self.queue, self.settings, self.nested = {1}, deque([1.0]), Settings(), {"a": ([1.0],)}

    def stem(self, x):
        total = len(self.members) + sum(self.queue) + self.settings.factor + sum(self.nested["a"][0]) + self.array[0]
        return self.extra["norm"](super().stem(x) + self.shift) * self.scale * sum(self.scales) * total


class Settings:
    factor = 1.0


def _train_a_step(model):
    optimiser = torch.optim.SGD(model.parameters(), 0.5)
    model(torch.rand(4, 3, 10, 10, dtype=torch.float64)).pow(2).sum().backward()
    optimiser.step()


CHANGES = {
    "a training step": _train_a_step,
    "other weights": lambda model: model.load_state_dict(
        {name: value * 1.5 for name, value in model.state_dict().items()}
    ),
    "new data in a weight": lambda model: setattr(model.conv2.weight, "data", torch.rand_like(model.conv2.weight)),
    "a new weight": lambda model: setattr(model.conv2, "weight", nn.Parameter(torch.rand_like(model.conv2.weight))),
    "a buffer modified in place": lambda model: model.norm.running_mean.add_(0.3),
    "a new buffer": lambda model: setattr(model.norm, "running_var", torch.full_like(model.norm.running_var, 3.0)),
    "a replaced layer": lambda model: setattr(model, "conv2", nn.Conv2d(4, 5, 3, dilation=2).double()),
    "an added activation": lambda model: setattr(model, "norm", nn.Sequential(model.norm, nn.Tanh())),
    "a hook": lambda model: model.norm.register_forward_hook(lambda module, args, output: output * 2),
    "a pre-hook": lambda model: model.register_forward_pre_hook(lambda module, args: (args[0] * 2,)),
    "a setting of a layer": lambda model: setattr(model.conv2, "padding", (1, 1)),
    "a plain attribute": lambda model: setattr(model, "scale", 3.0),
    "a plain list": lambda model: model.scales.append(2.0),
    "a module in a plain dict": lambda model: model.extra.update(norm=nn.Tanh()),
    "a plain tensor": lambda model: model.shift.add_(1),
    "a numpy array": lambda model: model.array.__setitem__(0, 3.0),
    "a set": lambda model: model.members.add(7),
    "a queue": lambda model: model.queue.append(2.0),
    "an object's attribute": lambda model: setattr(model.settings, "factor", 4.0),
    "an item of a nested container": lambda model: model.nested["a"][0].append(2.0),
    "pruning": lambda model: nn.utils.prune.l1_unstructured(model.conv1, "weight", amount=0.5),
    "a parametrisation": lambda model: nn.utils.parametrizations.weight_norm(model.head),
    "a forward on the instance": lambda model: setattr(model, "forward", lambda x: Scaled.forward(model, x * 0.5)),
    "a changed class": lambda model: setattr(
        model, "__class__", type("Louder", (Scaled,), {"forward": lambda self, x: self.top(self.stem(x) * 4)})
    ),
    "another precision": lambda model: model.float(),
    "frozen": lambda model: model.requires_grad_(False),
}
# changes that leave the outputs as they were
SAME_OUTPUTS = [CHANGES[name] for name in ("a parametrisation", "another precision", "frozen")]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changes_to_the_model_between_calls_take_effect(change):
    """Whatever an explainer caches between two calls, changes made to the model in between are respected."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, images = initialised(Scaled()).eval(), torch.rand(2, 3, 10, 10, dtype=torch.float64)
        explainer = Explainer(model, ["conv1", "conv2"])
        earlier = explainer.explain(images, [0, 3])
        change(model)
        explanation = explainer.explain(images, [0, 3])
        expected = plain_maps(model.eval(), ["conv1", "conv2"], images.to(model.conv1.weight.dtype), [0, 3])
    torch.testing.assert_close(explanation.heatmaps.double(), expected.maps["Grad-CAM"], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(explanation.logits.double(), expected.outputs, rtol=1e-4, atol=1e-6)
    assert change in SAME_OUTPUTS or not torch.allclose(earlier.logits.double(), expected.outputs)


class DependsOnTheImage(Small):
    """Small, with a step that only bright images take."""

    def step(self, x):
        raise NotImplementedError

    def stem(self, x):
        return self.step(super().stem(x)) if x.mean() > 2 else super().stem(x)


class WritesWhenBright(DependsOnTheImage):
    def step(self, x):
        with torch.no_grad():
            self.conv2.weight.mul_(2)
        return x


class DrawsWhenBright(DependsOnTheImage):
    def step(self, x):
        return x + 0 * torch.rand_like(x)


class GrowsWhenBright(DependsOnTheImage):
    def step(self, x):
        self.brightest = x.amax().detach()
        self.extra = nn.BatchNorm2d(4).to(x.dtype)
        return self.extra(x) + self.brightest


class FreezesWhenBright(DependsOnTheImage):
    def step(self, x):
        self.conv2.weight.requires_grad_(False)
        return x


@pytest.mark.parametrize("kind", DependsOnTheImage.__subclasses__(), ids=lambda kind: kind.__name__)
def test_behaviour_that_depends_on_the_image_is_followed(kind):
    """What an explainer has cached about a model from one image may not hold for the next."""
    dark = BY_NAME["single precision"].images().double()
    bright = dark + 5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = initialised(kind())
        copies = [copy.deepcopy(model).eval() for _ in range(3)]
        explainer, before = Explainer(model, ["conv1", "conv2"]), snapshot(model)
        for images, oracle_copy in zip((dark, bright, dark), copies):
            explanation = explainer.explain(images, [0, 3])
            assert differences(before, snapshot(model)) == []
            expected = plain_maps(oracle_copy, ["conv1", "conv2"], images, [0, 3])
            before["random state"] = torch.get_rng_state()  # the copy drew as well
            torch.testing.assert_close(explanation.logits, expected.outputs)
            torch.testing.assert_close(explanation.heatmaps, expected.maps["Grad-CAM"])


class RaisesItsOwnError(Small):
    """Raises its own error for a batch of one or nine images."""

    def top(self, x):
        self.norm.seen = [x]
        if len(x) in (1, 9):
            raise LookupError(f"cannot find a partner for {len(x)} images")
        return super().top(x)


@pytest.mark.parametrize("count", [1, 9])
def test_errors_raised_by_the_model_are_propagated(count):
    """As the model would raise it for these images; the model stays unchanged and usable."""
    model = initialised(RaisesItsOwnError())
    images, before = torch.rand(count, 3, 10, 10), snapshot(model)
    with pytest.raises(LookupError, match=f"a partner for {count} images"):
        Explainer(model, "conv2").explain(images, [0])
    assert differences(before, snapshot(model)) == []
    assert Explainer(model, "conv2").explain(images[:1].expand(2, -1, -1, -1), [0]).heatmaps.shape == (2, 1, 1, 10, 10)


ENTRY_POINTS = {
    "suggest_layers": suggest_layers,
    "Ablation-CAM": lambda model, images: Explainer(model, "conv2").explain(images, [0], "Ablation-CAM"),
    "Score-CAM": lambda model, images: Explainer(model, "conv2").explain(images, [0], "Score-CAM"),
    "occlusion": lambda model, images: occlusion(model, images[0], 0, patch=5, stride=5),
}
STATEFUL = [
    "appends without clearing",
    "ring buffer",
    "calls train",
    "writes to a parameter",
    "lambda",
    "in place arithmetic",
    "backward hooks",
]


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("call", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_every_entry_point_leaves_the_model_unchanged(call, name):
    model, images = BY_NAME[name].make(), BY_NAME[name].images()[:2]
    before, images_before = snapshot(model), images.clone()
    call(model, images)
    assert differences(before, snapshot(model)) == []
    assert torch.equal(images, images_before)


SELF_REFERENCING = [
    "partial of a method",
    "lambda",
    "refers to its parent",
    "refers to its parent by attribute",
    "forward wrapped",
    "hook that is a method of the model",
]


@pytest.mark.parametrize("name", SELF_REFERENCING)
def test_calls_leave_no_reference_cycles(name):
    """Copies of a model that refers to itself do so as well: the explainer breaks their cycles."""
    case = BY_NAME[name]
    explainer, images = Explainer(case.make(), list(case.layers)), case.images()

    def new_tensors_after(calls):
        for _ in range(calls):
            explainer.explain(images, [0])
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects(generation=0))

    new_tensors_after(2)
    gc.collect()  # moves all present objects to the oldest generation
    gc.disable()
    try:
        assert new_tensors_after(1) >= new_tensors_after(5)
    finally:
        gc.enable()


def test_a_deep_copy_gets_the_same_heatmaps():
    """An explained model can still be deep-copied and explained again."""
    case = BY_NAME["hook that is a method of the model"]
    model, images = BY_NAME["U-Net"].make(), case.images()
    first = Explainer(model, "bottom").explain(images, [0]).heatmaps
    assert torch.equal(first, Explainer(copy.deepcopy(model), "bottom").explain(images, [0]).heatmaps)
