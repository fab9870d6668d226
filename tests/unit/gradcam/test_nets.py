"""Networks that engineers bring, each held to independent autograd, compared before and after, run in threads."""

import copy
import gc
import importlib.util
import threading
from collections import deque

import numpy
import pytest
import torch
from nets import CASES
from nets.case import Small, lived_in
from nets.checks import check_maps, check_sentence, check_threads
from nets.found import differences, written_down
from nets.mutants import (
    Honest,
    InTrainingMode,
    KeepsSilent,
    LeavesTheDice,
    RunsTheModelItself,
    SharesBuffers,
    SharesLists,
    SharesOneCopy,
    SplitsTheBatch,
    TakesAnotherClass,
    WritesToTheImages,
)
from nets.oracle import plain_maps
from torch import nn

from gradcam import Explainer, occlusion, suggest_layers

RIGHT = [case for case in CASES if case.sentence is None]
TOLD = [case for case in CASES if case.sentence is not None]
BY_NAME = {case.name: case for case in CASES}


def named(cases):
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case.name.replace(" ", "-"), marks=_marks(case)) for case in cases]
    )


def _marks(case):
    absent = case.needs is not None and importlib.util.find_spec(case.needs) is None
    return [pytest.mark.skipif(absent, reason=f"{case.needs} is not installed")]


@named(RIGHT)
def test_maps_are_the_models_own_and_it_stays_as_found(case):
    check_maps(case)


@named([case for case in RIGHT if not case.alone])
def test_threads_do_not_meet(case):
    check_threads(case)


@named(TOLD)
def test_what_stands_in_the_way_is_one_sentence(case):
    """Where right maps come instead, and may, they are held to all that the others are held to."""
    if not check_sentence(case):
        check_maps(case)
        if not case.alone:
            check_threads(case)


def test_each_case_has_a_name_and_a_reason():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 80
    assert all(case.why and "\n" not in case.why for case in CASES)


MUTANTS = [
    (SharesBuffers, "codebook", check_maps),
    (SharesBuffers, "calls train", check_maps),
    (SharesLists, "appends for ever", check_maps),
    (SharesLists, "appends features", check_threads),
    (InTrainingMode, "ResNet", check_maps),
    (InTrainingMode, "raises in training", check_maps),
    (RunsTheModelItself, "counts in a number", check_maps),
    (RunsTheModelItself, "registers a hook", check_maps),
    (RunsTheModelItself, "ViT", check_maps),
    (SplitsTheBatch, "batch centred", check_maps),
    (SplitsTheBatch, "trains its statistics on six images", check_maps),
    (LeavesTheDice, "monte carlo dropout", check_maps),
    (KeepsSilent, "detached", check_sentence),
    (WritesToTheImages, "in place arithmetic", check_maps),
    (TakesAnotherClass, "one channel", check_maps),
    (SharesOneCopy, "sets an attribute", check_threads),
    (SharesOneCopy, "u net", check_threads),
]


