"""Safety with any CNN: output types, precisions, memory layouts, threads, memory limits and leaks."""

import gc
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import torch
from plain_grad_cam import assert_same_state, model_state
from torch import nn

from gradcam import METHODS, Explainer, cascading_randomisation, guided_backpropagation, memory
from gradcam.memory import require

WITHOUT_CAM = [name for name in METHODS if name != "CAM"]


class StatefulAndRandom(nn.Module):
    """Counts in a buffer, draws random numbers in eval mode, and has batch statistics."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x = torch.relu(self.norm(self.conv(x)))
        return self.head(nn.functional.dropout(x, 0.1, training=True).mean((2, 3)))


@pytest.mark.parametrize("method", WITHOUT_CAM)
def test_every_method_leaves_the_model_and_the_random_state_unchanged(method, images):
    model = StatefulAndRandom().train()
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    before, rng = model_state(model), torch.get_rng_state()
    Explainer(model).explain(images, [0, 1], method)
    assert_same_state(before, model_state(model))
    assert torch.equal(rng, torch.get_rng_state())


def test_guided_backpropagation_and_failing_targets_leave_the_model_unchanged(images):
    model = StatefulAndRandom().train()
    before, rng = model_state(model), torch.get_rng_state()
    guided_backpropagation(model, images, [0])
    with pytest.raises(ZeroDivisionError):
        Explainer(model).explain(images, lambda outputs: 1 / 0)
    assert_same_state(before, model_state(model))
    assert torch.equal(rng, torch.get_rng_state())


def with_output_type(network, kind):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            logits = self.network(x)
            return {
                "tuple": lambda: (logits, x),
                "list": lambda: [logits],
                "dict": lambda: {"features": x, "logits": logits},
                "segmentation dict": lambda: {"aux": x, "out": logits},
                "object": lambda: Output(logits),
            }[kind]()

    return Wrapped()


@dataclass
class Output:
    logits: torch.Tensor


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "segmentation dict", "object"])
def test_logits_are_found_in_every_output_type(kind, network, images):
    expected = Explainer(network, "3").explain(images, [0, 1])
    result = Explainer(with_output_type(network, kind), "network.3").explain(images, [0, 1])
    torch.testing.assert_close(result.heatmaps, expected.heatmaps, rtol=0, atol=0)
    torch.testing.assert_close(result.logits, expected.logits, rtol=0, atol=0)


def test_an_output_without_logits_raises_an_error_with_its_keys(network, images):
    class WithoutLogits(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x):
            return {"boxes": self.conv(x)}

    with pytest.raises(TypeError, match="boxes"):
        Explainer(WithoutLogits()).explain(images, 0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_precisions(dtype):
    """Maps equal those in float64, from the same rounded weights and photo, within a bound on the rounding error.

    After the layer there is no ReLU whose sign rounding could change (a mean over squares and a Linear), so that the
    bound can be computed: a sum of n products, in any order and rounded at each step, has an error of at most
    γₙ = n·u / (1 − n·u) of the sum of their magnitudes, u being half a step at 1 (Higham 2002, eq. 3.5).
    The gradient takes two more roundings; the map itself is summed in float32 or better.
    """
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 3)).to(dtype)
    for weight in model.parameters():  # without signs nothing cancels, and the bound stays far below the map
        weight.data.abs_()
    images = torch.rand(2, 3, 16, 16).to(dtype)
    result = Explainer(model, "0").explain(images.float(), [0, 1, 2], signed=True).heatmaps
    assert result.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    kernel, bias, head = (weight.detach().double() for weight in (model[0].weight, model[0].bias, model[3].weight))
    activation = nn.functional.conv2d(images.double(), kernel, bias)  # [B, 4, 14, 14]
    absolute_activation = nn.functional.conv2d(images.double().abs(), kernel.abs(), bias.abs())
    mean_head = head.view(3, 4, 4).mean(2) / 49  # [K, C]: a map has four squares of 49 pixels, with one weight each
    absolute_head = head.abs().view(3, 4, 4).mean(2) / 49
    heat, terms = (
        torch.einsum("kc,bchw->bkhw", *pair) for pair in ((mean_head, activation), (absolute_head, absolute_activation))
    )
    unit = torch.finfo(dtype).eps / 2
    relative_bound = _gamma(28, unit) + _gamma(4, unit) + _gamma(200, torch.finfo(result.dtype).eps / 2)
    bound = relative_bound * terms.amax((-2, -1), keepdim=True)
    enlarged = nn.functional.interpolate(heat, size=(16, 16), mode="bilinear", align_corners=False)
    assert ((result[:, :, 0].double() - enlarged).abs() <= bound).all()
    assert (bound < enlarged.abs().amax((-2, -1), keepdim=True)).all(), "the bound would accept a map of zeros"


def _gamma(terms, unit):
    return terms * unit / (1 - terms * unit)


def test_channels_last_memory_and_other_image_sizes(network, images):
    expected = Explainer(network).explain(images, [0, 1]).heatmaps
    network = network.to(memory_format=torch.channels_last)
    result = Explainer(network).explain(images.to(memory_format=torch.channels_last), [0, 1]).heatmaps
    torch.testing.assert_close(result, expected)
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert Explainer(pooled).explain(torch.rand(1, 3, 20, 45), [0, 1]).heatmaps.shape == (1, 2, 1, 20, 45)


def test_a_batch_of_64_equals_its_images_one_by_one(network):
    images = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    together = Explainer(network).explain(images, ["predicted", 1])
    assert together.heatmaps.shape == (64, 2, 3, 16, 16)
    for index in range(0, 64, 7):
        torch.testing.assert_close(
            together.heatmaps[index], Explainer(network).explain(images[index][None], ["predicted", 1]).heatmaps[0]
        )


def test_a_regression_head_and_a_segmentation_net(images):
    """Seg-Grad-CAM (Vinogradova et al. 2020): the target is a class summed over a region of pixels."""
    torch.manual_seed(0)
    regressor = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    targets = [lambda position: position[:, 0], ("against", 0)]
    opposite = Explainer(regressor, "1").explain(images, targets, signed=True).heatmaps
    torch.testing.assert_close(opposite[:, 0], -opposite[:, 1])
    segmenter = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 1))
    region = torch.zeros(16, 16)
    region[4:9, 2:7] = 1
    explanation = Explainer(segmenter, "0").explain(
        images, lambda logits: (logits[:, 3] * region).sum((1, 2)), signed=True
    )
    heat = explanation.heatmaps[:, 0, 0]
    maps = segmenter[0](images).detach()
    gradient = segmenter[2].weight[3].detach()[None] * (maps > 0) * region  # by hand: 1×1 convolution after a ReLU
    torch.testing.assert_close(heat, (gradient.mean((2, 3), keepdim=True) * maps).sum(1))
    with pytest.raises(ValueError, match="callable"):
        Explainer(segmenter, "0").explain(images, 3)


def test_eight_threads_with_different_layers_and_methods(network):
    photos = torch.rand(8, 1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    jobs = list(zip(photos, ["0", "3", "6", "0", "3", "6", "0", "3"], WITHOUT_CAM))

    def explain(job):
        photo, layer, method = job
        return Explainer(network, layer).explain(photo, [0, 1, 2, 3], method, signed=True).heatmaps

    expected, start = [explain(job) for job in jobs], threading.Barrier(8)

    def count_wrong_results(index):
        start.wait()
        return sum(not torch.equal(explain(jobs[index]), expected[index]) for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count_wrong_results, range(8))) == [0] * 8


def test_results_inputs_and_models_are_freed_by_reference_count(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 2))
    explainer = Explainer(model)
    gc.disable()  # only reference counting frees objects: a cycle would stay
    try:
        photo = images.clone()
        explanation = explainer.explain(photo, [0, 1])
        references = [weakref.ref(thing) for thing in (photo, explanation, explanation.heatmaps)]
        del photo, explanation
        assert [reference() for reference in references] == [None] * 3
        model_reference = weakref.ref(model)
        del model, explainer
        assert model_reference() is None
    finally:
        gc.enable()


def test_two_hundred_calls_leak_no_memory(network, images):
    explainer = Explainer(network)

    def calls(count):
        for _ in range(count):
            explainer.explain(images, [0, 1])
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    calls(5)
    tracemalloc.start()
    before, start = calls(5), tracemalloc.get_traced_memory()[0]
    assert calls(200) == before
    assert tracemalloc.get_traced_memory()[0] - start < 100_000
    tracemalloc.stop()


def test_results_that_do_not_fit_are_rejected_beforehand(network, monkeypatch):
    images = torch.rand(1, 3, 16, 16)
    monkeypatch.setattr(memory, "available", lambda device: 4 * 4 * 3 * 256 - 1)
    with pytest.raises(MemoryError, match="heatmaps of 1 images × 4 targets × 3 layers at 16 × 16"):
        Explainer(network).explain(images, [0, 1, 2, 3])
    monkeypatch.setattr(memory, "available", lambda device: 10)
    require(10, "cpu", "ten bytes", "")
    with pytest.raises(MemoryError, match="eleven bytes need 0.0 GiB, 0.0 GiB are free: do without"):
        require(11, "cpu", "eleven bytes", "do without")
    monkeypatch.setattr(memory, "available", lambda device: None)
    require(10**15, "cpu", "a lot", "")


def test_grouping_targets_does_not_change_the_results(network, images, monkeypatch):
    explainer, targets = Explainer(network), [0, 1, 2, 3, "mixture", ("contrast", 0, 1), "predicted"]
    for method in ("Grad-CAM", "HiResCAM", "Eigen-CAM"):
        together = explainer.explain(images, targets, method)
        three_targets = 3 * 4 * 2 * (4 * 256 + 5 * 64 + 6 * 16)
        monkeypatch.setattr("gradcam.explainer.GRADIENT_BYTES", three_targets)
        in_groups = explainer.explain(images, targets, method)
        monkeypatch.undo()
        torch.testing.assert_close(in_groups.heatmaps, together.heatmaps)
        assert in_groups.heatmaps.shape == (2, 7, 3, 16, 16)


def test_available_memory_of_this_machine_is_plausible():
    assert memory.available("cpu") is None or 10**6 < memory.available("cpu") < 10**15


def test_states_of_heatmaps(network, images):
    explanation = Explainer(network, ["0", "6"]).explain(images, [0, 1])
    explanation.heatmaps[0, 0, 0] = 0
    explanation.heatmaps[0, 0, 1] = 3
    explanation.heatmaps[0, 1, 0, 2, 2] = torch.nan
    states = explanation.states()
    assert states[0][0] == ["empty", "constant"] and states[0][1][0] == "not finite"
    assert set(states[1][0] + states[1][1]) <= {"evidence", "empty"}


def test_a_scripted_model_is_rejected(images):
    with pytest.raises(TypeError, match="TorchScript"):
        Explainer(torch.jit.trace(nn.Conv2d(3, 2, 3), images), "").explain(images, 0)


def test_the_sanity_check_runs_on_a_stateful_random_model(images):
    steps = cascading_randomisation(
        StatefulAndRandom(), lambda model: Explainer(model).explain(images[:1], 0, signed=True).heatmaps[0, 0, 0]
    )
    assert [step.randomised for step in steps] == ["", "head", "norm", "conv"]
