"""Batches: when images may share a pass or must stay together; memory limits; inputs with one, two and three axes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from gradcam import METHODS, Explainer, memory
from gradcam.forward_pass import Layer
from gradcam.layer_view import ForwardPass
from gradcam.model_copy import ModelCopies
from gradcam.variant_passes import PassCounter, VariantPasses

EXACT = {"rtol": 1e-9, "atol": 1e-12}


class Centred(nn.Module):
    """Features minus their batch mean, then ReLU: an image's output depends on the other images."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        return self.after_layer(self.conv(x))

    def after_layer(self, maps):
        return self.head((maps - maps.mean(0)).relu().mean((2, 3)))


@pytest.fixture
def centred():
    return Centred().double()


@pytest.fixture
def five_images():
    return torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("at_once", [0, -1, True, False, 2.5, 2.0, "2", torch.tensor(2)], ids=repr)
def test_at_once_must_be_a_positive_integer_or_none(at_once, network, images):
    with pytest.raises(ValueError, match="expected at_once as a number of images from 1, or None for all together"):
        Explainer(network).explain(images, 0, at_once=at_once)


def plain_maps(model, images, classes):
    """Grad-CAM of layer "conv" by plain autograd over the whole batch, signed: [B, K, H, W]."""
    maps = model.conv(images)
    logits = model.after_layer(maps)
    result = []
    for label in classes:
        (gradient,) = torch.autograd.grad(logits[:, label].sum(), maps, retain_graph=True)
        result.append((gradient.mean((2, 3), keepdim=True) * maps).sum(1))
    return torch.stack(result, 1).detach()


def test_a_network_whose_images_interact_gets_the_whole_batch(centred, five_images):
    result = Explainer(centred).explain(five_images, [0, 1, 2], signed=True)
    torch.testing.assert_close(result.heatmaps[:, :, 0], plain_maps(centred, five_images, [0, 1, 2]), **EXACT)
    torch.testing.assert_close(result.logits, centred(five_images).detach(), **EXACT)


def test_at_once_splits_the_batch_as_requested(centred, five_images):
    """Two, two and one: outputs differ from those of the whole batch and equal the network's on such batches."""
    together = Explainer(centred).explain(five_images, [0, 1], signed=True)
    result = Explainer(centred).explain(five_images, [0, 1], signed=True, at_once=2)
    assert not torch.allclose(result.logits, together.logits) and not torch.allclose(result.heatmaps, together.heatmaps)
    parts = five_images.split(2)
    torch.testing.assert_close(result.logits, torch.cat([centred(part) for part in parts]).detach(), **EXACT)
    expected = torch.cat([plain_maps(centred, part, [0, 1]) for part in parts])
    torch.testing.assert_close(result.heatmaps[:, :, 0], expected, **EXACT)


def test_ablation_zeroes_a_map_of_one_image_within_the_whole_batch(centred, five_images):
    """The paper's weights in plain loops; the other images stay in the batch of the image that loses a map."""
    result = Explainer(centred).explain(five_images, [0, 2], "Ablation-CAM", signed=True).heatmaps[:, :, 0]
    with torch.no_grad():
        maps = centred.conv(five_images)
        logits = centred.after_layer(maps)
        for image in range(5):
            for k, label in enumerate((0, 2)):
                expected = torch.zeros(6, 6, dtype=torch.float64)
                for channel in range(4):
                    ablated = maps.clone()
                    ablated[image, channel] = 0
                    drop = logits[image, label] - centred.after_layer(ablated)[image, label]
                    expected += drop / logits[image, label].abs() * maps[image, channel]
                torch.testing.assert_close(result[image, k], expected, **EXACT)


def test_score_cam_masks_one_photo_within_the_whole_batch(centred, five_images):
    result = Explainer(centred).explain(five_images, 1, "Score-CAM", signed=True).heatmaps[:, 0, 0]
    with torch.no_grad():
        maps = centred.conv(five_images)
        for image in range(5):
            scores = []
            for one in maps[image]:
                photos = five_images.clone()
                photos[image] *= (one - one.min()) / (one.max() - one.min())
                scores.append(centred(photos)[image, 1])
            weights = torch.stack(scores).softmax(0)
            torch.testing.assert_close(result[image], (weights[:, None, None] * maps[image]).sum(0), **EXACT)


