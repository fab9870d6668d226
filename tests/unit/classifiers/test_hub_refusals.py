"""Repositories that must not be opened, by what the Hub and their JSON say: each is one sentence, no code is run."""

import json

import pytest
from fake_hub import refused_url
from hub_repositories import REPO, changed, fault, fetched, repository, upload

import classifiers
from classifiers import hub
from classifiers.hub import HubError, HubPolicy

pytest.importorskip("transformers")

pytestmark = pytest.mark.usefixtures("nothing_is_run")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "/",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/b@",
            "a/b@../main",
            "a b/c",
            "a/b\n",
            "https://hub/a/b",
            "a/b@x/y",
        ),
        *("a..b/c", "a/b--c", f"{'a' * 97}/b", "a/b@refs/pr/1", "./b", "-a/b", "a/b?x=1"),
    ],
)
def test_malformed_names_are_refused_without_a_request(fake_hub, name):
    with pytest.raises(ValueError, match="expected a repository of the Hub as owner/name"):
        classifiers.load(name)
    assert fake_hub.requests == []


def test_hub_may_be_switched_off(fake_hub):
    hub.use(HubPolicy(enabled=False))
    assert fault(upload(fake_hub, repository("vit"))) == "this server loads nothing from the Hub"
    assert fake_hub.requests == []


@pytest.mark.parametrize(
    ("mode", "clause"),
    [
        ("no repository", "the Hub has no such public repository"),
        ("no revision", "the Hub has no such revision of it"),
        ("gated", "it is gated or private"),
        ("locked", "it is gated or private"),
    ],
)
def test_what_the_hub_refuses(fake_hub, mode, clause):
    upload(fake_hub, repository("vit"))
    fake_hub.mode = mode
    assert fault() == clause


@pytest.mark.parametrize("told", [{"gated": "auto"}, {"gated": "manual"}, {"private": True}])
def test_gated_and_private_repositories_are_not_asked_for_files(fake_hub, told):
    upload(fake_hub, repository("vit"))
    fake_hub.info[REPO] = told
    assert fault() == "it is gated or private" and fetched(fake_hub) == set()


def test_no_network(fake_hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", refused_url())
    assert fault(kind=HubError) == "the Hub cannot be reached (connection refused)"


def test_hub_that_never_answers(fake_hub, monkeypatch):
    from potplants.hub import metadata

    upload(fake_hub, repository("vit"))
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 0.3)
    fake_hub.mode = "hang"
    assert fault(kind=HubError) == "the Hub did not answer within 0.3 s"


@pytest.mark.parametrize("mode", ["broken", "busy", "html"])
def test_hub_that_fails(fake_hub, mode):
    upload(fake_hub, repository("vit"))
    fake_hub.mode = mode
    fault(kind=HubError)


def test_info_without_a_commit(fake_hub):
    upload(fake_hub, repository("vit"))
    fake_hub.info[REPO] = {"sha": "../../etc"}
    assert fault() == "the Hub names no commit of it" and fetched(fake_hub) == set()


# ---------------------------------------------------------------------------------------------------------- code


def test_pickles_are_never_fetched(fake_hub):
    files = repository("vit")
    weights = {"pytorch_model.bin": b"\x80\x04cos\nsystem\n", "model.ckpt": b"", "flax_model.msgpack": b""}
    upload(fake_hub, {name: content for name, content in files.items() if "safetensors" not in name} | weights)
    assert fault() == "it has no weights as model.safetensors" and fetched(fake_hub) == set()


