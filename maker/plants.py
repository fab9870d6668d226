"""The four plants. Each function takes a random stream and a Pot and returns the plant's objects, in the soil."""

import numpy as np

from maker.colours import linear, varied
from maker.leaves import leaf, oriented, rim_clearance
from maker.materials import bark, flesh
from maker.shapes import ball, join, to_object, tube, turn

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


# --- Rudo: echeveria --------------------------------------------------------------------------------------------------

SPOON = (0.3, 0.34, 0.42, 0.55, 0.72, 0.88, 0.98, 1.0, 0.86, 0.5, 0.0)


def rosette(rng, pot, centre, radius, leaves, openness):
    """One rosette: leaves at the golden angle, flat outside and upright at the centre."""
    shapes = []
    for order in range(leaves):
        age = 1 - order / leaves  # 1 is the outermost, oldest leaf
        length = radius * (0.28 + 0.72 * age**0.8) * rng.uniform(0.93, 1.07)
        elevation = np.radians(82 - (82 - openness) * age**0.75) + rng.normal(0, 0.05)
        if length * np.cos(elevation) + np.hypot(*centre[:2]) > pot.mouth - 0.03:
            elevation = max(elevation, rim_clearance(pot, centre[2], np.hypot(*centre[:2])) + 0.05)
        one = leaf(
            length,
            0.52 * length + 0.06,
            0.13 * radius + 0.03,
            SPOON,
            bend=rng.uniform(0.25, 0.6),
            cup=0.45,
            tone=rng.random() ** 2,
        )
        azimuth = order * GOLDEN_ANGLE + rng.normal(0, 0.08)
        out = 0.03 * radius * np.array([np.cos(azimuth), np.sin(azimuth), 0])
        shapes.append(oriented(one, azimuth, elevation, centre + out + (0, 0, 0.16 * radius * (1 - age))))
    return join(shapes)


def echeveria(rng, pot):
    """Rudo: a rosette, sometimes with pups beside it."""
    radius = pot.radius * rng.uniform(0.85, 1.3)
    openness = rng.uniform(2, 26)
    # The centre is near the lip, so that the outer leaves lie over it as in a long-used pot.
    centre = np.array([*rng.normal(0, 0.03, 2), pot.height + rng.uniform(-0.11, -0.01)])
    heads = [rosette(rng, pot, centre, radius, rng.integers(30, 50), openness)]
    for _ in range(rng.choice([0, 0, 1, 2]) if radius < pot.radius else 0):
        angle = rng.uniform(0, 2 * np.pi)
        aside = centre + pot.mouth * 0.62 * np.array([np.cos(angle), np.sin(angle), 0])
        heads.append(rosette(rng, pot, aside, radius * rng.uniform(0.35, 0.5), rng.integers(16, 26), openness + 15))
    stem = tube([(centre[0], centre[1], pot.soil - 0.05), (*centre[:2], centre[2] + 0.1 * radius)], [0.11, 0.09])
    root, tip, blush = (
        varied(rng, linear(colour))
        for colour in [
            ("#9fb49a", "#7f9f92", "#b5606a"),
            ("#a9bda5", "#93ada6", "#c98d8d"),
            ("#8fa07c", "#7a9468", "#a23c3c"),
            ("#b7b9a8", "#b39c98", "#b06a72"),
            ("#8ba394", "#6d8c8c", "#7d5a6c"),
        ][rng.integers(5)]
    )
    waxy = flesh(rng, root, tip, blush, rng.uniform(0.72, 0.88), rng.uniform(0.45, 0.65))
    return [to_object(join([*heads, stem]), "echeveria", waxy)]


# --- Baya: spotted aloe -----------------------------------------------------------------------------------------------

BLADE = (1.0, 0.97, 0.92, 0.86, 0.79, 0.71, 0.61, 0.5, 0.36, 0.2, 0.0)


def aloe(rng, pot):
    """Baya: long tapering leaves in a fan, flecked with white, with small teeth along the edge."""
    reach, shapes = pot.radius * rng.uniform(1.35, 2.2), []
    count, spread = rng.integers(12, 24), rng.uniform(42, 62)
    for order in range(count):
        age = 1 - order / count
        length = reach * (0.55 + 0.45 * np.sin(np.pi * (0.25 + 0.55 * age))) * rng.uniform(0.85, 1.1)
        elevation = np.radians(86 - spread * age) + rng.normal(0, 0.07)
        azimuth, inset = order * GOLDEN_ANGLE + rng.normal(0, 0.15), 0.1 * age
        elevation = max(elevation, rim_clearance(pot, pot.soil, inset) + 0.15)
        width = rng.uniform(0.15, 0.21) * (0.7 + 0.3 * age)
        bend = rng.normal(0.05, 0.22) - 0.2 * age
        tone = rng.random() ** 2
        place = (inset * np.cos(azimuth), inset * np.sin(azimuth), pot.soil - 0.02)
        one = leaf(length, width, 0.55 * width, BLADE, bend=max(bend, -0.45), cup=0.35, steps=16, tone=tone)
        roll = rng.normal(0, 0.2)
        shapes.append(oriented(join([one, *teeth(one, 16, 10)]), azimuth, elevation, place, roll))
    root, tip = (
        varied(rng, linear(colour))
        for colour in [("#7fa05a", "#4d7a3a"), ("#6f9470", "#47705a"), ("#94ab5c", "#5d8a3c"), ("#5f8850", "#3a6234")][
            rng.integers(4)
        ]
    )
    brown = varied(rng, linear(rng.choice(["#6f7d45", "#8c7a48", "#5d8a3c"])))
    skin_ = flesh(rng, root, tip, brown, 0.93, rng.uniform(0.3, 0.5), spots=linear("#dfe6c8"))
    return [to_object(join(shapes), "aloe", skin_)]