def doubled(seen):
    def outputs(photos):
        seen.append(photos.flatten().tolist())
        return 2 * photos

    return outputs


def minus_mean(seen):
    def outputs(photos):
        seen.append(photos.flatten().tolist())
        return photos - photos.mean(0)

    return outputs


IMAGES, VARIANTS = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[5.0], [8.0]])


def test_variants_share_a_pass_with_the_image_if_images_are_independent():
    """The image, 2, is added to the first batch of variants only."""
    seen = []
    passes = VariantPasses(doubled(seen), (IMAGES,), 1, torch.tensor([4.0]), mixes=None)
    assert passes.outputs_of((VARIANTS,)).tolist() == [[10], [16]]
    assert passes.outputs_of((VARIANTS[:1],)).tolist() == [[10]]
    assert seen == [[2, 5, 8], [5]]


def test_variants_replace_the_image_one_by_one_if_images_interact():
    """2 in the batch 1, 2, 6 gives −1. With 5 and 8 it gives −3, so 5 and 8 each replace it: 5 − 4 and 8 − 5."""
    seen = []
    passes = VariantPasses(minus_mean(seen), (IMAGES,), 1, torch.tensor([-1.0]), mixes=None)
    assert passes.outputs_of((VARIANTS,)).tolist() == [[1], [3]]
    assert passes.outputs_of((VARIANTS[:1],)).tolist() == [[1]]
    assert seen == [[2, 5, 8], [1, 5, 6], [1, 8, 6], [1, 5, 6]]
    assert IMAGES.flatten().tolist() == [1, 2, 6]


def test_images_declared_independent_are_not_probed():
    seen = []
    passes = VariantPasses(minus_mean(seen), (IMAGES,), 1, torch.tensor([-1.0]), mixes=False)
    assert passes.outputs_of((VARIANTS,)).tolist() == [[-1.5], [1.5]]
    assert seen == [[5, 8]]


def test_a_network_with_a_fixed_batch_size_gets_full_batches():
    """An error, or another number of rows than images: either way the batch size must stay the same."""

    def refuses(photos):
        if len(photos) != 3:
            raise RuntimeError("three frames make a film")
        return photos * 2

    def one_answer(photos):
        return photos.mean(0, keepdim=True).expand(3, 1) if len(photos) == 3 else photos.mean(0, keepdim=True)

    result = VariantPasses(refuses, (IMAGES,), 0, torch.tensor([2.0]), None).outputs_of((VARIANTS,))
    assert result.tolist() == [[10], [16]]
    result = VariantPasses(one_answer, (IMAGES,), 0, torch.tensor([3.0]), None).outputs_of((VARIANTS,))
    torch.testing.assert_close(result, torch.tensor([[13 / 3], [16 / 3]]))


def test_out_of_memory_is_not_mistaken_for_interacting_images():
    def full(photos):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        VariantPasses(full, (IMAGES,), 0, torch.tensor([2.0]), None).outputs_of((VARIANTS,))


def test_rounding_differences_between_batches_are_not_interaction():
    """Another summation order changes the last digits: 10⁻⁶ of the largest output is rounding, 10⁻² is not."""
    for error, independent in ((1e-6, True), (1e-2, False)):
        seen = []

        def outputs(photos, error=error, seen=seen):
            seen.append(len(photos))
            return photos * (1 + error * (len(photos) > 3))

        passes = VariantPasses(outputs, (IMAGES,), 1, torch.tensor([2.0]), None)
        passes.outputs_of((torch.cat([VARIANTS, VARIANTS]),))
        assert seen == ([5] if independent else [5, 3, 3, 3, 3])


def run_of(network, images, targets):
    copies = ModelCopies(network)
    with copies.borrow() as borrowed:
        return ForwardPass(
            copies, borrowed, (Layer("3"), Layer("6")), images, targets, None, PassCounter(None, len(images))
        )