@pytest.mark.parametrize(("mutant", "name", "check"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_the_checks_can_fail(mutant, name, check):
    """Each passes for an honest explainer and fails for one with a fault."""
    check(BY_NAME[name], Honest)
    with pytest.raises((AssertionError, KeyError, RuntimeError, ValueError)):
        check(BY_NAME[name], mutant)


DRAWN_ELSEWHERE = []


def draw_elsewhere():
    """Another thread draws a number while this one waits."""
    thread = threading.Thread(target=lambda: DRAWN_ELSEWHERE.append(torch.randint(2**62, ()).item()))
    thread.start()
    thread.join()


class Interrupted(Small):
    """Small, with another thread at the dice in the middle of its forward."""

    drop = 0.0

    def stem(self, x):
        draw_elsewhere()
        x = nn.functional.dropout(super().stem(x), self.drop, training=True) if self.drop else super().stem(x)
        draw_elsewhere()
        return x


class InterruptedDrawing(Interrupted):
    drop = 0.3


@pytest.mark.parametrize("kind", [Interrupted, InterruptedDrawing])
def test_numbers_that_other_threads_draw_come_once(kind):
    """What the model draws leaves no trace: the numbers are those of a process in which no heatmap was made."""
    explainer, images = Explainer(lived_in(kind()), ["conv1"]), BY_NAME["one channel"].images().expand(-1, 3, -1, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        DRAWN_ELSEWHERE.clear()
        for _ in range(5):
            explainer.explain(images, [0])
        after = torch.get_rng_state()
        torch.manual_seed(11)
        alone = [torch.randint(2**62, ()).item() for _ in DRAWN_ELSEWHERE]
        assert len(alone) >= 10 and alone == DRAWN_ELSEWHERE
        assert torch.equal(after, torch.get_rng_state())


class Scaled(Small):
    """Small, with plain attributes that its forward reads."""

    def __init__(self):
        super().__init__()
        self.scale, self.scales, self.extra = 1.0, [1.0], {"norm": nn.Identity()}
        self.shift, self.array = torch.zeros((), dtype=torch.float64), numpy.ones(1)
        self.members, self.queue, self.settings, self.nested = {1}, deque([1.0]), Settings(), {"a": ([1.0],)}

    def stem(self, x):
        held = len(self.members) + sum(self.queue) + self.settings.factor + sum(self.nested["a"][0]) + self.array[0]
        return self.extra["norm"](super().stem(x) + self.shift) * self.scale * sum(self.scales) * held


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
    "a buffer written to": lambda model: model.norm.running_mean.add_(0.3),
    "a new buffer": lambda model: setattr(model.norm, "running_var", torch.full_like(model.norm.running_var, 3.0)),
    "another layer": lambda model: setattr(model, "conv2", nn.Conv2d(4, 5, 3, dilation=2).double()),
    "another activation": lambda model: setattr(model, "norm", nn.Sequential(model.norm, nn.Tanh())),
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
    "a part of a nested container": lambda model: model.nested["a"][0].append(2.0),
    "pruning": lambda model: nn.utils.prune.l1_unstructured(model.conv1, "weight", amount=0.5),
    "a parametrisation": lambda model: nn.utils.parametrizations.weight_norm(model.head),
    "a forward of the instance": lambda model: setattr(model, "forward", lambda x: Scaled.forward(model, x * 0.5)),
    "a class changed": lambda model: setattr(
        model, "__class__", type("Louder", (Scaled,), {"forward": lambda self, x: self.top(self.stem(x) * 4)})
    ),
    "another precision": lambda model: model.float(),
    "frozen": lambda model: model.requires_grad_(False),
}
ALIKE = [
    CHANGES[name] for name in ("a parametrisation", "another precision", "frozen")
]  # the model says the same as before


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_model_is_explained_as_it_is_now(change):
    """Whatever an explainer may keep between two calls: what was done to the model meanwhile counts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, images = lived_in(Scaled()).eval(), torch.rand(2, 3, 10, 10, dtype=torch.float64)
        explainer = Explainer(model, ["conv1", "conv2"])
        earlier = explainer.explain(images, [0, 3])
        change(model)
        found = explainer.explain(images, [0, 3])
        plain = plain_maps(model.eval(), ["conv1", "conv2"], images.to(model.conv1.weight.dtype), [0, 3])
    torch.testing.assert_close(found.heatmaps.double(), plain.maps["Grad-CAM"], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found.logits.double(), plain.outputs, rtol=1e-4, atol=1e-6)
    assert change in ALIKE or not torch.allclose(earlier.logits.double(), plain.outputs)


class DependsOnThePicture(Small):
    """Small, and a step that only bright pictures take."""

    def step(self, x):
        raise NotImplementedError

    def stem(self, x):
        return self.step(super().stem(x)) if x.mean() > 2 else super().stem(x)


class WritesWhenBright(DependsOnThePicture):
    def step(self, x):
        with torch.no_grad():
            self.conv2.weight.mul_(2)
        return x


class DrawsWhenBright(DependsOnThePicture):
    def step(self, x):
        return x + 0 * torch.rand_like(x)


class GrowsWhenBright(DependsOnThePicture):
    def step(self, x):
        self.brightest = x.amax().detach()
        self.extra = nn.BatchNorm2d(4).to(x.dtype)
        return self.extra(x) + self.brightest


class FreezesWhenBright(DependsOnThePicture):
    def step(self, x):
        self.conv2.weight.requires_grad_(False)
        return x


@pytest.mark.parametrize("kind", DependsOnThePicture.__subclasses__(), ids=lambda kind: kind.__name__)
def test_what_the_first_picture_does_not_show(kind):
    """What an explainer has learned about a model from one picture may be otherwise for the next."""
    dark = BY_NAME["single precision"].images().double()
    bright = dark + 5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = lived_in(kind())
        twins = [copy.deepcopy(model).eval() for _ in range(3)]
        explainer, before = Explainer(model, ["conv1", "conv2"]), written_down(model)
        for images, twin in zip((dark, bright, dark), twins):
            found = explainer.explain(images, [0, 3])
            assert differences(before, written_down(model)) == []
            plain = plain_maps(twin, ["conv1", "conv2"], images, [0, 3])
            before["random state"] = torch.get_rng_state()  # the twin drew, too
            torch.testing.assert_close(found.logits, plain.outputs)
            torch.testing.assert_close(found.heatmaps, plain.maps["Grad-CAM"])


class Refuses(Small):
    """Raises an error of its own, for whoever hands it one image or nine."""

    def top(self, x):
        self.norm.seen = [x]
        if len(x) in (1, 9):
            raise LookupError(f"cannot find a partner for {len(x)} images")
        return super().top(x)


@pytest.mark.parametrize("count", [1, 9])
def test_an_error_of_the_models_own_comes_through(count):
    """As the model itself would raise it for these images, and the model stays as found and usable."""
    model = lived_in(Refuses())
    images, before = torch.rand(count, 3, 10, 10), written_down(model)
    with pytest.raises(LookupError, match=f"a partner for {count} images"):
        Explainer(model, "conv2").explain(images, [0])
    assert differences(before, written_down(model)) == []
    assert Explainer(model, "conv2").explain(images[:1].expand(2, -1, -1, -1), [0]).heatmaps.shape == (2, 1, 1, 10, 10)


ENTRANCES = {
    "suggest_layers": lambda model, images: suggest_layers(model, images),
    "Ablation-CAM": lambda model, images: Explainer(model, "conv2").explain(images, [0], "Ablation-CAM"),
    "Score-CAM": lambda model, images: Explainer(model, "conv2").explain(images, [0], "Score-CAM"),
    "occlusion": lambda model, images: occlusion(model, images[0], 0, patch=5, stride=5),
}
WITH_MEMORIES = [
    "appends for ever",
    "ring buffer",
    "calls train",
    "writes to a parameter",
    "lambda",
    "in place arithmetic",
    "backward hooks",
]


@pytest.mark.parametrize("name", WITH_MEMORIES)
@pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)
def test_every_entrance_leaves_the_model_as_found(enter, name):
    model, images = BY_NAME[name].make(), BY_NAME[name].images()[:2]
    before, given = written_down(model), images.clone()
    enter(model, images)
    assert differences(before, written_down(model)) == []
    assert torch.equal(images, given)


IN_CIRCLES = [
    "partial of a method",
    "lambda",
    "knows its parent",
    "knows its parent by attribute",
    "forward wrapped",
    "hook that is a method of the model",
]


@pytest.mark.parametrize("name", IN_CIRCLES)
def test_calls_leave_nothing_for_the_garbage_collector(name):
    """A model that refers to itself makes copies that refer to themselves: whoever makes them takes them apart."""
    case = BY_NAME[name]
    explainer, images = Explainer(case.make(), list(case.layers)), case.images()

    def new_tensors_after(calls):
        for _ in range(calls):
            explainer.explain(images, [0])
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects(generation=0))

    new_tensors_after(2)
    gc.collect()  # what is there now is old
    gc.disable()
    try:
        assert new_tensors_after(1) >= new_tensors_after(5)
    finally:
        gc.enable()


def test_a_deep_copy_is_explained_alike():
    """An explained model can still be copied, pickled by its state, and asked again."""
    case = BY_NAME["hook that is a method of the model"]
    model, images = BY_NAME["u net"].make(), case.images()
    first = Explainer(model, "bottom").explain(images, [0]).heatmaps
    assert torch.equal(first, Explainer(copy.deepcopy(model), "bottom").explain(images, [0]).heatmaps)
