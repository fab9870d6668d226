"""The app started as people start it: with a Hub that serves, lies or is silent, with a folder of one's own, by arguments."""

import hashlib
import json
import subprocess
import sys
import time
import urllib.request

import pytest
import torch
from fake_hub import FakeHub
from gradio_client import Client, handle_file
from live import ROOT, free_port, running_app

from explorer import examples
from potplants import MODELS, CNNWithGAP

STORY = examples.embedded().story.file
GAP = "pot_plant_classifier_gap"


def config(url):
    with urllib.request.urlopen(f"{url}/config") as answer:
        return answer.read().decode()


@pytest.fixture
def hub(tmp_path):
    """A Hub that has the small network's weights, and random ones at that."""
    torch.manual_seed(0)
    torch.save(CNNWithGAP().state_dict(), tmp_path / "gap.pth")
    with FakeHub() as hub:
        file = MODELS[GAP].weights
        hub.files[f"{file.repo}/{file.path}"] = (tmp_path / "gap.pth").read_bytes()
        yield hub


def test_the_hubs_model_speaks_when_it_is_served(hub, tmp_path):
    with running_app(tmp_path, "--model", GAP, HF_ENDPOINT=hub.url) as url:
        assert GAP in (tmp_path / "app.log").read_text()
        client = Client(url, verbose=False)
        gallery, report = client.predict(image=handle_file(STORY), api_name="/explain")
        assert report["model"] == GAP and report["layers"] == ["conv_layers.0", "conv_layers.2", "conv_layers.4"]
        assert len(gallery) == 20
        listing = {entry["name"]: entry for entry in client.predict(api_name="/models")}
        assert (
            listing[GAP]["reachable"] and listing[GAP]["sha256_matches"] is False
        )  # ours are not the published weights


def test_a_file_that_is_no_weights_gives_way_to_the_embedded_model(hub, tmp_path):
    file = MODELS[GAP].weights
    hub.files[f"{file.repo}/{file.path}"] = b"<html>sign in first</html>" * 100
    with running_app(tmp_path, "--model", GAP, HF_ENDPOINT=hub.url) as url:
        spoken = (tmp_path / "app.log").read_text()
        assert "embedded classifier is speaking" in spoken and "model.pth" in spoken and "Traceback" not in spoken
        assert "embedded classifier is speaking" in config(url)
        _, report = Client(url, verbose=False).predict(image=handle_file(STORY), api_name="/explain")
        assert report["model"] == "embedded"


def test_a_silent_hub_does_not_keep_the_page_away(hub, tmp_path):
    """The time limit itself is held by test_models; here the page comes up at all."""
    hub.mode = "hang"
    with running_app(tmp_path, HF_ENDPOINT=hub.url) as url:
        assert "embedded classifier is speaking" in config(url)


def test_a_folder_of_ones_own(tmp_path):
    folder = tmp_path / "photos" / "test"
    folder.mkdir(parents=True)
    (folder / "2_greg.jpg").write_bytes((examples.EMBEDDED / "test/2_001.jpg").read_bytes())
    (folder / "secret.txt").write_text("not for visitors")
    with running_app(tmp_path, "--data", str(tmp_path / "photos")) as url:
        page = config(url)
        assert "Greg, 2_greg.jpg" in page and "rendered in Blender" not in page
        shown = json.loads(page)["components"]
        [photo] = [part["props"]["value"]["url"] for part in shown if part["props"].get("elem_id") == "photo"]
        assert urllib.request.urlopen(photo).read() == (folder / "2_greg.jpg").read_bytes()
        for name in ("2_greg.jpg", "secret.txt"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{url}/gradio_api/file={folder / name}")


def test_the_arguments_say_where_to_serve(tmp_path):
    port = free_port()
    command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port), "--model", "embedded"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert any(f"http://127.0.0.1:{port}" in line for line in process.stdout)
        assert json.loads(config(f"http://127.0.0.1:{port}"))["title"] == "Where did it look?"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def printed(home, lines):
    """What the app has printed, once there are that many lines of it."""
    until = time.monotonic() + 60
    while len(told := (home / "app.log").read_text().splitlines()) < lines and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)  # for what should not come
    return (home / "app.log").read_text().splitlines() if len(told) >= lines else told


def test_five_lines_tell_what_is_served(tmp_path):
    with running_app(tmp_path, "--model", "embedded") as url:
        what, who, weights, device, address = printed(tmp_path, 5)
    assert "240 example photos" in what and "embedded is speaking" in who
    assert MODELS["embedded"].sha256[:12] in weights and weights.endswith("as published")
    assert device.startswith("Device: cpu, ") and "thread" in device
    assert url in address


def test_the_log_tells_of_weights_that_nobody_published(hub, tmp_path):
    with running_app(tmp_path, "--model", GAP, HF_ENDPOINT=hub.url):
        weights = printed(tmp_path, 5)[2]
    ours = hashlib.sha256((tmp_path / "gap.pth").read_bytes()).hexdigest()
    assert ours[:12] in weights and f"not the published file, which is {MODELS[GAP].sha256[:12]}" in weights


def test_no_public_link_is_one_line_and_the_page_goes_on(tmp_path):
    nowhere = f"127.0.0.1:{free_port()}"  # in place of Gradio's own tunnels, which no test may ask
    with running_app(
        tmp_path, "--model", "embedded", "--share", GRADIO_SHARE_SERVER_ADDRESS=nowhere, https_proxy=f"http://{nowhere}"
    ) as url:
        *five, link = printed(tmp_path, 6)
        assert len(five) == 5 and link.startswith("No public link (") and url in link
        assert json.loads(config(url))["title"] == "Where did it look?"
