"""Cases from the test suites of captum, pytorch-grad-cam and torch-cam that no other test covers, by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from gradcam import METHODS, Explainer

EXACT = {"rtol": 1e-9, "atol": 1e-12}
GRADIENT_METHODS = ["Grad-CAM", "Grad-CAM++", "HiResCAM", "XGrad-CAM", "LayerCAM"]


def clips(count=3):
    """Small video clips [B, 3, 4, 6, 8]."""
    return torch.rand(count, 3, 4, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def clip_network(*head):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 5, 3, padding=1), nn.ReLU(inplace=True), *head).double()


def pooled_network():
    return clip_network(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(5, 4))


def flattened_network():
    return clip_network(nn.Flatten(), nn.Linear(5 * 4 * 6 * 8, 4))


def weights_by_hand(method, activation, gradient):
    """The papers' weights per map, or per position, of one image: [C, 1, 1, 1] or [C, d, h, w]."""
    result = []
    for a, g in zip(activation, gradient):
        if method == "Grad-CAM":
            result.append(g.mean())
        elif method == "Grad-CAM++":  # alpha = g^2 / (2 g^2 + g^3 * sum A)
            alpha = torch.tensor([0.0 if v == 0 else v**2 / (2 * v**2 + v**3 * a.sum()) for v in g.flatten()])
            result.append((alpha.to(g) * g.flatten().clamp(min=0)).sum())
        elif method == "XGrad-CAM":
            result.append((a * g).sum() / a.sum())
        else:
            result.append(g.clamp(min=0) if method == "LayerCAM" else g)
    return torch.stack(result).view(len(result), *(gradient.shape[1:] if result[0].ndim else (1, 1, 1)))


@pytest.mark.parametrize("make", [pooled_network, flattened_network])
@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_clips_with_one_label_each(method, make):
    """Conv3d, a list of labels, an in-place ReLU after the layer: each clip as if alone, by the papers' weights."""
    model, labels = make(), [2, 0, 3]
    result = Explainer(model, "0").explain(clips(), ("labels", labels), method, signed=True).heatmaps[:, 0, 0]
    for clip, label, heat in zip(clips(), labels, result):
        maps = model[0](clip[None]).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(model[1:](maps.clone())[0, label], maps)
        small = (weights_by_hand(method, maps[0].detach(), gradient[0]) * maps[0].detach()).sum(0)
        expected = F.interpolate(small[None, None], clip.shape[1:], mode="trilinear", align_corners=False)[0, 0]
        torch.testing.assert_close(heat, expected, **EXACT)


@pytest.mark.parametrize("average_first", [True, False])
def test_cam_of_clips_with_a_pointwise_convolution_as_head(average_first):
    head, average = nn.Conv3d(5, 4, 1), nn.AdaptiveAvgPool3d(1)
    model = clip_network(*((average, head) if average_first else (head, average)), nn.Flatten())
    result = Explainer(model, "1").explain(clips(), [1, 3], "CAM", signed=True).heatmaps[:, :, 0]
    maps, table = model[:2](clips()).detach(), head.weight.detach().flatten(1)
    for index, label in enumerate((1, 3)):
        expected = sum(table[label, channel] * maps[:, channel] for channel in range(5))
        torch.testing.assert_close(result[:, index], expected, **EXACT)


@pytest.mark.parametrize("method", METHODS)
def test_clips_in_channels_last_memory_format(method):
    model = pooled_network()
    plain = Explainer(model, "1").explain(clips(), [0, 2], method, signed=True).heatmaps
    channels_last = clips().to(memory_format=torch.channels_last_3d)
    result = Explainer(model, "1").explain(channels_last, [0, 2], method, signed=True).heatmaps
    torch.testing.assert_close(result, plain, **EXACT)


class TwoBranches(nn.Module):
    """Classes 0 and 1 depend on the left branch, class 2 on the right one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.first, self.second = nn.Linear(4, 2), nn.Linear(4, 1)

    def forward(self, x):
        left, right = (conv(x).relu().mean((2, 3)) for conv in (self.left, self.right))
        return torch.cat([self.first(left), self.second(right)], 1)


@pytest.mark.parametrize("method", [*GRADIENT_METHODS, "Ablation-CAM"])
def test_a_layer_without_effect_on_a_class_has_an_empty_map(method, images):
    """Its state is "empty", beside maps with evidence; likewise if it is the only target."""
    explainer = Explainer(TwoBranches(), ["left", "right"])
    result = explainer.explain(images, [0, 1, 2], method, signed=True)
    empty = [[[state == "empty" for state in layers] for layers in classes] for classes in result.states()]
    assert empty == 2 * [[[False, True], [False, True], [True, False]]]
    assert {row[0][0] for row in explainer.explain(images, 2, method, signed=True).states()} == {"empty"}


class PerImageTarget:
    """A target as in pytorch-grad-cam: a function of one image's outputs, with its own class and mask."""

    def __init__(self, label, mask):
        self.label, self.mask = label, mask

    def __call__(self, output):
        return (output[self.label] * self.mask).sum()


def test_a_target_function_per_image(images):
    """Regions of a segmentation, one per image; images in one batch get the same maps as alone."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1)).double()
    photos, masks = images.double(), torch.rand(2, 16, 16, dtype=torch.float64) > 0.5
    per_image_targets = [PerImageTarget(label, mask) for label, mask in zip((1, 3), masks)]

    def target(outputs):
        return torch.stack([one(row) for one, row in zip(per_image_targets, outputs)])

    result = Explainer(model, "0").explain(photos, target, signed=True)
    for photo, one, heat in zip(photos, per_image_targets, result.heatmaps[:, 0, 0]):
        maps = model[0](photo[None]).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(one(model[1:](maps)[0]), maps)
        torch.testing.assert_close(heat, (gradient.mean((2, 3), keepdim=True) * maps.detach()).sum(1)[0], **EXACT)


def test_a_target_that_modifies_the_outputs_in_place(network, images):
    """For example to centre the outputs."""
    explainer = Explainer(network, "0")
    result = explainer.explain(images, lambda outputs: outputs.sub_(outputs.mean(1, keepdim=True))[:, 1], signed=True)
    plain = explainer.explain(images, lambda outputs: outputs[:, 1] - outputs.mean(1), signed=True)
    torch.testing.assert_close(result.heatmaps, plain.heatmaps)
    assert torch.equal(result.logits, plain.logits)


@pytest.mark.parametrize("make", [torch.Tensor.to_sparse, lambda images: images.to("meta")])
def test_sparse_and_meta_images_raise_a_clear_error(make, network, images):
    with pytest.raises(ValueError, match="expected images whose numbers are there, got .*: make a dense tensor"):
        Explainer(network).explain(make(images), 0)
