"""Four ways to compute a heatmap and their costs; KernelSHAP only with its library."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from trust_case import SIDE, case, silent

from explorer.tabs.trust import costs as trust_costs
from explorer.tabs.trust.costs import HIDDEN, SAMPLES, CostRow, cost_rows, kernel_shap, verdict
from explorer.tabs.trust.methods import compare
from explorer.tabs.trust.pass_counter import Cost


@pytest.fixture(scope="module")
def comparison():
    return compare(case(), silent)


@pytest.fixture
def small_patches(monkeypatch):
    """16 pixels moved by 8, on photos of SIDE pixels."""
    monkeypatch.setattr(trust_costs, "PATCH", 16 * 256 // SIDE)
    monkeypatch.setattr(trust_costs, "STRIDE", 8 * 256 // SIDE)


def test_kernelshap_without_its_library_says_how_to_install_it(comparison, small_patches, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    rows = cost_rows(comparison, silent)
    assert [row.name for row in rows] == ["Grad-CAM", "Ablation-CAM", "Occlusion", "KernelSHAP"]
    assert rows[0].cost is comparison.row("Grad-CAM").cost and rows[1].cost.forward == 65
    assert rows[2].cost.forward == 10 and rows[2].cost.backward == 0 and "16 pixels, moved by 8" in rows[2].how
    assert rows[3].heat is None and "pip install captum scikit-learn" in rows[3].missing
    assert "KernelSHAP" not in verdict(rows)


class Linear(nn.Module):
    """A linear network: then a Shapley value is weight × (pixel − grey), summed over the superpixel."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))

    def forward(self, images):
        return torch.einsum("nchw,bchw->bn", self.weight, images)


def test_kernelshap_of_a_linear_model_equals_the_closed_form():
    pytest.importorskip("captum.attr", reason="captum is optional")
    pytest.importorskip("sklearn.linear_model", reason="scikit-learn is optional")
    tested, model = case(), Linear()
    rows, columns = np.indices((SIDE, SIDE)) // 16
    segments = rows * 2 + columns
    heat = kernel_shap(trust_costs.captums_kernel_shap(), model, tested, segments, lambda part: None)
    gain = (model.weight.detach()[1] * (tested.image - HIDDEN)).sum(0)
    for label in range(4):
        expected = max(0.0, gain[torch.from_numpy(segments == label)].sum().item())
        assert heat[torch.from_numpy(segments == label)].unique().tolist() == pytest.approx([expected], abs=0.05)


class FakeKernelShap:
    """In place of the library: evaluates the whole photo as often as it would."""

    def __init__(self, score):
        self.score = score

    def attribute(self, image, baselines, feature_mask, n_samples, perturbations_per_eval):
        for _ in range(n_samples // perturbations_per_eval):
            scores = self.score(image.repeat(perturbations_per_eval, 1, 1, 1))
        assert scores.shape == (perturbations_per_eval,) and (baselines == HIDDEN).all()
        return scores[0] * feature_mask.float().expand(1, 3, -1, -1)


def test_kernelshap_evaluates_the_targets_score_and_reports_progress(comparison, small_patches, monkeypatch):
    monkeypatch.setattr(trust_costs, "captums_kernel_shap", lambda: FakeKernelShap)
    tested, parts, rng_state = comparison.tested, [], torch.get_rng_state()
    row = cost_rows(comparison, lambda part, task: parts.append(part))[-1]
    assert row.cost.forward == 1 + SAMPLES // 8 * 8 and row.cost.backward == 0
    logit = tested.network(tested.image[None]).detach()[0, 1]
    expected = max(0.0, float(logit * trust_costs.superpixels(tested.explained.photo).max()))
    assert row.heat.max() == pytest.approx(expected, rel=1e-4)
    assert 0.98 < max(parts) <= 1 and torch.equal(rng_state, torch.get_rng_state())


def test_verdict_names_the_cheapest_way():
    first = CostRow("Grad-CAM", "", cost=Cost(1, 1, 20.0))
    slow = CostRow("Occlusion", "", cost=Cost(101, 0, 500.0))
    quick = CostRow("Ablation-CAM", "", cost=Cost(65, 0, 10.0))
    assert verdict((first, slow)).startswith("Grad-CAM is the cheapest here: Occlusion took 25 × as long.")
    faster = "Ablation-CAM is the cheapest here: Ablation-CAM took 0.5 × as long"
    assert verdict((first, quick, slow)).startswith(faster)
    assert "only one" in verdict((first, CostRow("KernelSHAP", "", missing="not here")))
