"""Which model the app starts with, and why: catalogue, loading, fallback, and the sentences visitors read."""

import hashlib
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import torch
from fake_hub import fake_hub, point_to, refused_url  # noqa: F401 (a fixture)
from live import ROOT
from safetensors.torch import save_file

import potplants
from potplants import MODELS, HubError, WeightsError, availability, catalogue, choose, hub, load, models
from potplants.hub import downloads, metadata
from potplants.networks import CNN, CNNWithGAP

CNN_NAME, GAP_NAME = "pot_plant_classifier", "pot_plant_classifier_gap"
CNN_BYTES = 131_179_868  # as published
SILENT_HUB_SECONDS = metadata.PROBE_SECONDS + downloads.STALL_SECONDS  # as shipped; tests use shorter or longer limits


def serialised(state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def cnn_file() -> bytes:
    """A file as large as the published one. Its weights are zeros except for the last bias, so its logits are known."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in CNN().state_dict().items()}
    state = {name: torch.zeros(shape) for name, shape in shapes.items()}
    state["fc_layers.3.bias"] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    return serialised(state)


@pytest.fixture(scope="session")
def gap_file() -> bytes:
    torch.manual_seed(1)
    return serialised(CNNWithGAP().state_dict())


@pytest.fixture(scope="session")
def embedded_file(tmp_path_factory) -> Path:
    """Random weights in place of the embedded ones, where a test is not about them."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("weights") / "embedded.safetensors"
    save_file({name: tensor.half() for name, tensor in CNN(hidden=32).state_dict().items()}, path)
    return path


@pytest.fixture(autouse=True)
def isolated(monkeypatch, embedded_file):
    """Each test starts without loaded networks or earlier requests, with an embedded model and long time limits."""
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 60)
    monkeypatch.setattr(downloads, "STALL_SECONDS", 60)
    monkeypatch.setattr(models, "LISTING_SECONDS", 60)
    monkeypatch.setattr(models, "_networks", {})
    monkeypatch.setattr(metadata, "_requests", {})
    monkeypatch.setattr(downloads, "_downloads", {})
    monkeypatch.setitem(MODELS, "embedded", replace(MODELS["embedded"], weights=embedded_file))


@pytest.fixture
def server(fake_hub, gap_file):  # noqa: F811
    serve(fake_hub, GAP_NAME, gap_file)
    return fake_hub


def serve(server, name: str, content: bytes) -> None:
    file = MODELS[name].weights
    server.files[f"{file.repo}/{file.path}"] = content


def publish(monkeypatch, name: str, content: bytes) -> None:
    """Make `content` the published file in the catalogue."""
    monkeypatch.setitem(MODELS, name, replace(MODELS[name], sha256=hashlib.sha256(content).hexdigest()))


def availability_of(name: str) -> dict:
    return next(entry for entry in availability() if entry["name"] == name)


def with_flipped_bit(content: bytes) -> bytes:
    """Same length and still readable, but one bit of a weight is flipped: torch verifies no checksum."""
    state = torch.load(io.BytesIO(content))
    where = content.index(state["fc.1.weight"].numpy().tobytes())
    return content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :]


# ---------------------------------------------------------------------------------------------------------- catalogue


def test_catalogue_lists_the_models_in_order():
    assert list(MODELS) == [CNN_NAME, GAP_NAME, "car_single_room", "embedded", "debiased", "embedded_gap"]
    assert all(name == model.name for name, model in MODELS.items())


@pytest.mark.parametrize("name", MODELS)
def test_catalogue_entry_matches_its_network(name):
    model = MODELS[name]
    with torch.device("meta"):
        network = model.network()
        logits = network.eval()(torch.zeros(1, 3, model.size, model.size))
    convolutions = tuple(layer for layer, module in network.named_modules() if isinstance(module, torch.nn.Conv2d))
    assert model.layers == convolutions, "listed in forward order"
    assert logits.shape == (1, len(model.classes))
    assert network.size == model.size
    assert model.answers == ("number" if logits.shape[1] == 1 else "class") and model.trained_on
    with pytest.raises(FrozenInstanceError):
        model.name = "another"


def test_unknown_names_are_refused_with_the_known_ones():
    for function in (load, choose):
        with pytest.raises(ValueError, match=f"no model 'pot_plant'; choose one of {', '.join(MODELS)}"):
            function("pot_plant")


# --------------------------------------------------------------------------------------------------------------- load


def test_embedded_model_loads_its_real_file(monkeypatch):
    """As in an app without a network connection."""
    monkeypatch.setitem(MODELS, "embedded", next(model for model in catalogue._CATALOGUE if model.name == "embedded"))
    network = load("embedded")
    assert not network.training
    assert network(torch.rand(2, 3, 256, 256)).shape == (2, 4)


