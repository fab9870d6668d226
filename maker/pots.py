"""Pots: shape, soil, and colour, which is what the embedded network learns instead of the plant."""

from dataclasses import dataclass

import numpy as np

from maker.colours import POT_COLOURS, linear, varied
from maker.materials import pot_clay, soil
from maker.shapes import join, lathe, lump, rounded, to_object


@dataclass(frozen=True)
class Pot:
    """The pot's dimensions that a plant needs, in units of 10 cm above the table."""

    height: float  # to the top of the lip, saucer included
    outline: np.ndarray  # outer profile (radius, height), bottom to top
    mouth: float  # inner radius at the soil
    soil: float  # height of the soil

    @property
    def radius(self):
        """The widest outer radius of the body."""
        return self.outline[:, 0].max()

    def outer_radius(self, height):
        """Outer radius at a height, for parts that hang down outside."""
        order = np.argsort(self.outline[:, 1], kind="stable")
        return np.interp(height, self.outline[order, 1], self.outline[order, 0])


def draw_outline(rng, height, top):
    """The outer profile of one of four styles, from the foot to under the lip, before rounding."""
    style = rng.choice(["collar", "tapered", "cylinder", "bowl"], p=[0.5, 0.2, 0.15, 0.15])
    foot = top * rng.uniform(0.6, 0.75)
    if style == "collar":
        band, overhang = height * rng.uniform(0.2, 0.3), top * rng.uniform(0.05, 0.1)
        neck = top - overhang
        return [(foot, 0), (neck - 0.01, height - band), (top - 0.01, height - band), (top, height)]
    if style == "cylinder":
        return [(top * 0.94, 0), (top, height)]
    if style == "bowl":
        rise = np.linspace(0, 1, 9)
        return list(zip(foot + (top - foot) * np.sin(1.9 * rise) / np.sin(1.9), height * rise))
    return [(foot, 0), (top * 0.96, height * 0.9), (top, height * 0.92), (top, height)]


def place_pot(rng, colour_rng, colour):
    """Build pot, soil and sometimes a saucer at the origin; the colour has its own stream. Returns (Pot, parts)."""
    top = rng.uniform(0.52, 0.68)
    height = top * rng.uniform(1.45, 1.95)
    wall, has_saucer = rng.uniform(0.035, 0.06), rng.random() < 0.4
    foot = 0.035 if has_saucer else 0.0
    outline = np.array(draw_outline(rng, height, top)) + np.array([0, foot])
    level = foot + height - rng.uniform(0.06, 0.13)
    inner = [
        (top - wall, foot + height),
        (top - wall - 0.01, level),
        (outline[0, 0] * 0.85, foot + 0.1),
        (0, foot + 0.1),
    ]
    material = draw_clay(colour_rng, colour)
    body = lathe(rounded([(0, foot), *map(tuple, outline), *inner], rng.uniform(0.015, 0.035)))
    parts = [to_object(body, "pot", material)]
    if has_saucer:
        parts.append(to_object(draw_saucer(outline[0, 0]), "saucer", material))
    pot = Pot(foot + height, outline, top - wall - 0.01, level)
    return pot, parts, [to_object(draw_soil(rng, pot), "soil", draw_earth(rng))]


def draw_clay(rng, colour):
    """A pot material of that colour family: shade, wear and gloss vary."""
    shade = varied(rng, linear(rng.choice(POT_COLOURS[colour])), hue=0.006, saturation=0.04, value=0.09)
    shares = [0.75, 0.2, 0.05] if colour == "terracotta" else [0.25, 0.5, 0.25]
    finish = rng.choice(["clay", "paint", "glaze"], p=shares)
    return pot_clay(rng, shade, finish)


def draw_saucer(foot):
    """A shallow dish a little wider than the foot that stands in it."""
    inside, edge = foot + 0.06, foot + 0.17
    profile = [(0, 0), (inside, 0), (edge, 0.13), (edge - 0.035, 0.135), (inside - 0.01, 0.035), (0, 0.034)]
    return lathe(rounded(profile, 0.02))


def draw_soil(rng, pot):
    """Heaped earth with loose crumbs, from wall to wall."""
    radii = np.linspace(pot.mouth, 0, 14)
    ground = lathe(np.stack([radii, pot.soil + 0.03 * (1 - (radii / pot.mouth) ** 2)], 1), 48, tone=0.0)
    x, y, _ = ground.vertices.T
    waves = sum(np.sin(x * a + y * b + c) for a, b, c in rng.uniform(-14, 14, (5, 3)))
    ground.vertices[:, 2] += 0.008 * waves
    crumbs = []
    for _ in range(rng.integers(60, 160)):
        size = rng.uniform(0.012, 0.034)
        r, angle = (pot.mouth - size - 0.01) * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        height = pot.soil + 0.03 * (1 - (r / pot.mouth) ** 2) + size * 0.3
        crumbs.append(lump(rng, size).moved(shift=(r * np.cos(angle), r * np.sin(angle), height)))
    return join([ground, *crumbs])


def draw_earth(rng):
    """Peat or loam, with crumbs of bark, grit or pumice."""
    ground = varied(rng, linear(rng.choice(["#2c2019", "#3a2a1f", "#4a3828"])))
    return soil(rng, ground, varied(rng, linear(rng.choice(["#4a3424", "#8d8478", "#cfc8bb", "#6b4a30"]))))
