"""Fixtures of the tab Trust's tests."""

import pytest
from trust_case import case, silent

from explorer.tabs.trust.checks import Checks, Measured
from explorer.tabs.trust.costs import CostRow
from explorer.tabs.trust.methods import compare
from explorer.tabs.trust.sanity_check import run_sanity_check
from explorer.tabs.trust.training_seeds import SeedComparison, SeedNetwork


@pytest.fixture(scope="package")
def checks():
    tested = case()
    heat = tested.heat("HiResCAM")
    networks = tuple(SeedNetwork(seed, seed == 1, heat, "evidence", "baya", 0.9, 2.0, {"test": 0.7}) for seed in (0, 1))
    seeds = SeedComparison(networks, (1.0,), "Alike.")
    return Checks(tested, run_sanity_check(tested, "HiResCAM", silent), seeds)


@pytest.fixture(scope="package")
def measured():
    comparison = compare(case(), silent)
    row = comparison.row("Grad-CAM")
    timed = CostRow("Grad-CAM", "one gradient", row.heat, row.state, row.cost)
    return Measured(comparison, (timed, CostRow("KernelSHAP", "hides", missing="Not <here>.")))
