"""Methods against random maps: the figures equal gradcam's measures, and the verdict follows its documented rule."""

import numpy as np
import pytest
import torch
from torch import nn
from trust_case import SIDE, case, network, photo, silent

from explorer.tabs.trust.methods import (
    BLUR,
    DRAWS,
    EDGES,
    RANDOM,
    STEPS,
    Areas,
    Comparison,
    Ends,
    Row,
    compare,
    random_maps,
    sobel,
)
from gradcam import METHODS, Explainer, faithfulness

PARTS = np.zeros((SIDE, SIDE), np.uint8)
PARTS[16:, :8] = 1  # the pot: an eighth of the photo


@pytest.fixture(scope="module")
def comparison():
    return compare(case(parts=PARTS), silent)


def test_every_method_and_both_yardsticks_have_a_row(comparison):
    assert [row.name for row in comparison.rows] == [*METHODS, RANDOM, EDGES]
    assert comparison.row("CAM").state == "refused" and comparison.row("CAM").areas is None
    assert "global average" in comparison.verdict(comparison.row("CAM")).sentence
    assert [row.name for row in comparison.rows if row.cost is None] == ["CAM", RANDOM, EDGES]


def test_figures_equal_gradcams_measures(comparison):
    """Against gradcam called directly on the plain network, insertion by its own function."""
    tested = comparison.tested

    def score(images):
        return tested.network(images).softmax(1)[:, 1]

    heat = Explainer(tested.network, "conv_layers.6").explain(tested.image[None], 1, "HiResCAM").heatmaps[0, 0, 0]
    row = comparison.row("HiResCAM")
    inserted = faithfulness.insertion(score, tested.image, heat, STEPS, BLUR * SIDE / 256)
    deleted = faithfulness.deletion(score, tested.image, heat, STEPS)
    assert row.areas.insertion == pytest.approx(inserted.area, abs=1e-6)
    assert row.areas.deletion == pytest.approx(deleted.area, abs=1e-6)
    ends = comparison.ends
    expected = inserted.scores[-1], inserted.scores[0], deleted.scores[-1]
    assert (ends.photo, ends.blurred, ends.black) == pytest.approx(expected, abs=1e-6)
    assert row.shares["pot"] == pytest.approx(float(heat[16:, :8].sum() / heat.sum()), abs=1e-5)
    assert "plant" not in row.shares  # there is none on this mask
    assert comparison.part_areas == {"pot": 1 / 8}


def test_random_row_is_the_mean_of_the_draws(comparison):
    assert len(comparison.draws) == DRAWS
    for curve in ("insertion", "deletion"):
        areas = [getattr(draw, curve) for draw in comparison.draws]
        assert comparison.chance(curve) == (min(areas), max(areas))
        assert getattr(comparison.row(RANDOM).areas, curve) == pytest.approx(sum(areas) / DRAWS)


def test_random_maps_are_seeded_and_as_coarse_as_the_layers_maps():
    """conv3 of the small network puts out 8 × 8, conv1 32 × 32: nothing of conv1's noise is smoothed."""
    coarse, fine = random_maps(case(column="conv3")), random_maps(case(column="conv1"))
    assert torch.equal(coarse[1], random_maps(case(column="conv3"))[1]) and not torch.equal(coarse[0], coarse[1])
    again = torch.rand(1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))[0]
    assert torch.equal(fine[2], again)
    step = lambda heat: (heat[:, 1:] - heat[:, :-1]).abs().mean()  # noqa: E731
    assert step(coarse[0]) < step(fine[0]) / 2


def test_edges_are_where_the_brightness_changes():
    halves = np.zeros((6, 6, 3), np.uint8)
    halves[:, 3:] = 200
    gradient = sobel(halves)
    assert (gradient[:, 2:4] == 4 * 200).all() and gradient[:, [0, 1, 4, 5]].abs().max() == 0
    assert sobel(np.full((6, 6, 3), 9, np.uint8)).abs().max() == 0


def verdict_on(areas, ends=Ends(0.9, 0.1, 0.1), edges=Areas(0.0, 1.0), state="evidence", target="baya"):  # noqa: B008
    draws = (Areas(0.5, 0.4), Areas(0.6, 0.3), Areas(0.55, 0.35))  # the best: insertion 0.6, deletion 0.3
    row = Row("Grad-CAM", state, areas=areas)
    return Comparison(case(target), (row, Row(EDGES, "evidence", areas=edges)), draws, ends).verdict(row)


