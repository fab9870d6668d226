"""Repositories of transformers: a network by AutoModelForImageClassification, its weights by the library's own loader.

The library renames tensors of older files as it loads them, so names cannot be compared with its networks' directly. It
is given the headers first, as tensors that take no memory, and reports what is missing or has another shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import configuration, guards, labels, processors
from .assembled import Assembled
from .headers import Shapes, stand_ins
from .listing import JSON_BYTES, PREPROCESSING
from .policy import Unusable, first_clause

files = (PREPROCESSING,)

_WRAPPER = "timm_wrapper"  # whose configuration names an architecture, or a repository, for timm to fetch
_TASK = "ForImageClassification"
_OTHER_REPOSITORIES = ("backbone", "use_timm_backbone", "use_pretrained_backbone")  # they name weights elsewhere


def check(config: dict) -> None:
    """Whether config.json describes an image classifier that the library itself can build. Raises Unusable."""
    _require()
    names = config.get("architectures")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if not any(_TASK in name for name in names):
        task = names[0][:60] if names else "nothing that can be built"
        raise Unusable(f"it is no image classifier (config.json names {task})", "choose one that is")
    kind = config.get("model_type")
    if not isinstance(kind, str) or not set(names) & _known(kind) or kind == _WRAPPER:
        raise Unusable(f"transformers knows no {names[0][:60]} of the kind {str(kind)[:40]}")
    if other := next((key for key in _OTHER_REPOSITORIES if config.get(key)), None):
        raise Unusable(f"it is built on another repository ({other} in config.json)")
    if "num_labels" in config:
        configuration.classes_of(config["num_labels"])
    if config.get("id2label") is not None:
        configuration.classes_of(len(config["id2label"]) if isinstance(config["id2label"], dict) else None)


def assemble(folder: Path, config: dict, weights: list[Path], found: Shapes) -> Assembled:
    """The classifier in a folder that holds its checked files and no others. Raises Unusable."""
    content = configuration.read(folder / PREPROCESSING, JSON_BYTES)
    configuration.check(content, PREPROCESSING)
    processors.kind_of(content)
    with _quiet():
        settings = _settings(folder)
        blueprint = guards.on_meta(lambda: _blueprint(settings))
        guards.check_numbers(blueprint, found)
        preprocessing = processors.preprocessing_of(folder)
        _compare(blueprint, settings, found)
        network = _load(folder, settings)
    network = network.eval().requires_grad_(requires_grad=False)
    count = configuration.classes_of(settings.num_labels)
    guards.check_answer(network, processors.grey(preprocessing), count)
    return Assembled(network, preprocessing, labels.of_transformers(config.get("id2label"), count))


def _require() -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise Unusable(
            "this needs transformers, which is not installed here: pip install '.[hub]' in the app's folder adds it", ""
        ) from error


def _known(kind: str) -> set[str]:
    """The library's image classifiers of a kind ("vit")."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

    table: Any = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES  # {kind: name, or names}
    names = table.get(kind, ())
    return {names} if isinstance(names, str) else set(names)


def _settings(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library's, of any kind
        raise Unusable(f"its config.json cannot be used ({first_clause(error)})") from error


def _blueprint(settings: Any) -> nn.Module:
    from transformers import AutoModelForImageClassification

    return AutoModelForImageClassification.from_config(settings, trust_remote_code=False, **_options())


def _compare(blueprint: nn.Module, settings: Any, found: Shapes) -> None:
    """Raises Unusable where the library would find a tensor missing, or of another shape."""
    _loaded(type(blueprint), None, settings, state_dict=stand_ins(found), ignore_mismatched_sizes=True)


def _load(folder: Path, settings: Any) -> nn.Module:
    from transformers import AutoModelForImageClassification

    return _loaded(AutoModelForImageClassification, folder, settings, use_safetensors=True)


def _loaded(builder: Any, folder: Path | None, settings: Any, **how: Any) -> nn.Module:
    """What the library makes of a folder or state dict, if it has found every tensor of the network."""
    try:
        network, report = builder.from_pretrained(
            folder, config=settings, local_files_only=True, trust_remote_code=False, output_loading_info=True,
            **_options(), **how,
        )  # fmt: skip
    except Exception as error:  # the library's, of any kind
        raise Unusable(f"its weights cannot be loaded ({first_clause(error)})") from error
    if missing := sorted(report["missing_keys"]):
        raise Unusable(f"its weights lack {missing[0][:80]}")
    if mismatched := sorted(report["mismatched_keys"]):
        name, held, needed = mismatched[0]
        raise Unusable(f"its weights hold {name[:80]} as {list(held)}, and the network needs {list(needed)}")
    return network


def _options() -> dict[str, Any]:
    """Attention in plain operations: gradients pass it in batches, and no configuration can name code of its own."""
    return {"dtype": torch.float32, "attn_implementation": "eager"}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's reports on the terminal; what they say is in its results."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # logging.CRITICAL
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
