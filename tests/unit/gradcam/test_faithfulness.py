"""Faithfulness measures by hand and against independent solvers; degenerate maps are rejected."""

import numpy as np
import pytest
import scipy.sparse
import torch

from gradcam.faithfulness import (
    average_drop,
    average_gain,
    average_increase,
    deletion,
    explanation_map,
    heat_share,
    impute,
    insertion,
    pointing_game,
    road,
)

HEAT = torch.tensor([[4.0, 3.0], [2.0, 1.0]])
IMAGE = torch.ones(3, 2, 2)


def top_left(images):
    """A model that reads one pixel."""
    return images[:, 0, 0, 0]


def brightness(images):
    return images.mean((1, 2, 3))


def test_deletion_by_hand():
    """The top-left pixel goes first: scores 1, 0, 0, 0, 0; area by trapezoids 1/8. The negated map: 7/8."""
    curve = deletion(top_left, IMAGE, HEAT, steps=4)
    assert curve.fractions == (0, 0.25, 0.5, 0.75, 1) and curve.scores == (1, 0, 0, 0, 0) and curve.area == 0.125
    assert deletion(top_left, IMAGE, -HEAT, steps=4).area == 0.875
    assert deletion(brightness, IMAGE, HEAT, steps=4).scores == (1, 0.75, 0.5, 0.25, 0)


def test_insertion_by_hand():
    """One bright pixel, blurred to nearly nothing: inserting that pixel first restores the score at once."""
    image = torch.zeros(3, 32, 32)
    image[:, 0, 0] = 1
    heat = torch.zeros(32, 32)
    heat[0, 0] = 1
    curve = insertion(top_left, image, heat, steps=1024)
    assert curve.scores[0] < 0.05 and curve.scores[1] == 1 and curve.area > 0.99
    assert insertion(top_left, image, -heat, steps=1024).area < 0.05


def test_average_gain_by_hand():
    """0.8 to 0.9 gains half of what was missing, 0.5 to 0.6 a fifth, 0.4 to 0.1 nothing, and certainty cannot gain."""
    assert average_gain([0.8, 0.5, 0.4, 1.0], [0.9, 0.6, 0.1, 1.0]) == pytest.approx(100 * (0.5 + 0.2) / 4)
    assert average_gain([0.2], [1.0]) == pytest.approx(100) and average_gain([0.2], [0.1]) == 0
    with pytest.raises(ValueError, match="probabilities"):
        average_gain([0.5], [1.5])


def test_average_drop_and_increase_by_hand():
    before, after = [0.8, 0.5, 0.4], [0.4, 0.6, 0.4]
    assert average_drop(before, after) == pytest.approx(100 * (0.5 + 0 + 0) / 3)
    assert average_increase(before, after) == pytest.approx(100 / 3)
    with pytest.raises(ValueError, match="probabilities"):
        average_drop([0.0], [0.1])
    with pytest.raises(ValueError, match="probabilities"):
        average_drop([0.5], [np.nan])
    with pytest.raises(ValueError, match="as many"):
        average_increase([0.5, 0.5], [0.1])


def test_the_explanation_map_by_hand():
    assert explanation_map(IMAGE, HEAT)[0].tolist() == pytest.approx(np.array([[1, 2 / 3], [1 / 3, 0]]))


def imputed_by_scipy(image, removed):
    """The same linear system, written entry by entry and solved directly."""
    height, width = removed.shape
    rows, columns, values, constants = [], [], [], np.zeros((height * width, 3))
    for y in range(height):
        for x in range(width):
            index = y * width + x
            if not removed[y, x]:
                rows.append(index), columns.append(index), values.append(1.0)
                constants[index] = image[:, y, x]
                continue
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy or dx) and 0 <= y + dy < height and 0 <= x + dx < width:
                        weight = 1 / 6 if not (dy and dx) else 1 / 12
                        rows += [index, index]
                        columns += [index, (y + dy) * width + x + dx]
                        values += [weight, -weight]
    system = scipy.sparse.csc_matrix((values, (rows, columns)))
    return scipy.sparse.linalg.spsolve(system, constants).reshape(height, width, 3).transpose(2, 0, 1)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_imputation_solves_the_linear_system(share):
    generator = torch.Generator().manual_seed(0)
    image, removed = (
        torch.rand(3, 12, 15, generator=generator, dtype=torch.float64),
        torch.rand(12, 15, generator=generator) < share,
    )
    np.testing.assert_allclose(
        impute(image, removed, noise=0), imputed_by_scipy(image.numpy(), removed.numpy()), atol=1e-5
    )


