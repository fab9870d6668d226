"""Small repositories of image classifiers with random weights, as transformers itself writes them: {file: content}."""

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

REPO = "someone/something"
LABELS = ("cat", "dog", "cat", "tree", "car")


def _resnet(t):
    config = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5)
    return config, t.ConvNextImageProcessorPil(size={"shortest_edge": 64})


def _vit(t):
    config = t.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        num_labels=5,
    )
    return config, t.ViTImageProcessorPil(size={"height": 32, "width": 32})


def _convnext(t):
    config = t.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_labels=5)
    return config, t.ConvNextImageProcessorPil(size={"shortest_edge": 384})


def _mobilevit(t):
    config = t.MobileViTConfig(
        hidden_sizes=[16, 16, 16], neck_hidden_sizes=[8, 8, 8, 8, 16, 16, 32], image_size=64, num_labels=5
    )
    processor = t.MobileViTImageProcessorPil(size={"shortest_edge": 72}, crop_size={"height": 64, "width": 64})
    return config, processor


def _swin(t):
    config = t.SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, num_labels=5
    )
    return config, t.ViTImageProcessorPil(size={"height": 32, "width": 32})


def _beit(t):
    config = t.BeitConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        num_labels=5,
        use_relative_position_bias=True,
    )
    size, crop = {"height": 48, "width": 48}, {"height": 32, "width": 32}
    return config, t.BeitImageProcessorPil(size=size, crop_size=crop, do_center_crop=True)


KINDS = {
    "resnet": _resnet,
    "vit": _vit,
    "convnext": _convnext,
    "mobilevit": _mobilevit,
    "swin": _swin,
    "beit": _beit,
}


@cache
def repository(kind: str, shards: int = 1) -> dict[str, bytes]:
    """A repository's files; with shards > 1 the weights in about so many files, and an index."""
    import transformers

    torch.manual_seed(0)
    config, processor = KINDS[kind](transformers)
    config.id2label = dict(enumerate(LABELS))
    network = transformers.AutoModelForImageClassification.from_config(config)
    with torch.no_grad():  # or the first layers' random weights are so small that every photo has the same logits
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    size = sum(tensor.numel() * 4 for tensor in network.state_dict().values())
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder, max_shard_size=2 * size // shards if shards > 1 else "1GB")
        processor.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def with_json(files: dict[str, bytes], name: str, **changes) -> dict[str, bytes]:
    """The files with other values in one of JSON; None removes a key."""
    content = {**json.loads(files[name]), **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    return {**files, name: json.dumps(kept).encode()}


def upload(hub, files: dict[str, bytes], repo: str = REPO) -> str:
    """Put a repository's files on the Hub of a test, in place of what was there. Returns its name."""
    hub.files = {path: content for path, content in hub.files.items() if not path.startswith(f"{repo}/")}
    hub.files |= {f"{repo}/{name}": content for name, content in files.items()}
    return repo


def fetched(hub) -> set[str]:
    """The names of the files of which anything was asked for, HEAD or GET."""
    return {
        request.path.split("/resolve/")[1].split("/", 1)[1] for request in hub.requests if "/resolve/" in request.path
    }


def photo(height: int = 75, width: int = 104) -> np.ndarray:
    """Noise over a gradient, [height, width, 3] uint8."""
    gradient = np.linspace(0, 200, height)[:, None, None] + np.linspace(0, 1, 3)
    return (gradient + np.random.default_rng(1).uniform(0, 54, (height, width, 3))).astype(np.uint8)


def fault(name: str = REPO, kind: type[Exception] | None = None) -> str:
    """Why a repository is refused. The message is one sentence, and the next call gives the same."""
    import classifiers
    from classifiers.hub import RepositoryError

    kind = kind or RepositoryError
    with pytest.raises(kind) as caught:
        classifiers.load(name)
    message = str(caught.value)
    assert message.endswith(".") and ". " not in message and "\n" not in message and len(message) < 400
    if kind is RepositoryError:
        assert isinstance(caught.value, ValueError)
        assert message.startswith(f"{name} cannot be used as a classifier: {caught.value.fault}; ")
    with pytest.raises(ValueError, match="is not loaded"):
        classifiers.find(name)
    return caught.value.fault


def changed(file: str = "config.json", kind: str = "vit", **changes) -> dict[str, bytes]:
    """A usable repository with other values in one of its JSON files."""
    return with_json(repository(kind), file, **changes)
