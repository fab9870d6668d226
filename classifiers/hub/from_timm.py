"""Repositories of timm: config.json names an architecture, and its weights are a state dict."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..preprocessing import FILTERS, Preprocessing
from . import configuration, guards, labels, processors
from .assembled import Assembled
from .headers import Shapes, differences, stand_ins
from .policy import Unusable, first_clause

files = ()

_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9_]{0,99}")
_WORD = re.compile(r"[A-Za-z0-9_]{0,40}")  # a name of the library's, such as "gelu": no path, address or repository
# Arguments of timm.create_model that do not describe a network, or that are given here.
_NOT_PASSED = {
    *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "pretrained_filter_fn"),
    *("checkpoint_path", "cache_dir", "features_only", "out_indices", "feature_cls", "feature_cfg", "model_name"),
    *("device", "dtype", "scriptable", "exportable", "no_jit", "kwargs_filter", "num_classes"),
}
_ABOUT_INPUT = ("input_size", "min_input_size", "fixed_input_size", "pool_size", "first_conv", "classifier")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, the library's defaults


def check(config: dict) -> None:
    """Whether config.json describes an image classifier that the library itself can build. Raises Unusable."""
    timm = _timm()
    architecture = config.get("architecture")
    if not isinstance(architecture, str) or not _ARCHITECTURE.fullmatch(architecture):
        raise Unusable("its config.json names no architecture")
    if not timm.is_model(architecture):
        raise Unusable(f"timm knows no architecture {architecture}", "upgrade timm, or choose another repository")
    count = _count(config)
    if not isinstance(count, int) or count < 1:
        raise Unusable("it is no image classifier (config.json has no num_classes of 1 or more)", "choose one that is")
    configuration.classes_of(count)
    _arguments(config)
    preprocessing_of(config)


def assemble(folder: Path, config: dict, weights: list[Path], found: Shapes) -> Assembled:
    """The classifier of a configuration and its weights. Raises Unusable."""
    count, preprocessing = _count(config), preprocessing_of(config)
    blueprint = guards.on_meta(lambda: _build(config))
    guards.check_numbers(blueprint, found)
    expected = _shapes(blueprint.state_dict())
    translated = bool(differences(expected, found))
    if translated and (fault := differences(expected, _shapes(_translated(stand_ins(found), blueprint)))):
        raise Unusable(differences(expected, found) or fault)
    state = {name: tensor for path in weights for name, tensor in load_file(path).items()}
    network = _loaded(config, _translated(state, blueprint) if translated else state)
    guards.check_answer(network, processors.grey(preprocessing), count)
    return Assembled(network, preprocessing, labels.of_timm(config, _pretrained(config), count))


def preprocessing_of(config: dict) -> Preprocessing:
    """As timm.data.create_transform lays a photo out for evaluation. Raises Unusable for a way that is not known here.

    "center": the shorter side becomes side / crop_pct, rounded down, and the middle is cropped as torchvision rounds;
    "squash": both sides do, without the photo's proportions.
    """
    about = _pretrained(config)
    height, width = _input_size(config)
    crop, mode = about.get("crop_pct") or 0.875, about.get("crop_mode") or "center"
    filter_name = about.get("interpolation") or "bicubic"
    if not isinstance(crop, (int, float)) or not 0.1 <= crop <= 1 or filter_name not in FILTERS:
        raise Unusable(processors.UNKNOWN)
    if mode not in ("center", "squash") or (mode == "center" and height != width):
        raise Unusable(processors.UNKNOWN)
    resized = math.floor(height / crop), math.floor(width / crop)
    ours = Preprocessing(
        height,
        width,
        fit="crop",
        resized=resized if mode == "squash" else resized[0],
        filter=filter_name,
        mean=_colours(about.get("mean"), _MEAN),
        std=_colours(about.get("std"), _STD),
        rounded=True,
    )
    processors.check_bounds(ours)
    return ours


def _timm() -> Any:
    try:
        import timm  # pyright: ignore[reportMissingImports] (optional)
    except ImportError as error:
        raise Unusable(
            "this needs timm, which is not installed here: pip install '.[timm]' in the app's folder adds it", ""
        ) from error
    return timm


def _pretrained(config: dict) -> dict:
    """The part on input and labels; older repositories have it at the top."""
    about = config.get("pretrained_cfg", config)
    return about if isinstance(about, dict) else {}


def _count(config: dict) -> Any:
    """The number of classes, which `check` has checked."""
    return config.get("num_classes", _pretrained(config).get("num_classes"))


def _input_size(config: dict) -> tuple[int, int]:
    """Height and width of the input. A size among the network's own arguments prevails, as in the library."""
    size = _pretrained(config).get("input_size", [3, 224, 224])
    given = _model_args(config).get("img_size")
    if given is not None and _pretrained(config).get("fixed_input_size"):
        size = [3, given, given] if isinstance(given, int) else [3, *given] if isinstance(given, list) else None
    if not isinstance(size, list) or len(size) != 3 or size[0] != 3 or not all(isinstance(side, int) for side in size):
        raise Unusable("its network does not take photos in three colours")
    if not all(side in configuration.IMAGE_SIZES for side in size[1:]):
        raise Unusable(f"it asks for photos of {size[1]} × {size[2]} pixels, and 16 to 1024 can be given")
    return size[1], size[2]


