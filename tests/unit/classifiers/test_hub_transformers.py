"""Repositories of transformers over HTTP: the library's own logits, and nothing is fetched but what is needed."""

import pytest
import torch
from hub_repositories import KINDS, LABELS, REPO, fetched, photo, repository, upload, with_json

import classifiers
from classifiers import hub
from potplants.hub import HubFile, cached

pytest.importorskip("transformers")

NEEDED = {"config.json", "preprocessor_config.json", "model.safetensors"}


def library_logits(files, tmp_path, pixels):
    """Processor and network of the library, from a folder."""
    import transformers

    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    network = transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        return network(**processor(pixels, return_tensors="pt", input_data_format="channels_last")).logits


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_the_librarys_own(fake_hub, tmp_path, kind):
    files = repository(kind)
    classifier = classifiers.load(upload(fake_hub, files))
    for pixels in (photo(75, 104), photo(300, 90)):
        with torch.no_grad():
            logits = classifier.network(classifier.input_of(pixels)).logits
        # The library's attention is fused where ours is not: sums of 16 products in another order.
        torch.testing.assert_close(logits, library_logits(files, tmp_path, pixels), rtol=1e-5, atol=1e-6)
    assert logits.shape == (1, 5) and logits.std() > 1e-4
    assert fetched(fake_hub) == NEEDED


def test_what_a_classifier_says_of_itself(fake_hub):
    classifier = classifiers.load(upload(fake_hub, repository("resnet")))
    assert classifier.name == REPO and LABELS == ("cat", "dog", "cat", "tree", "car")
    assert classifier.classes == ("cat", "dog", "cat (2)", "tree", "car")
    assert classifier.revision == "0123456789abcdef0123456789abcdef01234567"
    assert REPO in classifier.origin and classifier.answers == "class"
    assert [layer.column for layer in classifier.layers] == ["32 × 32", "16 × 16", "8 × 8"]
    assert not classifier.network.training
    assert not any(parameter.requires_grad for parameter in classifier.network.parameters())
    assert classifiers.find(REPO) == classifier


def test_layers_can_be_explained(fake_hub):
    from gradcam import Explainer

    classifier = classifiers.load(upload(fake_hub, repository("beit")))
    explainer = Explainer(classifier.network, [layer.readable for layer in classifier.layers])
    heatmaps = explainer.explain(classifier.input_of(photo()), [0, 1], "Grad-CAM").heatmaps
    assert heatmaps.shape[-2:] == classifier.preprocessing.size and heatmaps.isfinite().all()


def test_shards(fake_hub, tmp_path):
    files = repository("convnext", shards=4)
    parts = {name for name in files if name.startswith("model-")}
    assert len(parts) > 1 and "model.safetensors" not in files
    extra = {"model-of-another-kind.safetensors": b"never read"}
    classifier = classifiers.load(upload(fake_hub, {**files, **extra}))
    with torch.no_grad():
        logits = classifier.network(classifier.input_of(photo())).logits
    torch.testing.assert_close(logits, library_logits(files, tmp_path, photo()), rtol=1e-5, atol=1e-6)
    assert fetched(fake_hub) == (NEEDED - {"model.safetensors"}) | parts | {"model.safetensors.index.json"}


def test_revision_is_asked_for_and_the_commit_is_fetched(fake_hub):
    name = upload(fake_hub, repository("vit"))
    classifier = classifiers.load(f"{name}@v1.0")
    assert classifier.name == f"{name}@v1.0"
    paths = [request.path for request in fake_hub.requests]
    assert paths[0].startswith(f"/api/models/{name}/revision/v1.0?")
    assert all(f"/resolve/{classifier.revision}/" in path for path in paths[1:])


def test_second_load_asks_nobody(fake_hub):
    name = upload(fake_hub, repository("vit"))
    first, count = classifiers.load(name), len(fake_hub.requests)
    assert classifiers.load(name).network is first.network and len(fake_hub.requests) == count


