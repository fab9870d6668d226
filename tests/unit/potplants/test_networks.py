"""The networks match the published files in layout and size, and compute what their layers define."""

import pytest
import torch

import potplants
from potplants import CNN, CNNWithGAP

CONV_BLOCKS = (
    {"weight": (16, 3, 3, 3), "bias": (16,)},
    {"weight": (32, 16, 3, 3), "bias": (32,)},
    {"weight": (64, 32, 3, 3), "bias": (64,)},
)


def layout(network) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def convolutions(*numbers: int) -> dict[str, tuple[int, ...]]:
    return {f"conv_layers.{n}.{kind}": shape for n, block in zip(numbers, CONV_BLOCKS) for kind, shape in block.items()}


def on_meta_device(make):
    with torch.device("meta"):
        return make()


def test_public_names_are_importable():
    assert sorted(potplants.__all__) == potplants.__all__
    assert {"load", "CLASSES", "CNN", "CNNWithGAP"} <= set(potplants.__all__)
    assert all(hasattr(potplants, name) for name in potplants.__all__)
    assert potplants.CLASSES == ("rudo", "baya", "greg", "yuki")


@pytest.mark.parametrize(("classes", "hidden", "size"), [(4, 500, 256), (4, 32, 256), (1, 500, 224)])
def test_cnn_has_the_published_layout(classes, hidden, size):
    network = on_meta_device(lambda: CNN(classes=classes, hidden=hidden, size=size))
    assert layout(network) == convolutions(0, 3, 6) | {
        "fc_layers.1.weight": (hidden, 64 * (size // 8) ** 2),
        "fc_layers.1.bias": (hidden,),
        "fc_layers.3.weight": (classes, hidden),
        "fc_layers.3.bias": (classes,),
    }
    assert network.size == size


def test_gap_has_the_published_layout():
    network = CNNWithGAP()
    assert layout(network) == convolutions(0, 2, 4) | {"fc.1.weight": (4, 64), "fc.1.bias": (4,)}
    assert network.size == 256


@pytest.mark.parametrize(
    ("make", "published_bytes"),
    [(CNN, 131_179_868), (CNNWithGAP, 98_280), (lambda: CNN(classes=1, size=224), 100_453_916)],
    ids=["cnn", "gap", "car"],
)
def test_parameter_count_matches_the_published_file_sizes(make, published_bytes):
    """Independent of the layers assumed above: float32 numbers and a few KB of format overhead make up the file."""
    numbers = sum(parameter.numel() for parameter in on_meta_device(make).parameters())
    assert 0 < published_bytes - 4 * numbers < 5_000


def test_cnn_halves_the_side_three_times():
    network = CNN(hidden=8, size=32).eval()
    images = torch.rand(2, 3, 32, 32)
    assert network.conv_layers(images).shape == (2, 64, 4, 4)
    assert network(images).shape == (2, 4)


def test_gap_logits_are_weighted_means_of_the_last_maps():
    """The identity behind CAM: pooling and the linear layer commute."""
    network = CNNWithGAP().eval()
    images = torch.rand(2, 3, 24, 40)
    maps = network.conv_layers(images)  # [B, 64, H, W]
    cams = torch.einsum("nc,bchw->bnhw", network.fc[1].weight, maps)
    assert maps.shape == (2, 64, 24, 40)
    torch.testing.assert_close(network(images), cams.mean(dim=(2, 3)) + network.fc[1].bias)


@pytest.mark.parametrize("network", [CNN(hidden=8, size=32), CNNWithGAP()], ids=["cnn", "gap"])
def test_convolution_outputs_keep_negative_values(network):
    """An in-place ReLU would overwrite them before Grad-CAM could read them."""
    seen = []
    for layer in network.conv_layers:
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network.eval()(torch.rand(1, 3, 32, 32))
    assert len(seen) == 3 and all(output.min() < 0 for output in seen)


@pytest.mark.parametrize("size", [0, -8, 100])
def test_size_that_is_no_multiple_of_eight_is_refused(size):
    with pytest.raises(ValueError, match=f"multiple of 8, got {size}"):
        CNN(size=size)
