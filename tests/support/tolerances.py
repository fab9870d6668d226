"""Tolerances for comparing single-precision results of another summation order, batch or machine.

The bounds are those of `explorer.explanation.device`: measured errors of single precision against double.
"""

import torch

from explorer.explanation.device import HEAT_TOLERANCE, LOGITS_TOLERANCE

HEATMAP_TOLERANCE = HEAT_TOLERANCE["others"]  # relative to a map's norm, for all methods without a bound of their own


def same_logits(result, expected):
    result, expected = torch.as_tensor(result), torch.as_tensor(expected)
    assert (result - expected).abs().max() <= LOGITS_TOLERANCE * expected.abs().max()


def relative_difference(result, expected):
    """‖result − expected‖ / ‖expected‖ of each map: [...]."""
    norm = expected.flatten(-2).norm(dim=-1)
    return (result - expected).flatten(-2).norm(dim=-1) / norm.where(norm > 0, torch.ones_like(norm))


def same_heat(result, expected):
    assert relative_difference(torch.as_tensor(result), torch.as_tensor(expected)).max() <= HEATMAP_TOLERANCE