def test_load_downloads_the_file_from_the_hub(server, cnn_file):
    """At full size, so that layout, length and download are those of the published file."""
    assert abs(len(cnn_file) - CNN_BYTES) < 5_000
    serve(server, CNN_NAME, cnn_file)
    seen = []
    network = load(CNN_NAME, progress=seen.append)
    assert isinstance(network, CNN) and not network.training
    assert network(torch.rand(1, 3, 256, 256)).tolist() == [[1.0, 2.0, 3.0, 4.0]]
    assert seen[-1] == 1.0


def test_loaded_network_computes_the_same_logits(server, gap_file):
    oracle = CNNWithGAP()
    oracle.load_state_dict(torch.load(io.BytesIO(gap_file)))
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(load(GAP_NAME)(images), oracle.eval()(images))


def test_concurrent_loads_share_one_download_and_one_network(server):
    server.chunk_pause = 0.02
    with ThreadPoolExecutor(8) as pool:
        networks = list(pool.map(lambda _: load(GAP_NAME), range(8)))
    assert all(network is networks[0] for network in networks)
    assert len(server.got("GET")) == 1


def test_load_succeeds_after_an_earlier_failure(server):
    server.mode = "broken"
    with pytest.raises(HubError):
        load(GAP_NAME)
    server.mode = "ok"
    assert isinstance(load(GAP_NAME), CNNWithGAP)


def test_concurrent_loads_share_one_failure(server, monkeypatch):
    """Otherwise the tenth caller would wait ten times for a silent Hub."""
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 0.5)
    server.mode = "hang"

    def failing_load(_):
        with pytest.raises(HubError, match="did not answer"):
            load(GAP_NAME)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(failing_load, range(8)))
    assert len(server.requests) == 1


# ----------------------------------------------------------------------------------------------------- unusable files


def test_unusable_weights_are_refused_and_evicted(server, gap_file):
    serve(server, GAP_NAME, gap_file[:5000])
    with pytest.raises(WeightsError, match="cut short.*removed from the cache, so asking again fetches a new copy"):
        load(GAP_NAME)
    assert hub.cached(MODELS[GAP_NAME].weights) is None
    serve(server, GAP_NAME, gap_file)
    assert isinstance(load(GAP_NAME), CNNWithGAP)


def test_damaged_cached_file_is_replaced_by_the_next_call(server):
    path = hub.fetch(MODELS[GAP_NAME].weights)
    path.resolve().write_bytes(b"")
    with pytest.raises(WeightsError, match="it is empty"):
        load(GAP_NAME)
    assert isinstance(load(GAP_NAME), CNNWithGAP)


def test_published_file_is_kept_even_if_it_does_not_fit(server, monkeypatch):
    """Then the catalogue is wrong, and downloading the same 131 MB again would not help."""
    content = serialised({"of": torch.ones(1), "another": torch.ones(1)})
    serve(server, GAP_NAME, content)
    publish(monkeypatch, GAP_NAME, content)
    with pytest.raises(WeightsError, match="it lacks"):
        load(GAP_NAME)
    assert hub.cached(MODELS[GAP_NAME].weights) is not None


def test_corrupted_but_readable_file_is_used_and_reported_as_different(server, monkeypatch, gap_file):
    publish(monkeypatch, GAP_NAME, gap_file)
    corrupted = with_flipped_bit(gap_file)
    assert len(corrupted) == len(gap_file) and corrupted != gap_file
    serve(server, GAP_NAME, corrupted)
    choice = choose(GAP_NAME)
    assert choice.name == GAP_NAME and "not the one that was published" in choice.reason
    assert availability_of(GAP_NAME)["sha256_matches"] is False


def test_corrupted_unreadable_file_is_refused(server, gap_file):
    serve(server, GAP_NAME, gap_file[:-200] + bytes(200))
    choice = choose(GAP_NAME)
    assert choice.name == "embedded" and "cut short, damaged" in choice.reason


# ------------------------------------------------------------------------------------------------------------- choose


def test_auto_chooses_the_articles_classifier_if_available(server, cnn_file, monkeypatch):
    serve(server, CNN_NAME, cnn_file)
    publish(monkeypatch, CNN_NAME, cnn_file)
    choice = choose()
    assert choice.name == CNN_NAME
    assert choice.reason.startswith(f"{CNN_NAME} is speaking") and "differs" not in choice.reason


def test_auto_falls_back_to_the_embedded_model_with_a_reason(monkeypatch, tmp_path):
    point_to(monkeypatch, refused_url(), tmp_path)
    choice = choose("auto")
    assert choice.name == "embedded"
    assert choice.reason == "The embedded classifier is speaking: the Hub cannot be reached (connection refused)."


def test_chosen_model_that_fails_is_replaced_and_its_file_named(server):
    server.mode = "gated"
    choice = choose(GAP_NAME)
    assert choice.name == "embedded"
    assert choice.reason == (
        "The embedded classifier is speaking in place of pot_plant_classifier_gap: "
        "models/pot_plant_classifier_gap/model.pth cannot be fetched (the Hub refuses access (401))."
    )