def test_a_large_removed_corner_is_imputed():
    image, removed = torch.rand(3, 64, 64, dtype=torch.float64), torch.zeros(64, 64, dtype=torch.bool)
    removed[:50, :50] = True
    np.testing.assert_allclose(
        impute(image, removed, noise=0), imputed_by_scipy(image.numpy(), removed.numpy()), atol=1e-4
    )


def test_imputation_is_seeded_and_keeps_the_remaining_pixels():
    image, removed = torch.rand(3, 8, 8), torch.zeros(8, 8, dtype=torch.bool)
    removed[2:5, 2:5] = True
    one, same, other = impute(image, removed, 1), impute(image, removed, 1), impute(image, removed, 2)
    assert torch.equal(one, same) and not torch.equal(one, other)
    torch.testing.assert_close(one[:, ~removed], image[:, ~removed])
    with pytest.raises(ValueError, match="remain"):
        impute(image, torch.ones(8, 8, dtype=torch.bool))


def test_road_prefers_the_correct_map():
    """The model reads one bright square. Removing it first costs more than removing it last."""
    image = torch.zeros(3, 32, 32)
    image[:, 8:16, 8:16] = 1
    heat = torch.rand(32, 32, generator=torch.Generator().manual_seed(0))
    heat[8:16, 8:16] += 2

    def square(images):
        return images[:, :, 8:16, 8:16].mean((1, 2, 3))

    right, wrong = road(square, image, heat), road(square, image, -heat)
    assert right.scores[0] == wrong.scores[0] == 1 and right.scores[1] < 0.3 and right.area < wrong.area - 0.3
    assert road(square, image, heat, seed=3) == road(square, image, heat, seed=3)


def test_pointing_game_and_heat_share_by_hand():
    mask = torch.tensor([[True, False], [False, True]])
    assert pointing_game(HEAT, mask) and not pointing_game(HEAT, ~mask)
    assert heat_share(HEAT, mask) == pytest.approx(0.5)
    assert heat_share(
        torch.tensor([[3.0, -9.0], [0.0, 1.0]]), torch.tensor([[True, False], [False, False]])
    ) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="positive"):
        heat_share(-HEAT, mask)


DEGENERATE = {
    "empty": torch.zeros(2, 2),
    "constant": torch.ones(2, 2),
    "not finite": torch.tensor([[1.0, torch.nan], [0, 0]]),
}
MEASURES = {
    "deletion": lambda heat: deletion(brightness, IMAGE, heat),
    "insertion": lambda heat: insertion(brightness, IMAGE, heat),
    "road": lambda heat: road(brightness, IMAGE, heat),
    "explanation_map": lambda heat: explanation_map(IMAGE, heat),
    "pointing_game": lambda heat: pointing_game(heat, torch.ones(2, 2, dtype=torch.bool)),
    "heat_share": lambda heat: heat_share(heat, torch.ones(2, 2, dtype=torch.bool)),
}


@pytest.mark.parametrize("state", DEGENERATE)
@pytest.mark.parametrize("measure", MEASURES)
def test_degenerate_maps_raise_an_error(measure, state):
    with pytest.raises(ValueError, match=state):
        MEASURES[measure](DEGENERATE[state])


@pytest.mark.parametrize("measure", MEASURES)
def test_a_batch_of_maps_is_rejected(measure):
    with pytest.raises(ValueError, match=r"\[H, W\]"):
        MEASURES[measure](torch.rand(3, 2, 2))


def test_invalid_scores_masks_and_images_are_rejected():
    with pytest.raises(ValueError, match="finite score"):
        deletion(lambda images: images.mean() * torch.nan, IMAGE, HEAT)
    with pytest.raises(ValueError, match="booleans"):
        heat_share(HEAT, HEAT)
    with pytest.raises(ValueError, match="empty"):
        pointing_game(HEAT, torch.zeros(2, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="image"):
        deletion(brightness, torch.ones(3, 4, 4), HEAT)
