"""Suggested layers: on 29 architectures their maps are right place by place, by differences of plain forward passes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)
from zoo import VIT, ZOO, Architecture

from gradcam import Explainer, suggest_layers, take_apart

CLASSES = [0, 1, 2, 3, 4]


@pytest.fixture(params=ZOO, ids=lambda architecture: architecture.name, scope="module")
def case(request):
    """An architecture, its network, an image and the layers suggested for it."""
    network = request.param.build()
    size = request.param.size
    image = torch.rand(1, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return request.param, network, image, suggest_layers(network, image)


def test_the_explainer_takes_what_is_suggested(case):
    architecture, network, image, suggestions = case
    explanation = Explainer(network, suggestions).explain(image, CLASSES)
    assert explanation.layers == tuple(one.name for one in suggestions) and 1 < len(suggestions) <= 4
    assert explanation.heatmaps.isfinite().all()
    assert explanation.heatmaps[0, :, -1].amax() > 0, "the deepest layer has evidence for one of the classes"
    assert suggestions[-1].grid == architecture.grid
    assert "that still has a place" in suggestions[-1].reason and all(one.reason for one in suggestions)


def test_no_suggestion_is_the_patch_embedding(case):
    """Another patch of the image changes every suggested layer of a transformer at the last place, too."""
    architecture, network, image, suggestions = case
    if architecture.prefix is None:
        pytest.skip("its layers put out maps, which may see as little as a convolution's window")
    changed = image.clone()
    changed[..., :8, :8] = 0
    for one in suggestions[-1:] if len({one.grid for one in suggestions}) > 1 else suggestions:
        change = maps_of(network, one, changed) - maps_of(network, one, image)
        assert change[..., -1, -1].abs().max() > 0, one.name


def test_the_map_is_what_each_place_contributes(case):
    """HiResCAM is d score / d (the place's activations × 1 + ε): a hook scales one place of the layer's raw output."""
    architecture, network, image, suggestions = case
    deepest = suggestions[-1]
    rows, columns = deepest.grid
    expected = torch.zeros(1, 1, rows, columns, dtype=torch.float64)
    for row in range(rows):
        for column in range(columns):
            index = place_in(architecture.prefix, row, column, columns)
            expected[0, 0, row, column] = difference(network, deepest.name, index, image)
    found = Explainer(network, deepest).explain(image, 2, "HiResCAM", signed=True).heatmaps[:, :, 0]
    wanted = F.interpolate(expected, image.shape[2:], mode="bilinear", align_corners=False)
    # Central differences with ε = 1e-5 of float64: 1e-16 / 1e-5 of the score from rounding, ε² from the third order.
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-8)


def test_tokens_are_where_the_image_is(case):
    """A change of one image region changes the tokens most at that region, in the shallowest layer that has some.

    Or beside it, where convolutions with overlapping windows made the tokens.
    """
    architecture, network, image, suggestions = case
    if architecture.prefix is None:
        pytest.skip("its layers put out maps, whose places are where they are")
    layer = next(one for one in suggestions if len(one.shape) == 3)
    rows, columns = layer.grid
    before = maps_of(network, layer, image)
    height, width = image.shape[2] // rows, image.shape[3] // columns
    for row, column in ((0, 0), (0, columns - 1), (rows - 1, 0), (1, 2), (rows - 2, 1)):
        changed = image.clone()
        changed[..., row * height : (row + 1) * height, column * width : (column + 1) * width] *= 0.5
        change = (maps_of(network, layer, changed) - before).norm(dim=1)[0]
        found = divmod(int(change.argmax()), columns)
        distance = max(abs(found[0] - row), abs(found[1] - column))
        assert distance <= (architecture.name in ("Levit", "Cvt", "PvtV2")), (found, row, column)


def test_tokens_in_another_order_are_refused():
    """Hiera sorts its tokens by windows."""
    sizes = {"image_size": [64, 64], "embed_dim": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 2]}
    with pytest.raises(ValueError, match="in the order of the image, row by row, got one that sorts them otherwise"):
        suggest_layers(Architecture("Hiera", sizes, 0, (2, 2)).build(), torch.rand(1, 3, 64, 64))


def vit(**sizes):
    return Architecture("ViT", VIT | sizes, 1, (4, 4), 32).build()


def test_ablation_leaves_tokens_without_a_place_alone():
    """Ablation-CAM's equation by plain hooks: a channel is zeroed at all places, and nowhere else."""
    network, image = vit(), torch.rand(1, 3, 32, 32, dtype=torch.float64)
    layer = suggest_layers(network, image)[-1]
    found = Explainer(network, layer).explain(image, 2, "Ablation-CAM", signed=True).heatmaps[:, :, 0]
    maps, score = maps_of(network, layer, image), network(image)[0, 2].item()
    expected = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    for channel in range(16):

        def without(tokens, channel=channel):
            tokens[:, 1:, channel] = 0
            return tokens

        weight = (score - hooked(network, layer.name, without, image)[0, 2].item()) / abs(score)
        expected[0, 0] += weight * maps[0, channel]
    wanted = F.interpolate(expected, (32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-13)


def test_names_and_suggestions_side_by_side():
    """A caller's reshape is for the names; take_apart takes a suggestion alike."""
    network, image = vit(), torch.rand(1, 3, 32, 32, dtype=torch.float64)
    *_, earlier, layer = suggest_layers(network, image)

    def as_maps(tokens):
        return tokens[:, 1:].mT.unflatten(2, (4, 4))

    mixed = Explainer(network, [layer, earlier.name], reshape=as_maps).explain(image, 0).heatmaps
    assert torch.equal(mixed, Explainer(network, [layer, earlier]).explain(image, 0).heatmaps)
    assert torch.equal(take_apart(network, layer, image[0], 0).heatmap, mixed[0, 0, 0])
    with pytest.raises(ValueError, match="each layer once"):
        Explainer(network, [layer, layer.name])


def test_images_of_another_size_need_other_suggestions():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.mix, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.mix(self.patches(x).flatten(2).mT).relu().mean(1))

    (suggestion,) = suggest_layers(Tokens(), torch.rand(1, 3, 16, 24))
    assert (suggestion.name, suggestion.grid, suggestion.arrangement.kind) == ("mix", (4, 6), "tokens")
    with pytest.raises(ValueError, match=r"0 \+ 4 × 6 tokens, got 16: suggest the layers for images of this size"):
        Explainer(Tokens(), suggestion).explain(torch.rand(1, 3, 16, 16))


def test_depths_are_even_in_a_plain_transformer():
    """A class token is all that is read of the last of 12 blocks, so that the deepest with places is the 11th."""
    suggestions = suggest_layers(vit(num_hidden_layers=12), torch.rand(1, 3, 32, 32))
    assert [one.name for one in suggestions] == [f"model.vit.layers.{index}" for index in (2, 5, 8, 10)]
    two = suggest_layers(vit(num_hidden_layers=12), torch.rand(1, 3, 32, 32), most=2)
    assert [one.name for one in two] == [f"model.vit.layers.{index}" for index in (5, 10)]
    with pytest.raises(ValueError, match="number of layers from 1"):
        suggest_layers(vit(), torch.rand(1, 3, 32, 32), most=0)


def test_a_transformer_of_one_block_is_read_within_it():
    """Its tokens are read by the block's attention alone; its patch embedding is no answer."""
    (suggestion,) = suggest_layers(vit(num_hidden_layers=1), torch.rand(1, 3, 32, 32))
    assert suggestion.name.startswith("model.vit.layers.0.attention.")


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.mix, self.head = nn.Conv2d(3, 6, 3, 2, 1), nn.Linear(6, 7), nn.Linear(7, 3)

    def forward(self, x):
        return self.head(self.mix(self.stem(x).permute(0, 2, 3, 1)).relu().mean((1, 2)))


def test_channels_last_maps_are_moved():
    network, image = ChannelsLast().double(), torch.rand(1, 3, 16, 12, dtype=torch.float64)
    suggestion = suggest_layers(network, image)[-1]
    assert (suggestion.name, suggestion.grid, suggestion.shape) == ("mix", (8, 6), (1, 8, 6, 7))
    expected = Explainer(network, "mix", reshape=lambda maps: maps.permute(0, 3, 1, 2)).explain(image, 1).heatmaps
    torch.testing.assert_close(Explainer(network, suggestion).explain(image, 1).heatmaps, expected, rtol=0, atol=0)
    assert Explainer(network, suggestion).explain(image, 1, "Ablation-CAM").heatmaps.isfinite().all()


def test_a_layer_that_runs_several_times_is_suggested_by_its_run():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 2)

        def forward(self, x):
            for _ in range(3):
                x = torch.tanh(self.conv(x))
            return self.head(x.mean((2, 3)))

    suggestions = suggest_layers(Recurrent(), torch.rand(1, 3, 9, 9))
    assert Explainer(Recurrent(), suggestions).layers == ("conv[0]", "conv[1]", "conv[2]")


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18", ["layer1", "layer2", "layer3", "layer4"]),
        ("vit_tiny_patch16_224", ["blocks.2", "blocks.5", "blocks.8", "blocks.10"]),
        ("swin_tiny_patch4_window7_224", ["layers.0", "layers.1", "layers.2", "layers"]),
        ("mobilenetv3_small_050", ["blocks.0", "blocks.1", "blocks.3", "blocks"]),
    ],
)
def test_stages_of_timm(name, layers):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=5)
    image = torch.rand(1, 3, 224, 224)
    suggestions = suggest_layers(network, image)
    assert [one.name for one in suggestions] == layers
    assert Explainer(network, suggestions).explain(image, CLASSES, signed=True).heatmaps.isfinite().all()


