"""Many targets behind a global average: one gradient for each map, and the same heatmaps as one target at a time."""

import pytest
import torch
from plain_grad_cam import loop_grad_cam
from torch import nn

from gradcam import METHODS, Explainer, explainer
from gradcam.forward_pass import Layer, Recording, record
from gradcam.gradients import bytes_held, gradients
from gradcam.heatmaps import upsample
from gradcam.model_copy import ModelCopies
from gradcam.sources import MANY_TARGETS, AtAverage, AtPooling, Source, are_right, sources_of_means

CLASSES = list(range(MANY_TARGETS))
POOLS = {"module": nn.AdaptiveAvgPool2d(1), "keeps no axis": None, "with a ReLU first": nn.ReLU()}


class Pooled(nn.Module):
    """Two convolutions, a global average, and a hidden layer behind it."""

    def __init__(self, between=None):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.between = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3), between
        self.head = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, MANY_TARGETS))

    def forward(self, x):
        return self.read(self.last(self.first(x).relu()))

    def read(self, maps):
        if isinstance(self.between, nn.AdaptiveAvgPool2d):
            return self.head(self.between(maps).flatten(1))
        return self.head((maps if self.between is None else self.between(maps)).mean((2, 3)))


class Twice(Pooled):
    """The maps' maximum is read as well."""

    def read(self, maps):
        return super().read(maps) + maps.amax((1, 2, 3))[:, None] ** 2


class Columns(Pooled):
    """An average over one axis is none over the map."""

    def read(self, maps):
        return super().read(maps.mean(3, keepdim=True).square())


def recording_of(network, layers, images) -> Recording:
    with ModelCopies(network).borrow() as borrowed, torch.enable_grad():
        return record(borrowed, tuple(map(Layer, layers)), images)


def kinds(network, layers, images, targets=MANY_TARGETS):
    """Where means are read, by the kind of place; hooks on the way are seen later, when something is found there."""
    return [type(source) for source in sources_of_means(recording_of(network, layers, images), targets)]


def one_at_a_time(network, layer, images):
    each = Explainer(network, layer)
    return torch.cat([each.explain(images, label, signed=True).heatmaps for label in CLASSES], 1)


