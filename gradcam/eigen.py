"""The first principal axis of a layer's maps, for any activation: rank-poor, constant, zero, huge or not finite."""

import math

import torch
from torch import Tensor

DECISIVE = 1e-5  # of a direction's length: a smaller share says nothing about an axis


def first_axis(maps: Tensor) -> Tensor:
    """The unit vector [C] along which `maps` [C, hw] have the most energy: the first left singular vector, not centred.

    The map Σ axis·A is oriented to rise and fall with the energy ΣA² of its places; where that does not decide, to have
    a positive sum; where that does not either, to be positive at the first place on which it has weight. Where
    several axes come first, as far as the maps' precision tells them apart, the same rule chooses among all
    directions between them. Maps of zeros have no axis and get zeros; maps that are not finite get NaN.

    It is taken from the smaller of the two Gram matrices, over places [hw, hw] or channels [C, C], in double
    precision: in single, LAPACK's `eigh` fails on ordinary matrices of low rank, such as the [512, 512] of 512
    maps of one pixel. Processor time, one thread, 2048 maps of 7 × 7 and of 14 × 14: 0.6 and 4.6 ms. A thin SVD takes
    1.1 and 12.6, the full one of centred maps, which is pytorch-grad-cam's Eigen-CAM and not the paper's, 225 and
    397, `eigh` over channels 620 and 640.
    """
    largest = float(maps.abs().max())
    if not math.isfinite(largest):
        return torch.full_like(maps[:, 0], torch.nan)
    if largest == 0:
        return torch.zeros_like(maps[:, 0])
    maps = maps / largest  # now its squares neither overflow nor vanish
    return _oriented(maps, _first_places(maps))


def _first_places(maps):
    """Orthonormal maps [hw, m] that span the first component: several where eigenvalues are equal up to rounding."""
    by_place = maps.shape[1] <= maps.shape[0]
    gram = maps.mT @ maps if by_place else maps @ maps.mT
    values, vectors = torch.linalg.eigh(gram.cpu().double())  # Metal has neither; for CUDA the matrix is too small
    first = values >= values[-1] * (1 - (len(values) + 9) * torch.finfo(maps.dtype).eps)
    vectors, sizes = vectors[:, first].to(maps), values[first].sqrt().to(maps)
    return vectors if by_place else maps.mT @ vectors / sizes


def _oriented(maps, places):
    """The axis [C] whose map lies among `places` [hw, m], in the direction that the rule in `first_axis` chooses."""
    for direction, size in _directions(maps, places):
        share = places.mT @ direction  # [m]
        if share.norm() > DECISIVE * size:
            break
    axis = maps @ (places @ share)  # [C]
    return axis / axis.norm()


def _directions(maps, places):
    """What decides sign and ties, in turn: maps [hw] and their largest possible length. The last one always decides."""
    energy = (maps**2).sum(0)
    yield energy - energy.mean(), energy.norm()
    yield torch.ones_like(energy), len(energy) ** 0.5
    weight = places.norm(dim=1)
    first = torch.zeros_like(energy)
    first[(weight > weight.max() / 2).nonzero()[0]] = 1
    yield first, 1
