"""Starts of the app: with all arguments, a Hub that serves, a folder of photos; and the log of a start."""

import hashlib
import json
import urllib.request
from dataclasses import replace

import pytest
import torch
from fake_hub import fake_hub, point_to  # noqa: F401 (a fixture)
from gradio_client import Client, handle_file
from live import free_port, running_app

import potplants
from explorer import page, startup
from explorer.explanation.device import Device
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from potplants import MODELS, Choice, CNNWithGAP, models

STORY = examples.embedded().story.file
GAP = "pot_plant_classifier_gap"
HUB_PATH = "{0.repo}/{0.path}".format(MODELS[GAP].weights)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """The small network's weights, and random ones at that."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "gap.pth"
    torch.save(CNNWithGAP().state_dict(), file)
    return file


def config(url):
    with urllib.request.urlopen(f"{url}/config") as answer:
        return answer.read().decode()


def test_started_with_all_arguments(fake_hub, weights_file, tmp_path):  # noqa: F811
    """A Hub that serves, a folder of photos, an address, and a public link that cannot be made."""
    fake_hub.files[HUB_PATH] = weights_file.read_bytes()
    folder = tmp_path / "photos" / "test"
    folder.mkdir(parents=True)
    (folder / "2_greg.jpg").write_bytes((examples.EMBEDDED / "test/2_001.jpg").read_bytes())
    (folder / "secret.txt").write_text("not for visitors")
    port, nowhere = free_port(), f"127.0.0.1:{free_port()}"  # in place of Gradio's tunnels, which no test may contact
    arguments = [
        "--host",
        "localhost",
        "--port",
        str(port),
        "--model",
        GAP,
        "--data",
        str(tmp_path / "photos"),
        "--share",
    ]
    variables = {
        "HF_ENDPOINT": fake_hub.url,
        "GRADIO_SERVER_PORT": "1",
        "GRADIO_SHARE_SERVER_ADDRESS": nowhere,
        "https_proxy": f"http://{nowhere}",
    }
    with running_app(tmp_path, *arguments, **variables) as url:
        assert url == f"http://localhost:{port}"
        check_the_hubs_model_speaks(url)
        check_the_folder_is_shown(url, folder)
    what, who, weights, _, address, link = (tmp_path / "app.log").read_text().splitlines()
    assert "1 example photos, from the folder photos" in what and who.startswith(f"{GAP} is speaking")
    assert "not the published file" in weights
    assert address == f"Open {url}/" and link.startswith("No public link (") and url in link


def check_the_hubs_model_speaks(url):
    client = Client(url, verbose=False)
    gallery, report = client.predict(image=handle_file(STORY), api_name="/explain")
    assert report["model"] == GAP and report["layers"] == ["conv_layers.0", "conv_layers.2", "conv_layers.4"]
    assert len(gallery) == 20
    listing = {entry["name"]: entry for entry in client.predict(api_name="/models")}
    assert listing[GAP]["reachable"] and listing[GAP]["sha256_matches"] is False  # ours are not the published weights


def check_the_folder_is_shown(url, folder):
    page = config(url)
    assert "Greg, 2_greg.jpg" in page and "rendered in Blender" not in page
    shown = json.loads(page)["components"]
    [photo] = [part["props"]["value"]["url"] for part in shown if part["props"].get("elem_id") == "photo"]
    assert urllib.request.urlopen(photo).read() == (folder / "2_greg.jpg").read_bytes()
    for name in ("2_greg.jpg", "secret.txt"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{url}/gradio_api/file={folder / name}")


def test_the_log_of_a_start_has_five_lines(app_url, app_home):
    what, who, weights, device, address = (app_home / "app.log").read_text().splitlines()[:5]
    assert (
        "240 example photos" in what
        and "The embedded classifier is speaking: the Hub cannot be reached (connection refused)." in who
    )
    assert MODELS["embedded"].sha256[:12] in weights and weights.endswith("as published")
    assert device.startswith("Device: cpu, ") and "thread" in device
    assert address == f"Open {app_url}/"


def test_the_log_names_weights_that_are_not_published(monkeypatch, weights_file):
    monkeypatch.setitem(MODELS, GAP, replace(MODELS[GAP], weights=weights_file))
    weights = startup.log(Choice(GAP, "It speaks."), examples.embedded(), Device("cpu")).splitlines()[2]
    ours = hashlib.sha256(weights_file.read_bytes()).hexdigest()
    assert ours[:12] in weights and f"not the published file, which is {MODELS[GAP].sha256[:12]}" in weights


def test_the_page_says_why_another_model_is_used(fake_hub, monkeypatch):  # noqa: F811
    """Here for a file that is no weights; what else can be wrong with a Hub is in test_models."""
    monkeypatch.setattr(models, "_networks", {})
    fake_hub.files[HUB_PATH] = b"<html>sign in first</html>" * 100
    choice = potplants.choose(GAP)
    assert (
        choice.name == "embedded"
        and "embedded classifier is speaking" in choice.reason
        and "model.pth" in choice.reason
    )
    built = page.build(choice, examples.embedded(), ExplanationService("cpu"))
    [speaking] = [block.value for block in built.blocks.values() if block.elem_id == "speaking"]
    sentence = "embedded classifier is speaking in place of pot_plant_classifier_gap: "
    sentence += "models/pot_plant_classifier_gap/model.pth cannot be used"
    assert sentence in speaking