def place_in(prefix, row, column, columns):
    """The index of a place in the layer's raw output."""
    if prefix is None:
        return (slice(None), slice(None), row, column)
    return (slice(None), prefix + row * columns + column)


def hooked(network, name, change, image):
    def hook(module, args, output):
        tensor = output if isinstance(output, torch.Tensor) else output[0]
        changed = change(tensor.clone())
        return changed if isinstance(output, torch.Tensor) else (changed, *output[1:])

    handle = network.get_submodule(name).register_forward_hook(hook)
    try:
        with torch.no_grad():
            return network(image)
    finally:
        handle.remove()


def difference(network, name, index, image, step=1e-5):
    def scaled(factor):
        def change(tensor):
            tensor[index] *= factor
            return tensor

        return hooked(network, name, change, image)[0, 2].item()

    return (scaled(1 + step) - scaled(1 - step)) / (2 * step)


def maps_of(network, suggestion, image):
    """The tokens behind the prefix, as many as there are places, row by row: [1, C, h, w]."""
    outputs = []
    hooked(network, suggestion.name, lambda tensor: outputs.append(tensor) or tensor, image)
    if outputs[0].ndim == 4:
        return outputs[0]
    rows, columns = suggestion.grid
    places = outputs[0][:, outputs[0].shape[1] - rows * columns :]
    return places.transpose(1, 2).reshape(1, -1, rows, columns)
