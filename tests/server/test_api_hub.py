"""Repositories of the Hub through a live server: answers as the libraries give them, refusals in one sentence."""

import json

import numpy as np
import pytest
import torch
from fake_hub import COMMIT, FakeHub
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hub_repositories import repository, upload, with_json
from live import running_app
from PIL import Image
from tolerances import same_logits

from gradcam import Explainer, suggest_layers

transformers = pytest.importorskip("transformers")

VIT = "owner/vit"
REFUSED = {  # repository → what its sentence says
    "owner/pickle": "it has no weights as model.safetensors",
    "owner/code": "auto_map",
    "owner/detector": "ObjectDetection",
    "owner/timm": "pip install '.\\[timm\\]'",
    "owner/nothing": "the Hub has no such public repository",
}


@pytest.fixture(scope="module")
def hub():
    vit = repository("vit")
    weights = vit["model.safetensors"]
    timm = {"architecture": "resnet18", "num_classes": 5, "pretrained_cfg": {"input_size": [3, 64, 64]}}
    with FakeHub() as hub:
        upload(hub, vit, VIT)
        upload(
            hub,
            {**{k: v for k, v in vit.items() if k != "model.safetensors"}, "pytorch_model.bin": b"\x80"},
            "owner/pickle",
        )
        upload(hub, with_json(vit, "config.json", auto_map={"AutoConfig": "owner/code--configuration.C"}), "owner/code")
        upload(hub, with_json(vit, "config.json", architectures=["ViTForObjectDetection"]), "owner/detector")
        upload(hub, {"config.json": json.dumps(timm).encode(), "model.safetensors": weights}, "owner/timm")
        yield hub


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    with running_app(tmp_path_factory.mktemp("hub"), "--model", "embedded", HF_ENDPOINT=hub.url) as url:
        yield Client(url, verbose=False)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """Square and of the network's own size, so that nothing is resized: RGB, lossless."""
    file = tmp_path_factory.mktemp("photo") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(file)
    return file


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """As the library itself loads it."""
    folder = tmp_path_factory.mktemp("vit")
    for name, content in repository("vit").items():
        (folder / name).write_bytes(content)
    return transformers.AutoModelForImageClassification.from_pretrained(folder).eval()


def test_heatmaps_are_the_modules_over_the_librarys_network(client, photo, network):
    with np.load(client.predict(image=handle_file(photo), model=VIT, api_name="/heatmaps")) as file:
        arrays = dict(file)
    pixels = np.asarray(Image.open(photo))
    images = (
        torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    )  # the ViT processor's mean and std
    layers = suggest_layers(network, images)
    explanation = Explainer(network, layers).explain(images, [0, 1, 2, 3, 4, "mixture"])
    assert list(arrays["layers"]) == [layer.name for layer in layers] and list(arrays["seen"]) == [0, 0, 32, 32]
    assert list(arrays["targets"]) == ["cat", "dog", "cat (2)", "tree", "car", "mixture"]
    same_logits(torch.from_numpy(arrays["logits"]), explanation.logits[0])
    expected = explanation.heatmaps[0].numpy()
    # The app's attention is computed in another order than the library's: single precision, through one block.
    np.testing.assert_allclose(arrays["heatmaps"], expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_every_tab_asks_it(client, photo):
    image = handle_file(photo)
    gallery, report = client.predict(image=image, model=VIT, api_name="/explain")
    assert report["revision"] == COMMIT and len(gallery) == len(report["cells"]) + 6  # and a column for all layers
    steps, _ = client.predict(image=image, model=VIT, target="dog", api_name="/step_by_step")
    assert steps["target"] == "dog" and steps["layer"] == report["layers"][-1] and len(steps["weights"]) == 16
    *_, changed = client.predict(image=image, model=VIT, edit="blur", api_name="/what_if")
    assert [one["name"] for one in changed["change"]] == [one["name"] for one in report["classes"]]
    checked = client.predict(image=image, model=VIT, api_name="/trust")
    assert len(checked["methods"]) == 11 and "No other training" in checked["seeds"]["verdict"]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_sentence(client, photo, name):
    with pytest.raises(AppError, match=REFUSED[name]) as caught:
        client.predict(image=handle_file(photo), model=name, api_name="/explain")
    message = str(caught.value)
    assert message.startswith(name) and message.endswith(".") and "\n" not in message and ". " not in message


def test_a_name_that_no_repository_can_have(client, photo):
    with pytest.raises(AppError, match="owner/name") as caught:
        client.predict(image=handle_file(photo), model="../" + "x" * 150, api_name="/explain")
    assert "x" * 50 not in str(caught.value)


def test_nothing_but_json_and_safetensors_was_asked_for(hub, client):
    """The last of this file: what all the others had fetched."""
    files = {request.path.rsplit("/", 1)[1] for request in hub.requests if "/resolve/" in request.path}
    assert files <= {"config.json", "preprocessor_config.json", "model.safetensors"}