def test_python_is_never_fetched(fake_hub, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w').write('ran')".encode()
    files = changed(auto_map={"AutoModelForImageClassification": "modeling.Net"})
    upload(fake_hub, {**files, "modeling.py": code, "configuration.py": code, "__init__.py": code})
    assert fault() == "it brings code of its own (auto_map in config.json), which is not opened here"
    assert fetched(fake_hub) == {"config.json"} and not (tmp_path / "ran").exists()


def test_python_beside_a_usable_network_is_not_fetched_either(fake_hub, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w').write('ran')".encode()
    adapter = json.dumps({"base_model_name_or_path": "someone/else"}).encode()
    upload(fake_hub, {**repository("vit"), "modeling.py": code, "adapter_config.json": adapter, "model.bin": b"\x80"})
    assert classifiers.load(REPO).classes and not (tmp_path / "ran").exists()
    assert fetched(fake_hub) == {"config.json", "preprocessor_config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("files", "clause"),
    [
        (lambda: changed("preprocessor_config.json", auto_map={"AutoImageProcessor": "p.P"}), "code of its own"),
        (lambda: changed(vision={"auto_map": {"AutoModel": "m.M"}}), "code of its own (auto_map"),
        (lambda: changed(quantization_config={"quant_method": "bitsandbytes"}), "quantised weights ("),
        (lambda: changed(backbone="someone/else"), "it is built on another repository (backbone in config.json)"),
        (lambda: changed(model_type="timm_wrapper", architecture="hf-hub:someone/else"), "transformers knows no"),
        (lambda: changed("preprocessor_config.json", image_processor_type="AutoModel"), "not known here (AutoModel)"),
    ],
)  # fmt: skip
def test_settings_that_bring_code(fake_hub, files, clause):
    upload(fake_hub, files())
    assert clause in fault()


def test_attention_by_a_kernel_of_the_hub_is_not_used(fake_hub):
    upload(fake_hub, changed(attn_implementation="someone/kernel", _attn_implementation="someone/kernel"))
    assert classifiers.load(REPO).network.config._attn_implementation == "eager"


# -------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"architectures": ["ViTModel"]}, "it is no image classifier (config.json names ViTModel)"),
        ({"architectures": None}, "it is no image classifier (config.json names nothing that can be built)"),
        ({"architectures": ["EvilForImageClassification"]}, "transformers knows no EvilForImageClassification"),
        ({"model_type": "evil"}, "transformers knows no ViTForImageClassification of the kind evil"),
        ({"num_hidden_layers": 10**9}, "1000000000 for num_hidden_layers, and no classifier has such a size"),
        ({"num_hidden_layers": 201}, "201 for num_hidden_layers, and at most 200 layers are built"),
        ({"hidden_size": 10**7}, "its configuration describes a network of"),
        ({"hidden_size": -16}, "no network can be built from its configuration"),
        ({"hidden_size": "16"}, "c"),
        ({"image_size": 100_000}, "asks for photos of 100000 pixels, and 16 to 1024 can be given"),
        ({"image_size": [32, 8]}, "asks for photos of 8 pixels"),
        ({"id2label": {str(n): "x" for n in range(25_001)}}, "25001 classes, and 1 to 25000 can be shown"),
        ({"id2label": {}}, "0 classes"),
        ({"num_labels": 10**7, "id2label": None}, "10000000 classes"),
        ({"depths": list(range(501))}, "501 values for depths"),
        ({"initializer_range": 1e300}, "1e+300 for initializer_range"),
    ],
)  # fmt: skip
def test_configurations_that_are_not_built(fake_hub, changes, clause):
    upload(fake_hub, changed(**changes))
    assert clause in fault()


@pytest.mark.parametrize(
    ("content", "clause"),
    [
        (b"", "is no valid JSON"),
        (b"[]", "is no JSON object"),
        (b"[" * 100_000, "is no valid JSON"),
        (b'{"a": NaN}', "is no valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no valid JSON"),
        (b"\xff\xfe", "is no valid JSON"),
        (json.dumps({"a": 1}).encode() + b" " * 10**6, "its config.json has more than 1 MB"),
        (b'{"a":' * 25 + b"1" + b"}" * 25, "nested more than 20 deep"),
    ],
    ids=["empty", "list", "deep list", "nan", "digits", "bytes", "long", "deep"],
)
def test_json_that_is_not_read(fake_hub, content, clause):
    upload(fake_hub, {**repository("vit"), "config.json": content})
    assert clause in fault()


def test_missing_files(fake_hub):
    files = repository("vit")
    for name, clause in (
        ("config.json", "it has no config.json"),
        ("preprocessor_config.json", "it has no preprocessor_config.json, so nobody knows how it wants its photo"),
        ("model.safetensors", "it has no weights as model.safetensors"),
    ):
        upload(fake_hub, {other: content for other, content in files.items() if other != name})
        assert fault() == clause


def test_one_photo_may_not_need_all_memory(fake_hub, monkeypatch):
    from classifiers.hub import guards

    monkeypatch.setattr(guards, "FORWARD_BYTES", 2 * 17 * 17 * 4 - 1)  # attention: 2 heads of 17 × 17 tokens
    upload(fake_hub, repository("vit"))
    assert "one photo would need more than" in fault()


def test_few_modules_are_built(fake_hub, monkeypatch):
    from classifiers.hub import guards

    monkeypatch.setattr(guards.few_modules.__wrapped__, "__defaults__", (20,))
    upload(fake_hub, repository("vit"))
    assert fault() == "its configuration describes a network of more than 20 modules"
