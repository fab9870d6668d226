"""How near two answers must lie that single precision has worked out in another order, of other batches or on another machine.

The bounds are those of `explorer.explanation.device`, which come from what single precision does to the answers themselves, against double.
"""

import torch

from explorer.explanation.device import HEAT_TOLERANCE, LOGITS_TOLERANCE

HEAT = HEAT_TOLERANCE["others"]  # of a map's norm: for all methods but those that are named there


def same_logits(one, other):
    one, other = torch.as_tensor(one), torch.as_tensor(other)
    assert (one - other).abs().max() <= LOGITS_TOLERANCE * other.abs().max()


def apart(one, other):
    """How far maps lie from others, each by the norm of the other: [...]."""
    norm = other.flatten(-2).norm(dim=-1)
    return (one - other).flatten(-2).norm(dim=-1) / norm.where(norm > 0, torch.ones_like(norm))


def same_heat(one, other):
    assert apart(torch.as_tensor(one), torch.as_tensor(other)).max() <= HEAT
