"""Weights, sizes and preprocessing that lie: each is one sentence, and nothing is ever unpickled."""

import json
import struct
import sys

import pytest
import torch
from hub_repositories import REPO, changed, fault, fetched, repository, upload
from safetensors.torch import load, save

import classifiers
from classifiers import hub
from classifiers.hub import HubError, HubPolicy, RepositoryError

pytest.importorskip("transformers")

pytestmark = pytest.mark.usefixtures("nothing_is_run")

GB = 10**9


# -------------------------------------------------------------------------------------------------------- weights


def weights(change, kind="vit"):
    """The repository with other tensors."""
    files = repository(kind)
    tensors = load(files["model.safetensors"])
    change(tensors)
    return {**files, "model.safetensors": save(tensors, {"format": "pt"})}


def test_shapes_that_do_not_match(fake_hub, monkeypatch):
    from classifiers.hub import from_transformers

    monkeypatch.setattr(from_transformers, "_load", lambda *_: pytest.fail("the weights were read"))
    files = weights(lambda tensors: tensors.update({"classifier.weight": torch.zeros(5, 17)}))
    upload(fake_hub, files)
    assert fault() == "its weights hold classifier.weight as [5, 17], and the network needs [5, 16]"


def test_missing_tensors(fake_hub):
    upload(fake_hub, weights(lambda tensors: tensors.pop("vit.layernorm.bias")))
    assert fault() == "its weights lack vit.layernorm.bias"


def test_weights_that_are_not_finite(fake_hub):
    upload(fake_hub, weights(lambda tensors: tensors["classifier.bias"].fill_(float("nan"))))
    assert fault() == "its network answers a grey photo with numbers that are not finite"


def test_labels_that_are_not_the_outputs(fake_hub):
    upload(fake_hub, changed(id2label={"0": "one", "1": "two"}))
    assert fault() == "its weights hold classifier.bias as [5], and the network needs [2]"


def with_header(header, data=b"\0" * 64):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04cos\nsystem\n",
        struct.pack("<Q", 2**60) + b"{}",
        with_header(b"{"),
        with_header({"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 64]}}),
        with_header({"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 10**12]}}),
        with_header({"a": {"dtype": "F32", "shape": [16], "data_offsets": [64, 0]}}),
        with_header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}),  # 48 bytes belong to nobody
        with_header({"a": {"dtype": "F32", "shape": [2**33, 2**31], "data_offsets": [0, 64]}}),
    ],
    ids=["empty", "pickle", "length", "text", "shape", "end", "order", "gap", "overflow"],
)  # fmt: skip
def test_headers_that_lie(fake_hub, content):
    upload(fake_hub, {**repository("vit"), "model.safetensors": content})
    assert fault() == "model.safetensors is damaged, or no safetensors file"


def test_types_of_quantised_weights(fake_hub):
    header = {"a": {"dtype": "F8_E4M3", "shape": [64], "data_offsets": [0, 64]}}
    upload(fake_hub, {**repository("vit"), "model.safetensors": with_header(header)})
    assert fault() == "its weights are numbers of type F8_E4M3, which are not read here"


@pytest.mark.parametrize(
    "name",
    [
        *("../../../etc/passwd", "/etc/passwd", "someone/else/model.safetensors", "..safetensors", "a\\b.safetensors"),
        *(
            "pytorch_model.bin",
            "model.safetensors/../x.py",
            "https://hub/x.safetensors",
            "",
            7,
            None,
            "x..y.safetensors",
        ),
    ],
)
def test_index_that_names_other_files(fake_hub, name):
    files = {key: value for key, value in repository("vit").items() if key != "model.safetensors"}
    index = json.dumps({"metadata": {}, "weight_map": {"classifier.bias": name}}).encode()
    upload(fake_hub, {**files, "model.safetensors.index.json": index, "pytorch_model.bin": b"\x80"})
    assert "the index of its weights" in fault()
    assert fetched(fake_hub) == {"config.json", "preprocessor_config.json", "model.safetensors.index.json"}


