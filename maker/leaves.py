"""Single leaves: their shape, and how they are placed on a plant."""

import numpy as np

from maker.shapes import skin, turn


def leaf(length, width, thickness, outline, bend=0.0, cup=0.3, steps=12, around=10, tone=0.5):
    """A fleshy leaf from the origin along +x with its face up.

    `outline` gives the relative width along it; `bend` (radians, root to tip) curls it up; `cup` hollows its face.
    """
    u = np.linspace(0, 1, steps)
    share = np.interp(u, np.linspace(0, 1, len(outline)), outline)
    heading = bend * u
    spine_x = np.concatenate([[0], np.cumsum(np.cos(heading[1:]) * length / (steps - 1))])
    spine_z = np.concatenate([[0], np.cumsum(np.sin(heading[1:]) * length / (steps - 1))])
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    across = 0.5 * width * share[:, None] * np.cos(angle)
    depth = 0.5 * thickness * np.sqrt(share)[:, None] * np.sin(angle)
    hollow = cup * across**2 / (0.5 * width)
    lift = depth * np.where(np.sin(angle) > 0, 0.35, 1.0) + hollow
    rings = np.stack(
        [
            spine_x[:, None] - lift * np.sin(heading)[:, None],
            across,
            spine_z[:, None] + lift * np.cos(heading)[:, None],
        ],
        -1,
    )
    return skin(rings, tone)


def oriented(shape, azimuth, elevation, shift=(0, 0, 0), roll=0.0):
    """The leaf lifted by `elevation`, turned to `azimuth` and moved to its place on the plant."""
    return shape.moved(turn("z", azimuth) @ turn("y", -elevation) @ turn("x", roll), shift)


def rim_clearance(pot, base, radius):
    """The least elevation at which a leaf from `base` passes over the lip of the pot, if it is long enough to."""
    return np.arctan2(pot.height + 0.03 - base, pot.mouth - radius)