@pytest.mark.parametrize("between", POOLS.values(), ids=POOLS)
def test_many_targets_have_the_heatmaps_of_a_plain_loop(images, between):
    network = Pooled(between).eval()
    heatmaps = Explainer(network, "last").explain(images, CLASSES).heatmaps[:, :, 0]
    loops = [loop_grad_cam(network, "last", images, label) for label in CLASSES]
    torch.testing.assert_close(heatmaps, torch.stack(loops, 1).view_as(heatmaps), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", ["HiResCAM", "Grad-CAM++", "XGrad-CAM", "LayerCAM"])
def test_other_methods_read_the_spread_gradient(images, method):
    network = Pooled().eval()
    many = Explainer(network, "last").explain(images, CLASSES, method).heatmaps
    for label in CLASSES:
        alone = Explainer(network, "last").explain(images, label, method).heatmaps[:, 0]
        torch.testing.assert_close(many[:, label], alone, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", [Twice, Columns, lambda: Pooled(nn.ReLU())])
def test_other_ways_to_the_outputs_are_not_passed_over(images, kind):
    network = kind().eval()
    assert kinds(network, ["last"], images) == [Source]
    heatmaps = Explainer(network, "last").explain(images, CLASSES, signed=True).heatmaps
    torch.testing.assert_close(heatmaps, one_at_a_time(network, "last", images), rtol=1e-4, atol=1e-6)


def test_it_is_used_where_all_layers_are_averaged_and_needs_less_memory(images):
    recording = recording_of(Pooled().eval(), ["last"], images)
    many, few = sources_of_means(recording, MANY_TARGETS), sources_of_means(recording, MANY_TARGETS - 1)
    assert type(many[0]) is AtAverage and type(few[0]) is Source
    places, outputs = recording.activations[0][0, 0].numel(), recording.outputs
    assert bytes_held(outputs, few) >= places * len(images) * 8 * 4 > 3 * bytes_held(outputs, many)
    cotangents = torch.eye(MANY_TARGETS)[:, None].expand(-1, len(images), -1).contiguous()
    (found,) = gradients(outputs, many, cotangents)
    assert found.numel() == MANY_TARGETS * len(images) * 8, "one number for each map, not for each place"
    assert kinds(Pooled().eval(), ["first", "last"], images) == [Source, Source]


def test_sequences_and_volumes_are_averaged_over_all_their_axes():
    for convolution, shape in ((nn.Conv1d, (9,)), (nn.Conv3d, (5, 6, 7))):
        torch.manual_seed(0)

        class Averaged(nn.Sequential):
            def forward(self, x):
                return self[1](self[0](x).mean(tuple(range(-len(shape), 0))))  # noqa: B023  called in this round only

        network = Averaged(convolution(3, 4, 3), nn.Linear(4, MANY_TARGETS)).eval()
        images = torch.rand(2, 3, *shape)
        assert kinds(network, ["0"], images) == [AtAverage]
        heatmaps = Explainer(network, "0").explain(images, CLASSES, signed=True).heatmaps
        torch.testing.assert_close(heatmaps, one_at_a_time(network, "0", images), rtol=1e-4, atol=1e-6)


def test_many_small_maps_are_enlarged_as_a_few_are():
    maps = torch.rand(90, 1, 7, 5, generator=torch.Generator().manual_seed(0)) - 0.3
    many = upsample(maps, (224, 220))
    few = torch.cat([upsample(one[None], (224, 220)) for one in maps])
    torch.testing.assert_close(many, few, rtol=0, atol=1e-6)
    maps[40, 0, 3, 2] = torch.nan
    broken = upsample(maps, (224, 220)).isnan()
    assert broken[40].any() and not broken[40].all() and not broken[:40].any() and not broken[41:].any()


def test_many_heatmaps_are_enlarged_as_products(images, monkeypatch):
    """What is measured in benchmarks/last_layer.py is what runs: `interpolate` only makes the mixtures of two axes."""
    calls = []
    plain = torch.nn.functional.interpolate
    monkeypatch.setattr(
        torch.nn.functional, "interpolate", lambda maps, *a, **k: calls.append(maps.ndim) or plain(maps, *a, **k)
    )
    network = Pooled().eval()
    photos = torch.rand(2, 3, 30, 30)
    monkeypatch.setattr("gradcam.heatmaps.MANY_PLACES", 2 * MANY_TARGETS * 30 * 30)
    Explainer(network, "last").explain(photos, CLASSES)
    assert calls == [3, 3]
    assert explainer.upsample is upsample


class PooledByMaximum(nn.Sequential):
    """Convolution, ReLU, max pooling; a convolution behind, and a Linear over all places."""

    def __init__(self, *between, places=6 * 6):
        torch.manual_seed(0)
        super().__init__(nn.Conv2d(3, 6, 3), *between, nn.Conv2d(6, 8, 3), nn.Flatten(), nn.Linear(8 * places, 5))


class ReadTwice(nn.Module):
    def forward(self, x):
        return nn.functional.max_pool2d(x, 2) + nn.functional.avg_pool2d(x, 2)


POOLINGS = {
    "ReLU": (nn.ReLU(), nn.MaxPool2d(2)),
    "ReLU in place": (nn.ReLU(inplace=True), nn.MaxPool2d(2)),
    "no ReLU": (nn.MaxPool2d(2),),
    "windows that overlap": (nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
    "windows with gaps": (nn.ReLU(), nn.MaxPool2d(2, 2, dilation=2, ceil_mode=True)),
}


def places_of(between):
    maps = nn.Sequential(*between)(torch.zeros(1, 6, 14, 14))
    return (maps.shape[2] - 2) * (maps.shape[3] - 2)


@pytest.mark.parametrize("between", POOLINGS.values(), ids=POOLINGS)
def test_a_mean_read_at_the_pooling_is_that_of_the_whole_gradient(images, between):
    network = PooledByMaximum(*between, places=places_of(between)).eval()
    assert kinds(network, ["0"], images, 4) == [AtPooling]
    heatmaps = Explainer(network, "0").explain(images, [0, 1, 2, 3]).heatmaps[:, :, 0]
    network[1].inplace = False  # or the plain loop's record is overwritten
    loops = [loop_grad_cam(network, "0", images, label) for label in range(4)]
    torch.testing.assert_close(heatmaps, torch.stack(loops, 1), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("between", [(ReadTwice(),), (nn.Sigmoid(), nn.MaxPool2d(2))])
def test_a_pooling_that_does_not_tell_the_mean_is_passed_over(images, between):
    network = PooledByMaximum(*between, places=places_of(between)).eval()
    assert kinds(network, ["0"], images, 4) == [Source]
    heatmaps = Explainer(network, "0").explain(images, [0, 1, 2, 3]).heatmaps[:, :, 0]
    loops = [loop_grad_cam(network, "0", images, label) for label in range(4)]
    torch.testing.assert_close(heatmaps, torch.stack(loops, 1), rtol=1e-4, atol=1e-6)


def test_the_pooling_is_read_only_where_the_backward_ends_and_means_are_enough(images):
    network = PooledByMaximum(nn.ReLU(), nn.MaxPool2d(2), places=25).eval()
    assert kinds(network, ["0"], images, 2) == [Source], "for two targets the comparison costs more"
    assert kinds(network, ["0", "3"], images, 4) == [AtPooling, Source]
    assert kinds(network.half(), ["0"], images.half(), 4) == [Source], "rounding would hide a hook"
    deep = nn.Sequential(nn.Conv2d(3, 3, 1), PooledByMaximum(nn.ReLU(), nn.MaxPool2d(2), places=25)).eval()
    assert kinds(deep, ["0", "1.0"], images, 4) == [Source, Source]
    assert [METHODS[name].means for name in METHODS] == [name == "Grad-CAM" for name in METHODS]


def test_not_a_number_in_a_map_is_not_lost(images):
    network = PooledByMaximum(nn.ReLU(), nn.MaxPool2d(2), places=25).eval()
    with torch.no_grad():
        network[0].bias[2] = torch.nan
    explanation = Explainer(network, "0").explain(images, [0, 1, 2, 3])
    assert explanation.states() == [[["not finite"]] * 4] * len(images)


class Roots(nn.Module):
    """The gradient of a root is infinite at zero, where the ReLU let nothing through."""

    def forward(self, x):
        return nn.functional.max_pool2d(x.relu(), 2).sqrt()


def test_what_the_relu_stopped_is_not_multiplied(images):
    network = PooledByMaximum(Roots(), places=25).eval()
    with torch.no_grad():
        network[0].bias -= 0.3
    recording = recording_of(network, ["0"], images)
    chosen = sources_of_means(recording, 4)
    assert type(chosen[0]) is AtPooling
    assert are_right(chosen, gradients(recording.outputs, chosen, torch.ones(3, *recording.outputs.shape)))
    together = Explainer(network, "0").explain(images, [0, 1, 2, 3], signed=True)
    each = [Explainer(network, "0").explain(images, label, signed=True).heatmaps for label in range(4)]
    assert together.heatmaps.isfinite().all()
    torch.testing.assert_close(together.heatmaps, torch.cat(each, 1), rtol=1e-4, atol=1e-6)


HOOKS = {
    "scales": lambda gradient: gradient * 1.1,
    "drops": lambda gradient: gradient * 0,
    "keeps what speaks for it": lambda gradient: gradient.clamp(min=0),
    "clips each": lambda gradient: gradient.clamp(-0.005, 0.005),
    "clips by norm": lambda gradient: gradient / (50 * gradient.norm()).clamp(min=1),
    "mixes maps": lambda gradient: gradient.flip(1),
    "mixes images": lambda gradient: gradient.mean(0, keepdim=True).expand_as(gradient),
    "writes into it": lambda gradient: gradient.mul_(2),
}


class WithHook(nn.Module):
    """A hook on a tensor, which the graph does not show; an average or a maximum behind it."""

    def __init__(self, hook, pool):
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.hook, self.pool = nn.Conv2d(3, 8, 3), hook, pool
        self.head = nn.Linear(8 * pool(torch.zeros(1, 1, 14, 14)).numel(), MANY_TARGETS)

    def forward(self, x):
        x = self.convolution(x)
        if x.requires_grad:
            x.register_hook(self.hook)
        return self.head(self.pool(x).flatten(1))


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), nn.MaxPool2d(2)])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_hook_on_the_way_is_not_passed_over(images, hook, pool):
    network = WithHook(hook, pool).eval()
    assert kinds(network, ["convolution"], images) != [Source]
    targets = [lambda outputs, label=label: outputs[:, label] * torch.tensor([1.0, 3.0]) for label in CLASSES]
    explainer = Explainer(network, "convolution")
    together = explainer.explain(images, targets, signed=True).heatmaps
    each = torch.cat([explainer.explain(images, target, signed=True).heatmaps for target in targets], 1)
    torch.testing.assert_close(together, each, rtol=1e-4, atol=1e-6 * float(each.abs().max()))
    recording = recording_of(WithHook(lambda gradient: None, pool).eval(), ["convolution"], images)
    chosen = sources_of_means(recording, MANY_TARGETS)
    assert are_right(chosen, gradients(recording.outputs, chosen, torch.rand(3, *recording.outputs.shape)))


def test_a_hook_that_raises_does_so_for_the_whole_gradient_only(images):
    def refuse(gradient):
        if gradient.abs().max() > 1e9:
            raise ValueError("too large")

    network = WithHook(refuse, nn.AdaptiveAvgPool2d(1)).eval()
    assert Explainer(network, "convolution").explain(images, CLASSES).heatmaps.isfinite().all()
    recording = recording_of(network, ["convolution"], images)
    chosen = sources_of_means(recording, MANY_TARGETS)
    found = gradients(recording.outputs, chosen, 1e12 * torch.rand(2, *recording.outputs.shape))
    assert not are_right(chosen, found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_average_in_another_precision_is_passed_over(images, dtype):
    class Averaged(Pooled):
        def read(self, maps):
            return self.head(maps.mean((2, 3), dtype=torch.float64).to(maps.dtype))

    network = Averaged().eval().to(dtype)
    expected = AtAverage if dtype == torch.float64 else Source
    assert kinds(network, ["last"], images.to(dtype)) == [expected]
    heatmaps = Explainer(network, "last").explain(images.to(dtype), CLASSES, signed=True).heatmaps
    torch.testing.assert_close(heatmaps, one_at_a_time(network, "last", images.to(dtype)), rtol=1e-4, atol=1e-7)


def test_outputs_without_a_graph_have_the_sentence_of_one_target(images):
    class Detached(Pooled):
        def read(self, maps):
            return super().read(maps).detach().requires_grad_()

    for targets in (0, CLASSES):
        with pytest.raises(ValueError, match="none leads there"):
            Explainer(Detached().eval(), "last").explain(images, targets)


def test_a_backward_that_writes_into_its_gradient_runs_once(images):
    """`vmap` fails behind it, after it has written; the fallback must not see that."""

    class Doubling(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            gradient *= 2
            float(gradient.sum())
            return gradient

    class Head(Pooled):
        def read(self, maps):
            return Doubling.apply(super().read(maps))

    network = Head().eval()
    together = Explainer(network, "last").explain(images, [0, 1], signed=True).heatmaps
    each = [Explainer(network, "last").explain(images, label, signed=True).heatmaps for label in (0, 1)]
    torch.testing.assert_close(together, torch.cat(each, 1))


def test_enlarging_many_maps_depends_on_no_default():
    maps = torch.rand(90, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    expected = upsample(maps, (224, 224))
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(upsample(maps, (224, 224)), expected)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(upsample(maps, (224, 224)), expected, rtol=0, atol=1e-6)
