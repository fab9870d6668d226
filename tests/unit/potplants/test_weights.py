"""Weights are loaded completely, safely and as float32, or refused in one sentence naming the file and the fault."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from potplants.networks import CNN, CNNWithGAP
from potplants.weights import WeightsError, load_into, sha256


class CodeInPickle:
    """Unpickling this without protection creates a file."""

    def __init__(self, created: Path) -> None:
        self.created = created

    def __reduce__(self):
        return Path.touch, (self.created,)


@pytest.fixture
def state():
    torch.manual_seed(0)
    return CNNWithGAP().state_dict()


def save(folder: Path, content, name: str = "model.pth") -> Path:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    return path


def refusal(path: Path, network=None) -> str:
    """The fault for which the file is refused; checks that the network is unchanged and the message one sentence."""
    network = network or CNNWithGAP()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_into(network, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert message.startswith(f"{path} cannot be used as weights: ") and message.endswith(".")
    assert "\n" not in message and ". " not in message and len(message) < len(str(path)) + 250
    return caught.value.fault


# ------------------------------------------------------------------------------------------------------------ success


def test_pth_and_safetensors_give_the_same_network(tmp_path, state):
    save_file(state, tmp_path / "model.safetensors")
    for path in (save(tmp_path, state), tmp_path / "model.safetensors"):
        loaded = load_into(CNNWithGAP(), path).state_dict()
        assert loaded.keys() == state.keys()
        assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_becomes_float32(tmp_path, state, stored):
    path = tmp_path / "model.safetensors"
    save_file({name: tensor.to(stored) for name, tensor in state.items()}, path)
    network = load_into(CNNWithGAP(), path).eval()
    for name, parameter in network.named_parameters():
        assert parameter.dtype == torch.float32 and parameter.requires_grad
        assert torch.equal(parameter, state[name].to(stored).float())
    assert network(torch.rand(1, 3, 16, 16)).dtype == torch.float32


def test_network_on_the_meta_device_gets_its_weights(tmp_path, state):
    path = save(tmp_path, state)
    with torch.device("meta"):
        network = CNNWithGAP()
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(load_into(network, path).eval()(images), load_into(CNNWithGAP(), path).eval()(images))


# -------------------------------------------------------------------------------------------------------- wrong files


def test_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "model.pth") == "it cannot be opened (No such file or directory)"


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_empty_file_is_refused(tmp_path, name):
    assert refusal(save(tmp_path, b"", name)) == "it is empty"


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>Log in</p>", b"\n <html><p>Log in</p></html>"])
def test_web_page_is_refused(tmp_path, name, page):
    assert refusal(save(tmp_path, page, name)) == "it is a web page, not weights"


def test_git_lfs_pointer_is_refused(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4200000\n"
    assert "Git LFS pointer" in refusal(save(tmp_path, pointer, "model.safetensors"))


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.999])
def test_truncated_file_is_refused(tmp_path, state, name, keep):
    whole = tmp_path / "whole"
    save_file(state, whole) if name.endswith("safetensors") else torch.save(state, whole)
    content = whole.read_bytes()
    fault = refusal(save(tmp_path, content[: int(len(content) * keep)], name))
    assert fault == "it is cut short, damaged or not a file of weights"


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_text_file_is_refused(tmp_path, name):
    assert "not a file of weights" in refusal(save(tmp_path, b"hello, world", name))


def test_pickled_code_is_named_and_not_run(tmp_path, state):
    created = tmp_path / "created"
    path = save(tmp_path, {**state, "fc.1.bias": CodeInPickle(created)})
    fault = refusal(path)
    assert fault == "it is a pickle that asks for more than tensors (getattr), which could run code"
    assert not created.exists()
    torch.load(path, weights_only=False)  # the control: an unprotected reader runs the code
    assert created.exists()


def test_code_in_a_plain_pickle_is_not_run(tmp_path):
    created = tmp_path / "created"
    path = save(tmp_path, pickle.dumps(CodeInPickle(created), protocol=2))
    refusal(path)
    assert not created.exists()
    pickle.loads(path.read_bytes())
    assert created.exists()


def test_pickled_network_is_refused_by_name(tmp_path):
    fault = refusal(save(tmp_path, CNNWithGAP()))
    assert "potplants.networks.CNNWithGAP" in fault


@pytest.mark.parametrize(("content", "kind"), [([torch.ones(2)], "list"), (torch.ones(2), "Tensor"), (3, "int")])
def test_other_objects_are_refused(tmp_path, content, kind):
    assert refusal(save(tmp_path, content)) == f"it holds a {kind}, not a state dict"


def test_wrapped_state_dict_is_refused(tmp_path, state):
    fault = refusal(save(tmp_path, {"state_dict": state, "epoch": 3}))
    assert fault == "it is not a plain state dict: its entry 'state_dict' is a OrderedDict, not a tensor"


# ------------------------------------------------------------------------------------------------------ wrong numbers


def test_missing_entries_are_refused(tmp_path, state):
    del state["fc.1.bias"]
    assert refusal(save(tmp_path, state)) == "it lacks fc.1.bias of CNNWithGAP"
    assert refusal(save(tmp_path, {})) == "it lacks conv_layers.0.weight and 7 more of CNNWithGAP"


def test_unknown_entries_are_refused(tmp_path, state):
    state["fc.2.bias"] = torch.ones(1)
    assert refusal(save(tmp_path, state)) == "it holds fc.2.bias, which CNNWithGAP does not have"


def test_weights_of_another_network_are_refused(tmp_path, state):
    assert "of CNN" in refusal(save(tmp_path, state), CNN(hidden=4, size=16))


def test_wrong_shape_is_refused(tmp_path, state):
    state["fc.1.weight"] = torch.ones(5, 64)
    assert refusal(save(tmp_path, state)) == "its fc.1.weight is (5, 64) where CNNWithGAP needs (4, 64)"


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_nan_and_infinity_are_refused(tmp_path, state, value):
    state["conv_layers.2.weight"][3, 5, 1, 1] = value
    assert refusal(save(tmp_path, state)) == "its conv_layers.2.weight holds NaN or infinity"


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(4, dtype=torch.int64), torch.ones(4).to_sparse(), torch.ones(4, device="meta")],
    ids=["integers", "sparse", "meta"],
)
def test_other_tensor_types_are_refused(tmp_path, state, tensor):
    state["fc.1.bias"] = tensor
    assert "its fc.1.bias is" in refusal(save(tmp_path, state))


# ------------------------------------------------------------------------------------------------------------- sha256


def test_sha256_follows_the_content(tmp_path):
    path = tmp_path / "file"
    for content in (b"one", b"another"):
        path.write_bytes(content)
        assert sha256(path) == hashlib.sha256(content).hexdigest()
