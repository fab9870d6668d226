"""The start-up log: what is served, who speaks and why, from which weights, on which device. The address follows once it answers."""

import torch

import potplants
from potplants import Choice

from .examples import Examples

SHORT = 12  # digits of a SHA-256 that people compare


def log(choice: Choice, examples: Examples, device: str) -> str:
    """Four lines for whoever started the app."""
    served = f"Where did it look?  {len(examples.every)} example photos, {examples.origin}"
    return "\n".join((served, choice.reason, _weights(choice.name), _computes(device)))


def _weights(name):
    """The file behind the answers, held against what its makers published."""
    found, published = potplants.fingerprint(name), potplants.MODELS[name].sha256
    if published is None:
        origin = "never published"
    elif found == published:
        origin = "as published"
    else:
        origin = f"not the published file, which is {published[:SHORT]}"
    return f"Weights: {name}, SHA-256 {found[:SHORT] if found else 'unknown'}, {origin}"


def _computes(device):
    if torch.device(device).type == "cpu":
        count = torch.get_num_threads()
        return f"Device: {device}, {count} thread{'s' if count > 1 else ''}"
    named = f" ({torch.cuda.get_device_name(device)})" if torch.device(device).type == "cuda" else ""
    return f"Device: {device}{named}"