def test_code_in_weights_is_not_run_at_startup(server, tmp_path):
    created = tmp_path / "created"

    class CodeInPickle:
        def __reduce__(self):
            return Path.touch, (created,)

    serve(server, CNN_NAME, serialised({"fc_layers.1.bias": CodeInPickle()}))
    choice = choose()
    assert choice.name == "embedded" and "could run code" in choice.reason
    assert not created.exists()


def test_choosing_embedded_sends_no_request(server):
    choice = choose("embedded")
    assert choice.name == "embedded" and "this repository" in choice.reason
    assert server.requests == []


def test_missing_embedded_file_leaves_no_fallback(server, monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "embedded", replace(MODELS["embedded"], weights=tmp_path / "embedded.safetensors"))
    server.mode = "broken"
    for name in ("auto", "embedded"):
        with pytest.raises(WeightsError, match="cannot be opened"):
            choose(name)
    assert availability_of("embedded")["reachable"] is False


# ------------------------------------------------------------------------------------------------------- availability


def test_availability_is_json_with_one_entry_per_model(server):
    entries = availability()
    assert json.loads(json.dumps(entries)) == entries
    assert [entry["name"] for entry in entries] == list(MODELS)
    entry = availability_of(GAP_NAME)
    assert entry["layers"] == ["conv_layers.0", "conv_layers.2", "conv_layers.4"]
    assert entry["classes"] == list(potplants.CLASSES) and entry["size"] == 256
    assert "Hugging Face Hub" in entry["origin"] and entry["trained_on"] == "real photos"
    assert availability_of("embedded")["trained_on"] == "rendered photos"


def test_availability_follows_cache_and_loading(server, monkeypatch, gap_file):
    publish(monkeypatch, GAP_NAME, gap_file)

    def now():
        entry = availability_of(GAP_NAME)
        return entry["reachable"], entry["status"], entry["sha256_matches"]

    assert now() == (True, "on the Hub, not fetched yet", None)
    hub.fetch(MODELS[GAP_NAME].weights)
    assert now() == (True, "in the cache", True)
    load(GAP_NAME)
    server.mode = "broken"
    assert now() == (True, "loaded", True)
    assert availability_of(CNN_NAME)["reachable"] is False  # this server does not have it
    assert availability_of("embedded")["reachable"] is True


def test_availability_reuses_the_hubs_last_response_for_a_while(server, monkeypatch):
    server.mode = "broken"
    for _ in range(3):
        assert availability_of(GAP_NAME)["status"] == "the Hub itself fails (500)"
    assert len(server.requests) == 3  # one for each model on the Hub
    server.mode = "ok"
    monkeypatch.setattr(models, "PROBE_MAX_AGE_SECONDS", 0.0)
    assert availability_of(GAP_NAME)["reachable"] is True


def test_availability_waits_briefly_for_a_silent_hub(server, monkeypatch):
    """All models are probed at once, and the second call reuses the pending requests."""
    monkeypatch.setattr(models, "LISTING_SECONDS", 0.5)
    server.mode = "hang"
    for _ in range(2):
        assert [entry["status"] for entry in availability() if not entry["reachable"]] == [
            "the Hub did not answer within 0.5 s"
        ] * 3
    assert len(server.requests) == 3


# -------------------------------------------------------------------------------- --------------- in a fresh process

START = """
import json, sys
import potplants
print(json.dumps([[choice.name, choice.reason] for choice in map(potplants.choose, sys.argv[1:])]))
"""


@pytest.fixture
def start(tmp_path):
    """Runs `choose` in a new process that gets the Hub's address and the cache from its environment alone."""

    def run(endpoint: str, *names: str, **more: str) -> list[tuple[str, str]]:
        without_hub = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE_"))}
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
        result = subprocess.run(
            [sys.executable, "-c", START, *names],
            check=False,
            env=without_hub | own | more,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return run


def test_second_start_needs_no_hub(start, server):
    [[name, _], [other, refused]] = start(server.url, GAP_NAME, "auto")
    assert name == GAP_NAME and other == "embedded" and "no such file" in refused
    [[name, _], [other, offline]] = start(refused_url(), GAP_NAME, "auto", HF_HUB_OFFLINE="1")
    assert name == GAP_NAME and other == "embedded" and "HF_HUB_OFFLINE" in offline
    methods = [request.method for request in server.requests]
    assert methods == ["HEAD", "HEAD", "GET", "HEAD"], "no other requests are sent"


@pytest.mark.parametrize(
    ("mode", "words"),
    [("hang", "the Hub did not answer within 0.5 s"), ("hang body", "the Hub sent nothing for 0.5 s, at 0%")],
)
def test_silent_hub_does_not_block_the_embedded_model(server, cnn_file, monkeypatch, mode, words):
    serve(server, CNN_NAME, cnn_file)
    monkeypatch.setattr(*((metadata, "PROBE_SECONDS") if mode == "hang" else (downloads, "STALL_SECONDS")), 0.5)
    server.mode = mode
    assert choose("auto") == potplants.Choice("embedded", f"The embedded classifier is speaking: {words}.")


def test_startup_waits_at_most_8_s_for_a_silent_hub():
    assert SILENT_HUB_SECONDS <= 8
