"""Siblings: networks trained alike except for the random seed. What all of them share is unlikely to be chance."""

import json
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from potplants.catalogue import Model, find
from potplants.models import load
from potplants.weights import load_into


def siblings(name: str) -> dict[int, nn.Module]:
    """The named model and its siblings: seed → network in eval mode on the CPU, shared by all callers.

    Empty for a model without siblings. Raises ValueError for an unknown name, WeightsError for an unusable file.
    """
    model = find(name)
    return {seed: _network(model, seed) for seed in sibling_figures(name)}


def sibling_figures(name: str) -> dict[int, dict[str, float]]:
    """The siblings' accuracy: seed → {split: accuracy}, as measured after training."""
    model = find(name)
    report = _training_report(model)
    if report is None:
        return {}
    shipped = report["shipped seed"]
    runs = [run for run in report["runs"] if run["seed"] == shipped or seed_file(model, run["seed"]).is_file()]
    if len(runs) < 2:
        return {}
    return {run["seed"]: {split: run[split]["accuracy"] for split in ("val", "test")} for run in runs}


def seed_file(model: Model, seed: int) -> Path:
    """The weights file of a seed that was not shipped under the model's own name."""
    assert isinstance(model.weights, Path)  # only models of this repository were trained over several seeds
    return model.weights.with_name(f"{model.weights.stem}-seed{seed}.safetensors")


def _training_report(model: Model) -> dict | None:
    """The report that training wrote beside the model's weights, if there is one."""
    if not isinstance(model.weights, Path):
        return None
    path = model.weights.with_suffix(".json")
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


@lru_cache(maxsize=32)
def _network(model: Model, seed: int) -> nn.Module:
    report = _training_report(model)
    assert report is not None  # the seed comes from it
    if seed == report["shipped seed"]:
        return load(model.name)
    with torch.device("meta"):
        network = model.network()
    return load_into(network, seed_file(model, seed)).eval()