def test_index_that_names_a_file_that_is_not_there(fake_hub):
    files = {key: value for key, value in repository("vit").items() if key != "model.safetensors"}
    index = json.dumps({"weight_map": {"classifier.bias": "model-1.safetensors"}}).encode()
    upload(fake_hub, {**files, "model.safetensors.index.json": index})
    assert fault() == "it has no model-1.safetensors, which the index of its weights names"


# ----------------------------------------------------------------------------------------------------------- size


def test_announced_size(fake_hub):
    upload(fake_hub, repository("vit"))
    fake_hub.announced[f"{REPO}/model.safetensors"] = 5 * GB
    assert fault() == "it has 5 GB, and at most 1 GB are loaded here" and fetched(fake_hub) == set()


def test_announced_size_of_all_shards(fake_hub):
    files = repository("convnext", shards=4)
    upload(fake_hub, files)
    for name in files:
        if name.startswith("model-"):
            fake_hub.announced[f"{REPO}/{name}"] = GB * 6 // 10
    assert "and at most 1 GB are loaded here" in fault()
    assert not any(name.startswith("model-") for name in fetched(fake_hub))


def test_size_that_the_list_hides_and_the_file_announces(fake_hub):
    files = repository("vit")
    upload(fake_hub, files)
    hub.use(HubPolicy(limit_bytes=len(files["model.safetensors"]) - 1))
    fake_hub.announced[f"{REPO}/model.safetensors"] = None
    assert "it has more than" in fault(kind=HubError)
    assert not any("model.safetensors" in request.path for request in fake_hub.got("GET"))


def test_size_that_differs_from_the_list(fake_hub):
    upload(fake_hub, repository("vit"))
    fake_hub.announced[f"{REPO}/model.safetensors"] = 1000
    assert fault(kind=HubError) == "it has more than 1000 bytes"


@pytest.mark.parametrize("mode", ["endless", "packed"])
def test_size_that_nobody_announces(fake_hub, mode):
    upload(fake_hub, repository("vit"))
    fake_hub.mode = mode
    assert fault(kind=HubError) == "the Hub sends something else than it announced"


def test_cached_file_of_any_size_is_measured(fake_hub):
    name = upload(fake_hub, repository("vit"))
    classifiers.load(name)
    hub.use(HubPolicy(limit_bytes=3000))  # config.json has less
    fake_hub.announced |= {f"{name}/{file}": None for file in repository("vit")}
    assert "and at most 0.003 MB are loaded here" in fault()


# -------------------------------------------------------------------------------------------------- preprocessing


@pytest.mark.parametrize(
    "changes",
    [
        {"do_resize": False},
        {"size": {"shortest_edge": 32}},  # inputs of any shape
        {"size": {"height": 10**6, "width": 10**6}},
        {"size": {"height": 32, "width": 32}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}},
        {"image_std": [0.5, 0.0, 0.5]},
        {"image_mean": [0.5]},
        {"resample": 99},
        {"size": "large"},
        {"image_processor_type": "ImageGPTImageProcessor"},
        {"image_processor_type": ["ViTImageProcessor"]},
    ],
)
def test_preprocessing_that_is_not_known(fake_hub, changes):
    upload(fake_hub, changed("preprocessor_config.json", **changes))
    fault()


def test_preprocessing_that_differs_from_the_librarys(fake_hub, monkeypatch):
    from classifiers.hub import processors
    from classifiers.preprocessing import Preprocessing

    other = Preprocessing(32, 32, fit="squash", filter="bicubic")  # the repository's is bilinear
    monkeypatch.setitem(processors._GEOMETRY, "ViTImageProcessor", lambda _: other)
    upload(fake_hub, repository("vit"))
    assert fault() == "its preprocessing is of a kind that is not known here"


# -------------------------------------------------------------------------------------------------------- packages


@pytest.mark.parametrize(("package", "config"), [("transformers", {}), ("timm", {"architecture": "resnet18"})])
def test_missing_package_is_said_before_weights_are_fetched(fake_hub, monkeypatch, package, config):
    monkeypatch.setitem(sys.modules, package, None)
    files = {**repository("vit"), "config.json": json.dumps(config).encode()} if config else repository("vit")
    upload(fake_hub, files)
    with pytest.raises(RepositoryError, match=f"this needs {package}, which is not installed here: pip install"):
        classifiers.load(REPO)
    assert fetched(fake_hub) == {"config.json"}
