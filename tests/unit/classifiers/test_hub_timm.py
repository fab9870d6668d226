"""Repositories of timm over HTTP: published weights under timm's names, its transforms, and its arguments checked."""

import json

import pytest
import torch
from hub_repositories import REPO, fetched, photo, upload
from safetensors.torch import load, save

import classifiers
from classifiers import imagenet
from classifiers.hub import RepositoryError, from_timm
from classifiers.hub.processors import synthetic

timm = pytest.importorskip("timm", exc_type=ImportError, reason="run by test_hub_timm_apart.py")

LITE = {
    "architecture": "tf_efficientnet_lite0",
    "num_classes": 1000,
    "pretrained_cfg": {
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "crop_pct": 0.875,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "num_classes": 1000,
        "classifier": "classifier",
    },
}


def small(architecture="test_resnet", classes=3, **config):
    """A repository as timm writes one, with random weights."""
    torch.manual_seed(0)
    network = timm.create_model(architecture, num_classes=classes, **config.get("model_args", {}))
    about = {"input_size": [3, 64, 64], "crop_pct": 0.9, "num_classes": classes}
    content = {"architecture": architecture, "num_classes": classes, "pretrained_cfg": about, **config}
    return network.eval(), {
        "config.json": json.dumps(content).encode(),
        "model.safetensors": save(network.state_dict()),
    }


def refused(fake_hub, files):
    upload(fake_hub, files)
    with pytest.raises(RepositoryError) as caught:
        classifiers.load(REPO)
    message = str(caught.value)
    assert message.endswith(".") and ". " not in message and "\n" not in message
    return caught.value.fault


def test_published_weights_give_the_logits_of_the_catalogues_own_network(fake_hub):
    own = classifiers.load("imagenet")
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    state = own.network.state_dict()
    assert len(names) == len(state)
    weights = save({name: value.contiguous() for name, value in zip(names, state.values())})
    classifier = classifiers.load(
        upload(fake_hub, {"config.json": json.dumps(LITE).encode(), "model.safetensors": weights})
    )
    assert classifier.classes == imagenet.classes() and fetched(fake_hub) == {"config.json", "model.safetensors"}
    pixels = synthetic(320, 412)  # an even surplus on both sides, where both ways to round a crop agree
    with torch.no_grad():
        expected, logits = own.network(own.input_of(pixels)), classifier.network(classifier.input_of(pixels))
    # 50 layers of sums in single precision in another order, over logits of about 10.
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize("crop", [0.875, 0.9, 1.0])
@pytest.mark.parametrize("filter_name", ["bicubic", "bilinear"])
def test_photos_are_laid_out_as_the_librarys_transforms_do(mode, crop, filter_name):
    from PIL import Image

    about = {"input_size": [3, 65, 65], "interpolation": filter_name, "crop_pct": crop, "crop_mode": mode}
    about |= {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    ours = from_timm.preprocessing_of({"pretrained_cfg": about})
    theirs = timm.data.create_transform(**{**about, "input_size": (3, 65, 65)})
    for height, width in ((75, 104), (303, 90), (64, 65), (65, 65)):
        pixels = photo(height, width)
        frame = ours.frame(pixels)
        torch.testing.assert_close(ours.tensor(frame.canvas, frame.seen)[0], theirs(Image.fromarray(pixels)))


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("test_resnet", {}),
        ("test_vit", {"img_size": 64}),
        ("test_convnext", {"drop_path_rate": 0.1}),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2, "depths": [1, 1, 1, 1], "embed_dim": 12}),
    ],
)  # fmt: skip
def test_logits_are_the_librarys_own(fake_hub, architecture, arguments):
    network, files = small(architecture, model_args=arguments)
    classifier = classifiers.load(upload(fake_hub, files))
    image = classifier.input_of(photo())
    with torch.no_grad():
        torch.testing.assert_close(classifier.network(image), network(image))
    assert classifier.classes == ("class 0", "class 1", "class 2") and classifier.layers


def test_labels(fake_hub):
    names, words = ["n1", "n2", "n3"], {"n1": "pot", "n3": "pot"}
    files = small(label_names=names, label_descriptions=words)[1]
    assert classifiers.load(upload(fake_hub, files)).classes == ("pot", "n2", "pot (2)")


def test_configuration_of_one_level(fake_hub):
    files = small()[1]
    flat = {"architecture": "test_resnet", "input_size": [3, 64, 64], "num_classes": 3, "labels": ["a", "b", "c"]}
    assert classifiers.load(upload(fake_hub, {**files, "config.json": json.dumps(flat).encode()})).classes == (
        "a",
        "b",
        "c",
    )


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"architecture": "hf-hub:someone/else"}, "its config.json names no architecture"),
        ({"architecture": "local-dir:/etc"}, "its config.json names no architecture"),
        ({"architecture": "nothing_known"}, "timm knows no architecture nothing_known"),
        ({"num_classes": 0}, "it is no image classifier (config.json has no num_classes of 1 or more)"),
        ({"num_classes": 25_001}, "it says that it has 25001 classes, and 1 to 25000 can be shown"),
        ({"num_classes": 4}, "its weights hold fc.weight"),
        ({"model_args": {"pretrained": True}}, "an argument that is not known here (pretrained)"),
        ({"model_args": {"checkpoint_path": "x"}}, "an argument that is not known here (checkpoint_path)"),
        ({"model_args": {"act_layer": "https://x/y"}}, "an argument that is not known here (act_layer)"),
        ({"model_args": {"nonsense": 1}}, "no network can be built from its configuration"),
        ({"model_args": {"layers": [10**9]}}, "no classifier has such a size"),
        ({"model_args": {"layers": [200] * 400}}, "its configuration describes a network of"),
        ({"model_args": {"in_chans": 4}}, "its weights hold conv1.0.weight"),
        ({"pretrained_cfg": {"input_size": [1, 64, 64]}}, "its network does not take photos in three colours"),
        ({"pretrained_cfg": {"input_size": [3, 64, 5000]}}, "and 16 to 1024 can be given"),
        ({"pretrained_cfg": {"crop_mode": "border"}}, "its preprocessing is of a kind that is not known here"),
        ({"pretrained_cfg": {"interpolation": "random"}}, "its preprocessing is of a kind that is not known here"),
        ({"pretrained_cfg": {"std": [0, 1, 1]}}, "its preprocessing divides by zero"),
        ({"pretrained_cfg": {"url": "https://x/y.pth", "file": "/etc/passwd"}}, ""),
    ],
)  # fmt: skip
def test_refusals(fake_hub, changes, clause):
    files = small()[1]
    content = {**json.loads(files["config.json"]), **changes}
    files = {**files, "config.json": json.dumps(content).encode()}
    if not clause:  # places to find weights are not passed on
        assert classifiers.load(upload(fake_hub, files)).classes
        return
    assert clause in refused(fake_hub, files)


def test_shapes_are_compared_before_weights_are_read(fake_hub, monkeypatch):
    files = small()[1]
    tensors = load(files["model.safetensors"])
    tensors["fc.bias"] = torch.zeros(7)
    monkeypatch.setattr(from_timm, "load_file", lambda *_: pytest.fail("the weights were read"))
    clause = "its weights hold fc.bias 7, and the network needs 3"
    assert refused(fake_hub, {**files, "model.safetensors": save(tensors)}) == clause