@pytest.mark.parametrize(
    ("areas", "word"),
    [
        (Areas(0.621, 0.279), "better"),
        (Areas(0.621, 0.281), "partly"),  # ahead by less than MARGIN on deletion
        (Areas(0.619, 0.279), "partly"),
        (Areas(0.60, 0.30), "no better"),
        (Areas(0.1, 0.9), "no better"),
    ],
)
def test_verdict_by_the_lead_over_random_maps(areas, word):
    verdict = verdict_on(areas)
    assert verdict.word == word
    assert f"insertion {areas.insertion:.2f}, best random 0.60" in verdict.sentence
    assert f"deletion {areas.deletion:.2f}, best random 0.30" in verdict.sentence


def test_curve_with_a_small_drop_is_not_used():
    assert verdict_on(Areas(0.9, 0.9), Ends(0.9, 0.8, 0.1)).word == "no better"  # by deletion alone
    assert verdict_on(Areas(0.1, 0.1), Ends(0.9, 0.8, 0.1)).word == "better"
    assert "insertion" not in verdict_on(Areas(0.9, 0.9), Ends(0.9, 0.8, 0.1)).sentence
    assert verdict_on(Areas(0.9, 0.1), Ends(0.9, 0.8, 0.95)).word == "cannot tell"
    assert verdict_on(Areas(0.9, 0.1), Ends(0.0, 0.0, 0.3)).word == "cannot tell"  # a class of probability 0


def test_curve_without_room_above_random_maps_is_not_used():
    """From 0.1 to 0.65 in ten steps the best area is 0.6225: only 0.0225 above the best random one.

    From 0.64 down, less than MARGIN is left.
    """
    assert "insertion" in verdict_on(Areas(0.6, 0.3), Ends(0.65, 0.1, 0.1)).sentence
    assert "insertion" not in verdict_on(Areas(0.6, 0.3), Ends(0.64, 0.1, 0.1)).sentence


def test_edges_that_are_as_good_are_mentioned():
    assert "bare edges" not in verdict_on(Areas(0.7, 0.2), edges=Areas(0.6, 0.3)).sentence
    assert verdict_on(Areas(0.7, 0.2), edges=Areas(0.8, 0.3)).sentence.endswith("bare edges do as well on insertion.")
    assert verdict_on(Areas(0.7, 0.2), edges=Areas(0.7, 0.2)).sentence.endswith("as well on insertion and deletion.")


class Constant(nn.Module):
    """A network of the right shape whose logits do not depend on the photo."""

    def __init__(self):
        super().__init__()
        self.conv_layers = network().conv_layers

    def forward(self, images):
        return 0 * self.conv_layers(images).mean((1, 2, 3))[:, None] + torch.tensor([[0.0, 3.0, 1.0, 2.0]])


def test_empty_map_has_no_figures_and_says_so():
    comparison = compare(case(net=Constant(), parts=PARTS), silent)
    row = comparison.row("Grad-CAM")
    assert row.state == "empty" and row.areas is None and row.shares == {}
    verdict = comparison.verdict(row)
    assert verdict.word == "nothing to measure" and "No positive evidence for Baya at conv3" in verdict.sentence
    assert comparison.verdict(comparison.row("HiResCAM")).word == "nothing to measure"


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"target": "mixture"}, "choose a class"), ({"target": "further left", "answers": "number"}, "a number")],
)
def test_without_a_probability_the_other_figures_are_measured(options, reason):
    comparison = compare(case(**options, parts=PARTS), silent)
    assert comparison.ends is None and comparison.draws == () and all(row.areas is None for row in comparison.rows)
    assert comparison.row("HiResCAM").cost.forward == 1 and "pot" in comparison.row("LayerCAM").shares
    assert any(reason in comparison.verdict(row).sentence for row in comparison.rows if row.state == "evidence")


def test_image_is_the_networks_input():
    assert torch.equal(case().image, torch.from_numpy(photo()).permute(2, 0, 1).float() / 255)
