"""Methods against maps that know nothing: the figures are the measures', the rule is the one written down."""

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
    noises,
    sobel,
)
from gradcam import METHODS, Explainer, faithfulness

PARTS = np.zeros((SIDE, SIDE), np.uint8)
PARTS[16:, :8] = 1  # the pot: an eighth of the photo


@pytest.fixture(scope="module")
def comparison():
    return compare(case(parts=PARTS), silent)


def test_every_method_and_both_yardsticks_are_there(comparison):
    assert [row.name for row in comparison.rows] == [*METHODS, RANDOM, EDGES]
    assert comparison.row("CAM").state == "refused" and comparison.row("CAM").areas is None
    assert "global average" in comparison.verdict(comparison.row("CAM")).sentence
    assert [row.name for row in comparison.rows if row.cost is None] == ["CAM", RANDOM, EDGES]


def test_the_figures_are_the_measures_own(comparison):
    """Against gradcam called directly on the plain network, insertion by its own function."""
    subject = comparison.subject

    def score(images):
        return subject.network(images).softmax(1)[:, 1]

    heat = Explainer(subject.network, "conv_layers.6").explain(subject.image[None], 1, "HiResCAM").heatmaps[0, 0, 0]
    row = comparison.row("HiResCAM")
    inserted, deleted = (
        faithfulness.insertion(score, subject.image, heat, STEPS, BLUR),
        faithfulness.deletion(score, subject.image, heat, STEPS),
    )
    assert row.areas.insertion == pytest.approx(inserted.area, abs=1e-6)
    assert row.areas.deletion == pytest.approx(deleted.area, abs=1e-6)
    ends = comparison.ends
    assert (ends.photo, ends.blurred, ends.black) == pytest.approx(
        (inserted.scores[-1], inserted.scores[0], deleted.scores[-1]), abs=1e-6
    )
    assert row.shares["pot"] == pytest.approx(float(heat[16:, :8].sum() / heat.sum()), abs=1e-5)
    assert "plant" not in row.shares  # there is none on this mask
    assert comparison.covers == {"pot": 1 / 8}


def test_the_random_row_is_the_mean_of_the_draws(comparison):
    assert len(comparison.draws) == DRAWS
    for curve in ("insertion", "deletion"):
        found = [getattr(areas, curve) for areas in comparison.draws]
        assert comparison.luck(curve) == (min(found), max(found))
        assert getattr(comparison.row(RANDOM).areas, curve) == pytest.approx(sum(found) / DRAWS)


def test_noise_is_seeded_and_as_coarse_as_the_layers_maps():
    """conv3 of the small network puts out 8 × 8, conv1 32 × 32: nothing of conv1's noise is smoothed."""
    coarse, fine = noises(case(column="conv3")), noises(case(column="conv1"))
    assert torch.equal(coarse[1], noises(case(column="conv3"))[1]) and not torch.equal(coarse[0], coarse[1])
    again = torch.rand(1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))[0]
    assert torch.equal(fine[2], again)
    step = lambda heat: (heat[:, 1:] - heat[:, :-1]).abs().mean()  # noqa: E731
    assert step(coarse[0]) < step(fine[0]) / 2


def test_edges_are_where_the_brightness_jumps():
    halves = np.zeros((6, 6, 3), np.uint8)
    halves[:, 3:] = 200
    steep = sobel(halves)
    assert (steep[:, 2:4] == 4 * 200).all() and steep[:, [0, 1, 4, 5]].abs().max() == 0
    assert sobel(np.full((6, 6, 3), 9, np.uint8)).abs().max() == 0


def judged(areas, ends=Ends(0.9, 0.1, 0.1), edges=Areas(0.0, 1.0), state="evidence", target="baya"):  # noqa: B008
    draws = (Areas(0.5, 0.4), Areas(0.6, 0.3), Areas(0.55, 0.35))  # the best: insertion 0.6, deletion 0.3
    row = Row("Grad-CAM", state, areas=areas)
    found = Comparison(case(target), (row, Row(EDGES, "evidence", areas=edges)), draws, ends)
    return found.verdict(row)


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
def test_the_rule(areas, word):
    verdict = judged(areas)
    assert verdict.word == word
    assert f"insertion {areas.insertion:.2f}, best random 0.60" in verdict.sentence
    assert f"deletion {areas.deletion:.2f}, best random 0.30" in verdict.sentence


def test_a_curve_over_which_little_is_lost_is_not_used():
    assert judged(Areas(0.9, 0.9), Ends(0.9, 0.8, 0.1)).word == "no better"  # by deletion alone
    assert judged(Areas(0.1, 0.1), Ends(0.9, 0.8, 0.1)).word == "better"
    assert "insertion" not in judged(Areas(0.9, 0.9), Ends(0.9, 0.8, 0.1)).sentence
    assert judged(Areas(0.9, 0.1), Ends(0.9, 0.8, 0.95)).word == "cannot tell"
    assert judged(Areas(0.9, 0.1), Ends(0.0, 0.0, 0.3)).word == "cannot tell"  # a class the model gives nothing


def test_a_curve_on_which_no_map_could_be_ahead_is_not_used():
    """From 0.1 to 0.65 in ten steps the best area is 0.6225: only 0.0225 above the best random one; from 0.6 on, less than MARGIN is left."""
    assert "insertion" in judged(Areas(0.6, 0.3), Ends(0.65, 0.1, 0.1)).sentence
    assert "insertion" not in judged(Areas(0.6, 0.3), Ends(0.64, 0.1, 0.1)).sentence


def test_bare_edges_that_do_as_well_are_named():
    assert "bare edges" not in judged(Areas(0.7, 0.2), edges=Areas(0.6, 0.3)).sentence
    assert judged(Areas(0.7, 0.2), edges=Areas(0.8, 0.3)).sentence.endswith("bare edges do as well on insertion.")
    assert judged(Areas(0.7, 0.2), edges=Areas(0.7, 0.2)).sentence.endswith("as well on insertion and deletion.")


class Deaf(nn.Module):
    """A network of the right shape whose answer never depends on the photo."""

    def __init__(self):
        super().__init__()
        self.conv_layers = network().conv_layers

    def forward(self, images):
        return 0 * self.conv_layers(images).mean((1, 2, 3))[:, None] + torch.tensor([[0.0, 3.0, 1.0, 2.0]])


def test_maps_without_evidence_have_no_figures_and_say_so():
    found = compare(case(net=Deaf(), parts=PARTS), silent)
    row = found.row("Grad-CAM")
    assert row.state == "empty" and row.areas is None and row.shares == {}
    verdict = found.verdict(row)
    assert verdict.word == "nothing to measure" and "No positive evidence for baya at conv3" in verdict.sentence
    assert found.verdict(found.row(EDGES)).word == "cannot tell"  # its curves are flat


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"target": "mixture"}, "choose a class"), ({"target": "further left", "answers": "number"}, "a number")],
)
def test_without_a_probability_the_rest_still_works(asked, says):
    found = compare(case(**asked, parts=PARTS), silent)
    assert found.ends is None and found.draws == () and all(row.areas is None for row in found.rows)
    assert found.row("HiResCAM").cost.forward == 1 and "pot" in found.row("LayerCAM").shares
    assert any(says in found.verdict(row).sentence for row in found.rows if row.state == "evidence")


def test_the_photo_is_seen_as_the_network_saw_it():
    assert torch.equal(case().image, torch.from_numpy(photo()).permute(2, 0, 1).float() / 255)
