"""Placing things on the board about the pot, without overlap and without hiding the pot."""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

import bpy
import numpy as np

from maker.things import SHARES, THINGS


def scatter(rng, stage, pot_radius, plant_radius, camera):
    """Place things about the pot: on the board, without overlap and (nearly) clear of the line of sight to the pot."""
    occupied = [(-plant_radius, plant_radius, -pot_radius, plant_radius)]
    for _ in range(rng.choice([1, 2, 3, 4, 5], p=[0.12, 0.25, 0.28, 0.22, 0.13])):
        kind = rng.choice(list(THINGS), p=SHARES)
        root = bpy.data.objects.new(kind, None)
        bpy.context.scene.collection.objects.link(root)
        half, height = THINGS[kind](rng, root)
        spot = find_spot(rng, stage, occupied, half, camera, pot_radius) if height < stage.ceiling - 0.1 else None
        if spot is None:
            remove(root)
            continue
        root.location = (*spot, 0)
        occupied.append((spot[0] - half[0], spot[0] + half[0], spot[1] - half[1], spot[1] + half[1]))


def remove(root):
    """Delete a thing for which there is no free place from the scene."""
    for item in (*root.children_recursive, root):
        bpy.data.objects.remove(item)


def find_spot(rng, stage, occupied, half, camera, pot_radius):
    """A free place for a footprint of that half size, or None after 60 tries. Places near the pot are likelier."""
    for _ in range(60):
        low = (stage.left + half[0] + 0.04, stage.front + half[1] + 0.08)
        high = (stage.right - half[0] - 0.04, stage.back - half[1] - 0.06)
        if low[0] >= high[0] or low[1] >= high[1]:
            return None
        x, y = np.clip(rng.normal(0, 1.7), *sorted((low[0], high[0]))), rng.uniform(low[1], high[1])
        free = all(
            x + half[0] < x0 - 0.04 or x - half[0] > x1 + 0.04 or y + half[1] < y0 - 0.04 or y - half[1] > y1 + 0.04
            for x0, x1, y0, y1 in occupied
        )
        if free and not hides(x, y, max(half), camera, pot_radius, rng):
            return x, y
    return None


def hides(x, y, reach, camera, pot_radius, rng):
    """Whether a thing there would stand between lens and pot, or too near the lens. Slim things sometimes may."""
    sight = np.asarray(camera[:2]) / np.hypot(*camera[:2])
    ahead, aside = x * sight[0] + y * sight[1], abs(x * sight[1] - y * sight[0])
    if ahead < -reach:
        return False
    if ahead > 0.55 * np.hypot(*camera[:2]):
        return True
    slim = reach < 0.3 and rng.random() < 0.15
    return aside < reach + pot_radius * (0.5 if slim else 1.0)