def teeth(blade, steps, around):
    """Small thorns on both edges of a leaf that `leaf` made with these counts."""
    rings = blade.vertices.reshape(steps, around, 3)
    thorns = []
    for edge, outward in ((0, 1.0), (around // 2, -1.0)):
        for spot in range(1, steps - 2):
            tip = rings[spot, edge] + (0.02, 0.026 * outward, 0.0)
            thorns.append(tube([rings[spot, edge] - (0, 0.004 * outward, 0), tip], [0.009, 0.001], around=4, tone=0.0))
    return thorns


# --- Greg: jade -------------------------------------------------------------------------------------------------------

PADDLE = (0.25, 0.42, 0.6, 0.76, 0.88, 0.96, 1.0, 0.97, 0.85, 0.6, 0.0)


def jade(rng, pot):
    """Greg: a small tree with thick stems that fork, and pairs of paddle leaves at the ends."""
    stems, leaves = [], []
    trunk = pot.radius * rng.uniform(0.36, 0.6)
    base = np.array([*rng.normal(0, 0.05, 2), pot.soil - 0.04])
    size = pot.radius * rng.uniform(0.32, 0.44)
    for index in range(rng.choice([1, 1, 2, 3])):
        lean = rng.normal(0, 0.16, 2) + (0 if index == 0 else 1) * rng.normal(0, 0.35, 2)
        direction = np.array([*lean, 1.0])
        grow_branch(
            rng,
            base + index * np.array([*rng.uniform(-0.13, 0.13, 2), 0]),
            direction,
            trunk * 0.85**index,
            0.085,
            3,
            size,
            stems,
            leaves,
        )
    root, tip, blush = (
        varied(rng, linear(colour))
        for colour in [
            ("#5d8a3f", "#4a7a34", "#8a5a34"),
            ("#6f9a4a", "#5c8f3c", "#6f9a3c"),
            ("#4d7540", "#3c6636", "#a0483a"),
            ("#7fa050", "#78983f", "#b9603f"),
        ][rng.integers(4)]
    )
    glossy = flesh(rng, root, tip, blush, rng.uniform(0.8, 0.95), rng.uniform(0.2, 0.35), light_through=0.1)
    woody = bark(rng, varied(rng, linear(rng.choice(["#8a7358", "#7a6248", "#9a8a70"]))))
    return [to_object(join(stems), "stems", woody), to_object(join(leaves), "leaves", glossy)]


def grow_branch(rng, start, direction, length, radius, forks, size, stems, leaves):
    """One stem from `start`; it forks until `forks` runs out, and its young end carries leaves."""
    direction = direction / np.linalg.norm(direction)
    sway = rng.normal(0, 0.12, 3) * length
    t = np.linspace(0, 1, 7)[:, None]
    path = start + direction * length * t + sway * t * (1 - t)
    stems.append(tube(path, np.linspace(radius, radius * 0.72, 7), around=9, tone=rng.random()))
    if forks < 3:
        for spot in [4, 6] if forks else [2, 3, 4, 5, 6]:
            if forks == 0 or rng.random() < 0.6:
                leaf_pair(rng, path[spot], direction, spot * np.pi / 2, size * rng.uniform(0.75, 1.1), 0.75, leaves)
    if forks == 0:
        tuft(rng, path[-1], direction, size, leaves)
        return
    turn_to = rng.uniform(0, 2 * np.pi)
    for fork in range(rng.choice([2, 2, 3])):
        angle = turn_to + fork * 2.3 + rng.normal(0, 0.3)
        side = np.array([np.cos(angle), np.sin(angle), 0.0])
        aim = direction + side * rng.uniform(0.6, 1.0) + (0, 0, 0.2)
        grow_branch(rng, path[-1], aim, length * rng.uniform(0.62, 0.9), radius * 0.68, forks - 1, size, stems, leaves)


def leaf_pair(rng, place, direction, azimuth, size, lift, leaves):
    """Two leaves opposite each other across the stem."""
    lean = np.arctan2(np.hypot(*direction[:2]), direction[2])
    frame = turn("z", np.arctan2(direction[1], direction[0])) @ turn("y", lean)
    for side in (0, np.pi):
        one = leaf(
            size,
            size * 0.62,
            size * 0.24,
            PADDLE,
            bend=rng.uniform(0.1, 0.5),
            cup=0.2,
            steps=10,
            around=8,
            tone=rng.random() ** 2,
        )
        upright = turn("z", azimuth + side + rng.normal(0, 0.15)) @ turn("y", -lift - rng.normal(0, 0.12))
        leaves.append(one.moved(frame @ upright, place))


def tuft(rng, place, direction, size, leaves):
    """The growing tip: pairs of ever smaller, ever steeper leaves."""
    for level, (scale, lift) in enumerate(((1.0, 0.45), (0.85, 0.8), (0.6, 1.15))):
        leaf_pair(
            rng,
            place + direction * 0.03 * level,
            direction,
            level * np.pi / 2 + rng.normal(0, 0.2),
            size * scale,
            lift,
            leaves,
        )


# --- Yuki: string of pearls -------------------------------------------------------------------------------------------


def pearls(rng, pot):
    """Yuki: a heap of green pearls on thin threads that fall over the lip."""
    size = rng.uniform(0.036, 0.056)
    beads, threads = heap(rng, pot, size), []
    for _ in range(rng.integers(16, 34)):
        path = falling_thread(rng, pot, size)
        threads.append(tube(path, np.full(len(path), 0.008), around=5))
        beads += string(rng, path, size)
    green, pale = (
        varied(rng, linear(colour))
        for colour in [("#7ba23c", "#9fc25c"), ("#6b9a48", "#92b86c"), ("#86a84a", "#b3c86e"), ("#5f8f52", "#86ac70")][
            rng.integers(4)
        ]
    )
    ripe = flesh(rng, green, pale, dry_point(pale), 0.97, rng.uniform(0.25, 0.4), light_through=0.25)
    thread = bark(rng, varied(rng, linear("#6f8a45")))
    return [to_object(join(beads), "pearls", ripe), to_object(join(threads), "threads", thread)]


def dry_point(colour):
    """The dry point of a pearl."""
    return tuple(0.5 * np.asarray(colour) + 0.5 * np.array(linear("#8a6a4a")))


def bead(rng, size, place):
    """One pearl, turned any way, its point outermost."""
    one = ball(size * rng.uniform(0.8, 1.15), squash=rng.uniform(0.9, 1.1), point=0.35, tone=rng.random() ** 2)
    return one.moved(turn("z", rng.uniform(0, 6.3)) @ turn("y", rng.uniform(0, 2.6)), place)


def heap(rng, pot, size):
    """Pearls piled on the soil, higher in the middle."""
    beads, height = [], rng.uniform(0.06, 0.22)
    for _ in range(int(rng.uniform(0.9, 1.5) * (pot.mouth / size) ** 2)):
        r, angle = (pot.mouth - size) * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        dome = pot.soil + size * 0.7 + height * (1 - (r / pot.mouth) ** 2)
        beads.append(bead(rng, size, (r * np.cos(angle), r * np.sin(angle), dome - rng.random() ** 2 * size * 2)))
    return beads


def falling_thread(rng, pot, size):
    """From the heap over the lip and down outside, always a pearl's width clear of the pot."""
    angle, drift = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.25)
    low = max(size, pot.height - rng.beta(1.6, 1.6) * pot.height * 1.05)
    inside = [(pot.mouth * 0.6, pot.soil + 0.15), (pot.mouth, pot.height + size)]
    drop = np.arange(pot.height + 0.3 * size, low, -0.05)
    outside = [
        (max(pot.outer_radius(z), pot.outer_radius(z + 0.1), pot.outer_radius(z - 0.06)) + size * 1.15, z) for z in drop
    ]
    profile = np.array([*inside, (pot.outer_radius(pot.height) + 0.3 * size, pot.height + size * 1.2), *outside])
    turned = angle + drift * np.linspace(0, 1, len(profile)) ** 2
    wander = 0.012 * np.sin(np.linspace(0, rng.uniform(5, 15), len(profile)))
    radius = profile[:, 0] + np.abs(wander)
    return np.stack([radius * np.cos(turned), radius * np.sin(turned), profile[:, 1]], 1)


def string(rng, path, size):
    """Pearls along a thread, now left, now right of it."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    beads = []
    for order, at in enumerate(np.arange(0.05, length[-1], size * rng.uniform(1.15, 1.7))):
        here = np.array([np.interp(at, length, path[:, axis]) for axis in range(3)])
        outward = np.array([*here[:2], 0]) / np.hypot(*here[:2])
        aside = np.cross(outward, (0, 0, 1)) * (1 if order % 2 else -1)
        shrink = 1.0 if at < 0.8 * length[-1] else rng.uniform(0.6, 0.9)
        beads.append(
            bead(rng, size * shrink, here + aside * size * rng.uniform(0.4, 1.0) + outward * size * rng.uniform(0, 0.4))
        )
    return beads


GROWERS = {"rudo": echeveria, "baya": aloe, "greg": jade, "yuki": pearls}