def _model_args(config: dict) -> dict:
    arguments = config.get("model_args") or {}
    if not isinstance(arguments, dict):
        raise Unusable("the model_args of its config.json are no JSON object")
    return arguments


def _arguments(config: dict) -> dict[str, Any]:
    """The checked arguments for the network. Raises Unusable for one that is no plain value."""
    arguments = _model_args(config)
    for name, value in arguments.items():
        if not (_plain(value) and _WORD.fullmatch(name)) or name in _NOT_PASSED - {"num_classes"}:
            raise Unusable(f"its config.json gives the network an argument that is not known here ({name[:40]})")
    return {name: value for name, value in arguments.items() if name != "num_classes"}


def _plain(value: object) -> bool:
    """Whether a value is a number, a word, or some of these; numbers have been bounded before."""
    if isinstance(value, (list, dict)):
        return all(map(_plain, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (bool, int, float)) or bool(_WORD.fullmatch(str(value)))


def _build(config: dict) -> nn.Module:
    """The network, with random weights. The library learns of the input's size, and of no place to find weights."""
    about = {key: value for key, value in _pretrained(config).items() if key in _ABOUT_INPUT and _plain_or_names(value)}
    about |= {"input_size": (3, *_input_size(config)), "num_classes": _count(config)}
    return _timm().create_model(
        config["architecture"],
        pretrained=False,
        pretrained_cfg={**about, "architecture": config["architecture"]},
        num_classes=_count(config),
        **_arguments(config),
    )


def _plain_or_names(value: object) -> bool:
    """As plain values, or modules' names with dots."""
    parts = value if isinstance(value, list) else [value]
    return all(_plain(part.replace(".", "_") if isinstance(part, str) else part) for part in parts)


def _shapes(state: dict[str, Tensor]) -> Shapes:
    """What must be in a file: all but the counters of batch normalisation, which is not used in eval mode."""
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def _translated(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The state dict of an older version of the network, as the library itself translates it."""
    translate = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if translate is None:
        return state
    try:
        return translate(dict(state), network)
    except Exception as error:  # the library's, of any kind
        raise Unusable(f"its weights are of another network ({first_clause(error)})") from error


def _loaded(config: dict, state: dict[str, Tensor]) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]), guards.few_modules():
            network = _build(config)
        counters = {name: tensor for name, tensor in network.state_dict().items() if name not in state}
        network.load_state_dict({name: {**counters, **state}[name] for name in network.state_dict()})
    except (RuntimeError, ValueError, TypeError) as error:
        raise Unusable(f"its weights cannot be loaded ({first_clause(error)})") from error
    return network.float().eval().requires_grad_(requires_grad=False)


def _colours(values: object, default: tuple[float, ...]) -> tuple[float, ...]:
    if values is None:
        return default
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(value, (int, float)) for value in values):
        raise Unusable(processors.UNKNOWN)
    return tuple(map(float, values))