def test_targets_are_grouped_to_fit_the_memory_limit(network, images):
    """At least four per batched backward, or else one by one; each target once and in order."""
    run = run_of(network, images, (0, 1, 2, 3, "mixture", "predicted", ("against", 0)))

    def sizes(limit):
        groups = run.groups(limit)
        assert sum(groups, ()) == run.targets
        return [len(group) for group in groups]

    assert sizes(0) == [1] * 7 and sizes(2**40) == [7]
    limits = [2**power for power in range(10, 22)]
    longest = [sizes(limit)[0] for limit in limits]
    assert longest == sorted(longest) and not {2, 3} & set(longest) and {1, 4, 5, 6, 7} >= set(longest)
    one = next(limit for limit in range(2**10, 2**21, 64) if sizes(limit)[0] >= 4)  # room for four
    assert sizes(one) == [4, 3] and sizes(one - 64) == [1] * 7 and sizes(2 * one)[0] == 7
    assert sizes(int(one * 1.25) + 64) == [5, 2]


def test_gradients_that_do_not_fit_raise_a_memory_error(network, images, monkeypatch):
    run = run_of(network, images, (0,))
    monkeypatch.setattr(memory, "available", lambda device: 1)
    with pytest.raises(
        MemoryError, match="the gradients of 2 images for one target need .* ask for fewer images at a time"
    ):
        run.groups(2**30)


def test_activations_that_do_not_fit_raise_a_memory_error(network, monkeypatch):
    """If a batch may exceed the memory, one image is run, and its activations are multiplied by the batch size."""
    images = torch.rand(64, 3, 16, 16)
    free = 64 * 3 * 16 * 16 * 4 * 3 + 1000  # room for the heatmaps of three layers, not for all activations
    monkeypatch.setattr("gradcam.explainer.available", lambda device: free)
    monkeypatch.setattr(memory, "available", lambda device: free)
    with pytest.raises(
        MemoryError, match="the activations of 64 images need .* pass at_once, how many images may share a batch"
    ):
        Explainer(network).explain(images, 0)
    result = Explainer(network).explain(images, 0, at_once=4)
    monkeypatch.undo()
    torch.testing.assert_close(result.heatmaps, Explainer(network).explain(images, 0).heatmaps)


AXES = {1: (nn.Conv1d, "linear", (12,)), 2: (nn.Conv2d, "bilinear", (6, 8)), 3: (nn.Conv3d, "trilinear", (3, 4, 6))}

AVERAGES = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


def pooled(axes):
    """CAM's network over one, two or three axes: convolution (stride 2), ReLU, global average, Linear."""
    torch.manual_seed(axes)
    conv, *_ = AXES[axes]
    return nn.Sequential(
        conv(3, 4, 2, stride=2), nn.ReLU(), AVERAGES[axes](1),
        nn.Flatten(), nn.Linear(4, 3),
    ).double()  # fmt: skip


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_supports_sequences_photos_and_volumes(method, axes):
    model, size = pooled(axes), AXES[axes][2]
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = Explainer(model, "1").explain(images, [0, 1], method, signed=True)
    assert result.heatmaps.shape == (2, 2, 1, *size) and result.heatmaps.isfinite().all()
    assert result.heatmaps.abs().sum() > 0 and len(result.states()) == 2 and isinstance(result.states()[0][0][0], str)


@pytest.mark.parametrize("axes", AXES)
def test_grad_cam_over_one_to_three_axes_equals_plain_autograd(axes):
    model, (_, mode, size) = pooled(axes), AXES[axes]
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = Explainer(model).explain(images, [2], signed=True)
    assert result.layers == ("0",)
    maps = model[0](images)
    (gradient,) = torch.autograd.grad(model[1:](maps)[:, 2].sum(), maps)
    weights = gradient.flatten(2).mean(2)
    heat = torch.stack([sum(w * one for w, one in zip(*pair)) for pair in zip(weights, maps.detach())])[:, None]
    expected = F.interpolate(heat, size, mode=mode, align_corners=False)
    torch.testing.assert_close(result.heatmaps[:, :, 0], expected, **EXACT)


