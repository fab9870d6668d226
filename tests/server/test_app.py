"""Starts of the app: with all arguments, a Hub that serves, a folder of photos; and the log of a start."""

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import replace

import pytest
import torch
from fake_hub import FakeHub, fake_hub, point_to  # noqa: F401 (a fixture)
from fake_kaggle import FakeKaggle, archive
from gradio_client import Client, handle_file
from hub_repositories import repository, upload
from live import ROOT, free_port, running_app

import classifiers
import potplants
from classifiers import hub, registry
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
        "246 example photos, rendered in Blender for this app; the last 6 are real, each by" in what
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


# The real command line, up to the page


COMMAND_LINES = """
import json, sys, types
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

def run(choice, device, photos, place, share):
    told.append([choice.name, choice.reason, photos.origin])

sys.modules["explorer.startup"] = types.SimpleNamespace(run=run)  # no page
lines, kaggle = json.loads(sys.argv[1])
import app
if kaggle:
    import fake_kaggle
    fake_kaggle.send_to(kaggle)
for line in lines:
    told, out, err = [], StringIO(), StringIO()
    sys.argv = ["app.py", "--port", "0", *line]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            app.main()
            status = 0
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue() if status == 0 else err.getvalue(), *told]))
"""


def told_by(home, *lines, kaggle=None, **variables):
    """What app.py says to each list of arguments, one after the other in one process: (status, words, choice)."""
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support"))),
        "HF_HOME": str(home / "hub"),
        "GRADIO_TEMP_DIR": str(home / "gradio"),
        "HOME": str(home),
        **variables,
    }
    command = [sys.executable, "-c", COMMAND_LINES, json.dumps([lines, kaggle])]
    process = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.fixture
def repository_folder(tmp_path):
    place = tmp_path / "my-vit"
    place.mkdir()
    for name, content in repository("vit").items():
        (place / name).write_bytes(content)
    return place


def test_the_command_line_without_the_hub(tmp_path, repository_folder):
    """A Hub that would answer is not asked: neither for the article's classifier nor for a repository."""
    shown = tmp_path / "cats" / "Egyptian_cat"
    shown.mkdir(parents=True)
    (shown / "chelsea.jpg").write_bytes((examples.EMBEDDED / "real/cat.jpg").read_bytes())
    with FakeHub() as served:
        auto, refused, own, imagenet = told_by(
            tmp_path,
            ["--no-hub"],
            ["--no-hub", "--model", "someone/something"],
            ["--no-hub", "--model", str(repository_folder)],
            ["--no-hub", "--model", "imagenet", "--data", str(shown.parent)],
            HF_ENDPOINT=served.url,
        )
        assert served.requests == []
    status, _, (name, reason, origin) = auto
    assert (status, name) == (0, "embedded") and "the Hub may not be asked (HF_HUB_OFFLINE is set)" in reason
    assert origin == "rendered in Blender for this app"
    sentence = "app.py: someone/something cannot be used as a classifier: this server loads nothing from the Hub; "
    assert refused == [2, f"{sentence}choose a classifier of the catalogue.\n"]
    assert own[0] == 0 and own[2][0] == "my-vit"
    assert own[2][1] == "my-vit is speaking, with weights from the folder my-vit of this machine."
    assert imagenet[0] == 0 and imagenet[2][0] == "imagenet" and imagenet[2][2] == "from the folder cats"


def test_the_command_line_with_the_hub(tmp_path):
    with FakeHub() as served:
        name = upload(served, repository("vit"))
        secret = upload(served, repository("vit"), "someone/secret")
        served.announced[f"{name}/model.safetensors"] = 3 * 10**6
        served.private = {secret}
        large, loaded, private, allowed = told_by(
            tmp_path,
            ["--model", name, "--hub-limit", "2MB"],
            ["--model", f"{name}@main", "--hub-limit", "3.1 mb"],
            ["--model", secret],
            ["--model", secret, "--allow-private"],
            HF_ENDPOINT=served.url,
            HF_TOKEN="hf_secret",
        )
        sent = {request.token for request in served.requests if name in request.path}
    sentence = f"app.py: {name} cannot be used as a classifier: it has 3 MB, and at most 2 MB are loaded here; "
    assert large == [2, f"{sentence}choose a smaller one.\n"]
    assert loaded[0] == 0 and loaded[2][0] == f"{name}@main" and f"Fetching {name}@main: 100 %\n" in loaded[1]
    assert sent == {None}  # the server's token is not for everybody's repositories
    assert private[0] == 2 and "the Hub has no such public repository; check its name" in private[1]
    assert allowed[0] == 0 and allowed[2][0] == secret


def test_the_command_line_with_kaggles_photos(tmp_path):
    pytest.importorskip("kagglehub", reason="kagglehub, which fetches them, is not installed")
    photos = {
        f"{split}/{label}_0.jpg": (examples.EMBEDDED / f"{split}/{label}_000.jpg").read_bytes()
        for split in ("val", "test")
        for label in range(4)
    }
    with FakeKaggle(archive(photos)) as kaggle:
        fetched, refused = told_by(
            tmp_path,
            ["--data", "kaggle", "--model", "embedded"],
            ["--data", "kaggle@2"],
            kaggle=kaggle.url,
            KAGGLEHUB_CACHE=str(tmp_path / "kaggle"),
        )
    credit = "Pot Plant Dataset by Conor O'Sullivan, CC BY 4.0"
    assert fetched[:2] == [0, f"Fetching the {credit}, from Kaggle or its cache\n"]
    assert fetched[2][2] == f"from the {credit}, on Kaggle"
    status, sentence = refused
    assert status == 2 and sentence.count("\n") == 1
    assert sentence.startswith("app.py: The Pot Plant Dataset cannot be had from Kaggle: Kaggle has no such version")


def test_the_log_names_weights_that_have_no_file_of_their_own(monkeypatch):
    """imagenet's are compared; a repository of the Hub has a commit, a folder its name."""
    own = replace(classifiers.find("imagenet"), name="my-vit", origin="the folder my-vit of this machine")
    monkeypatch.setattr(registry, "_registered", {"my-vit": own})
    monkeypatch.setattr(hub, "find", lambda name: replace(own, name=name, revision="0123456789abcdef" * 2))
    assert [startup._weights_line(name) for name in ("imagenet", "my-vit", "a/b")] == [
        "Weights: imagenet, SHA-256 579344248a93, as published",
        "Weights: my-vit, from the folder my-vit of this machine",
        "Weights: a/b, commit 0123456789ab",
    ]
