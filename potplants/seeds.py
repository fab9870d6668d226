"""Siblings: networks trained exactly alike but for their random seed. What all of them do was learnt; what one does may be chance."""

import json
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from .catalogue import Model, find
from .models import load
from .weights import load_into


def siblings(name: str) -> dict[int, nn.Module]:
    """The named model and those trained alike: seed → network in eval mode on the CPU, shared by all who ask.

    Empty for a model that came alone. Raises ValueError for an unknown name, WeightsError for a file that cannot be used.
    """
    model = find(name)
    return {seed: _network(model, seed) for seed in sibling_figures(name)}


def sibling_figures(name: str) -> dict[int, dict[str, float]]:
    """How good each of the siblings is: seed → {split: accuracy}, as measured when they were trained."""
    model = find(name)
    report = _report(model)
    runs = report["runs"] if report else []
    there = [run for run in runs if run["seed"] == report["shipped seed"] or file_of(model, run["seed"]).is_file()]
    if len(there) < 2:
        return {}
    return {run["seed"]: {split: run[split]["accuracy"] for split in ("val", "test")} for run in there}


def file_of(model: Model, seed: int) -> Path:
    """Where the weights of a seed that was not shipped under the model's own name are."""
    return model.weights.with_name(f"{model.weights.stem}-seed{seed}.safetensors")


def _report(model):
    beside = isinstance(model.weights, Path) and model.weights.with_suffix(".json")
    return json.loads(beside.read_text(encoding="utf-8")) if beside and beside.is_file() else None


@lru_cache(maxsize=32)
def _network(model, seed):
    if seed == _report(model)["shipped seed"]:
        return load(model.name)
    with torch.device("meta"):
        network = model.network()
    return load_into(network, file_of(model, seed)).eval()