def test_forgotten_network_is_read_from_the_cache_at_its_commit(fake_hub):
    name = upload(fake_hub, repository("vit"))
    classifier = classifiers.load(name)
    before = classifier.network
    hub.use(hub.HubPolicy())
    with pytest.raises(ValueError, match="is not loaded"):
        classifiers.find(name)
    count = len(fake_hub.requests)
    assert classifier.network is not before and len(fake_hub.requests) == count
    for old, new in zip(before.parameters(), classifier.network.parameters()):
        torch.testing.assert_close(old, new, rtol=0, atol=0)


def test_half_precision_becomes_single(fake_hub):
    from safetensors.torch import load, save

    files = repository("resnet")
    halved = {
        key: value.half() if value.is_floating_point() else value
        for key, value in load(files["model.safetensors"]).items()
    }
    classifier = classifiers.load(upload(fake_hub, {**files, "model.safetensors": save(halved, {"format": "pt"})}))
    assert {parameter.dtype for parameter in classifier.network.parameters()} == {torch.float32}


def test_progress_reaches_1_without_going_back(fake_hub):
    seen = []
    classifiers.load(upload(fake_hub, repository("convnext", shards=4)), seen.append)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1, abs=0.02)


def test_progress_that_raises_ends_the_load(fake_hub):
    class Left(Exception):  # noqa: N818
        pass

    def leave(_):
        raise Left

    name = upload(fake_hub, repository("convnext"))
    with pytest.raises(Left):
        classifiers.load(name, leave)
    assert classifiers.load(name).classes  # nothing of it is remembered


def test_random_numbers_of_others_are_left_alone(fake_hub):
    name = upload(fake_hub, repository("resnet"))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    classifiers.load(name)
    torch.testing.assert_close(torch.rand(4), expected, rtol=0, atol=0)


def test_folder(tmp_path):
    files = repository("mobilevit")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    classifier = hub.from_folder(tmp_path)
    with torch.no_grad():
        logits = classifier.network(classifier.input_of(photo())).logits
    torch.testing.assert_close(logits, library_logits(files, tmp_path, photo()), rtol=1e-5, atol=1e-6)
    with pytest.raises(hub.RepositoryError, match="at most 0.001 MB are loaded here; choose a smaller one"):
        hub.from_folder(tmp_path, hub.HubPolicy(limit_bytes=1000))
    with pytest.raises(hub.RepositoryError, match="cannot be read"):
        hub.from_folder(tmp_path / "nowhere")


def test_private_repository_needs_policy_and_token(fake_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    name = upload(fake_hub, repository("vit"))
    fake_hub.private = {name}
    with pytest.raises(hub.RepositoryError, match="no such public repository"):
        classifiers.load(name)
    assert {request.token for request in fake_hub.requests} == {None}
    hub.use(hub.HubPolicy(allow_private=True))
    assert classifiers.load(name).network is not None
    assert {request.token for request in fake_hub.requests[1:]} == {"Bearer hf_secret"}


def test_own_token_is_never_sent_for_public_repositories(fake_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    classifiers.load(upload(fake_hub, repository("vit")))
    assert {request.token for request in fake_hub.requests} == {None}


def test_numbered_classes(fake_hub):
    files = with_json(repository("vit"), "config.json", id2label={str(n): f"LABEL_{n}" for n in range(5)})
    assert classifiers.load(upload(fake_hub, files)).classes == tuple(f"class {number}" for number in range(5))


def test_nothing_but_what_is_needed_is_in_the_cache(fake_hub):
    files = {**repository("vit"), "README.md": b"# Hello", "modeling.py": b"raise SystemExit"}
    name = upload(fake_hub, files)
    commit = classifiers.load(name).revision
    assert all(cached(HubFile(name, needed, commit)) for needed in NEEDED)
    assert not any(cached(HubFile(name, other, commit)) for other in ("README.md", "modeling.py"))