def test_a_photo_without_batch_axis_is_not_mistaken_for_a_sequence(network, images):
    with pytest.raises(ValueError, match=r"add the batch axis"):
        Explainer(network).explain(images[0], 0)
    both = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Conv1d(4, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    with pytest.raises(ValueError, match=r"add the batch axis"):
        Explainer(both, "0").explain(torch.rand(3, 8, 8), 0)


class ChannelsLast(nn.Module):
    """A layer "turn" that returns [B, h, w, C], as Swin's and ConvNeXt's blocks do."""

    def __init__(self, channels):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.turn, self.head = nn.Conv2d(3, channels, 3, padding=1), ToChannelsLast(), nn.Linear(channels, 2)

    def forward(self, x):
        return self.head(self.turn(self.conv(x)).relu().mean((1, 2)))


class ToChannelsLast(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 12), (12, 8)])
def test_channels_last_maps_raise_an_error_that_suggests_reshape(height, width):
    images, model = torch.rand(2, 3, height, width), ChannelsLast(3)
    with pytest.raises(
        ValueError, match=rf"got \[2, {height}, {width}, 3\].*pass reshape=lambda maps: maps.permute\(0, 3, 1, 2\)"
    ):
        Explainer(model, "turn").explain(images, 0)
    explainer = Explainer(model, "turn", reshape=lambda maps: maps.permute(0, 3, 1, 2))
    result = explainer.explain(images, [0, 1], signed=True)
    torch.testing.assert_close(result.heatmaps, Explainer(model, "conv").explain(images, [0, 1], signed=True).heatmaps)


@pytest.mark.parametrize(("channels", "height", "width"), [(8, 8, 8), (8, 8, 12), (12, 12, 8), (1, 8, 8), (12, 8, 12)])
def test_as_many_channels_as_rows_are_not_mistaken_for_channels_last(channels, height, width):
    result = Explainer(ChannelsLast(channels), "conv").explain(torch.rand(2, 3, height, width), 0)
    assert result.heatmaps.shape == (2, 1, 1, height, width)


def test_a_convolution_that_narrows_its_maps_is_not_mistaken_for_channels_last():
    """As in networks for lines of text: 8 maps of 32 × 64 for an image of 32 × 128."""
    torch.manual_seed(0)
    narrows = nn.Conv2d(3, 8, (1, 2), (1, 2))
    model = nn.Sequential(narrows, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).double()
    images = torch.rand(1, 3, 32, 128, dtype=torch.float64)
    result = Explainer(model).explain(images, 1, signed=True)
    maps = model[0](images).detach()
    gradient = (maps > 0) * model[4].weight[1].detach().view(8, 1, 1) / (32 * 64)
    small = (gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True)
    expected = F.interpolate(small, (32, 128), mode="bilinear")
    torch.testing.assert_close(result.heatmaps[:, :, 0], expected, **EXACT)
    with pytest.raises(ValueError, match=r"or lambda maps: maps if it is not"):
        Explainer(model, "1").explain(images, 1)
    assert Explainer(model, "1", reshape=lambda maps: maps).explain(images, 1).heatmaps.shape == (1, 1, 1, 32, 128)


class TwoBranches(nn.Module):
    """Two parallel branches, one of which has its gradient removed by `cut`."""

    def __init__(self, cut):
        super().__init__()
        torch.manual_seed(0)
        self.dead, self.live, self.head = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3), nn.Linear(2, 3)
        self.cut = cut

    def forward(self, x):
        return self.head((self.cut(self.dead(x)) + self.live(x)).mean((2, 3)))


@pytest.mark.parametrize("targets", [[0], [0, 1, 2]])
@pytest.mark.parametrize("cut", [torch.Tensor.detach, lambda x: (x > 0).to(x.dtype), torch.zeros_like])
def test_a_layer_without_gradient_beside_one_with_gradient_is_named(cut, targets, images):
    """The layer with a gradient can be explained without the other."""
    model = TwoBranches(cut)
    for layers in ("dead", ["live", "dead"]):
        with pytest.raises(
            ValueError, match="expected the outputs to depend on layer 'dead' by operations that have a gradient"
        ):
            Explainer(model, layers).explain(images, targets)
    assert Explainer(model, "live").explain(images, targets, signed=True).heatmaps.abs().sum() > 0


# torch deprecates its quantisation in favour of another package
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_head_raises_a_clear_error(images):
    """Its products are of integers, which have no gradient."""
    if not {"fbgemm", "qnnpack", "x86", "onednn"} & set(torch.backends.quantized.supported_engines):
        pytest.skip("no quantised products on this machine")
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.Sequential(*body, nn.Linear(4, 2))
    quantised = torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(ValueError, match="layer '0' by operations that have a gradient.*quantised") as caught:
        Explainer(quantised, "0").explain(images, [0, 1])
    assert "\n" not in str(caught.value)
