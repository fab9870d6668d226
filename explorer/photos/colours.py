"""Colours in words and by hue: what a colour is called, and a pot's colour turned through all hues."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .edits import POT_COLOURS, rgb, to_linear, to_screen

# CSS's basic colours and what lies between them, as dark as things in photos are: a name is that of the nearest in
# L*a*b*. The screen's own blues lie by themselves there, nearer to purple than to any blue of a photo.
NAMES = (
    ("black", "#101010"), ("dark grey", "#404040"), ("grey", "#808080"), ("light grey", "#c0c0c0"),
    ("white", "#ffffff"), ("dark red", "#6b1010"), ("red", "#c8201a"), ("brown", "#6b4423"), ("brown", "#84500f"),
    ("terracotta", "#9e5125"), ("orange", "#f08a1c"), ("yellow", "#f0dc28"), ("olive", "#6f691e"),
    ("beige", "#a3957b"), ("cream", "#e0d3b0"), ("lime green", "#7bd62e"), ("green", "#2e8b2e"),
    ("dark green", "#12431c"), ("spring green", "#20e88c"), ("teal", "#0b6b6b"), ("turquoise", "#35c9c3"),
    ("sky blue", "#5aa8e6"), ("blue", "#2050d0"), ("blue", "#0000ff"), ("dark blue", "#16285c"),
    ("dark blue", "#000080"), ("purple", "#7a35b5"), ("violet", "#b97fe0"), ("magenta", "#d420b4"),
    ("pink", "#f29bb7"), ("crimson", "#b0144e"),
)  # fmt: skip

WHITE = np.array([0.95047, 1.0, 1.08883])  # XYZ of the white D65
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
EPSILON, KAPPA = 216 / 24389, 24389 / 27  # of CIE L*a*b*

HUES = 36  # steps of 10°
STEP = 360 // HUES  # degrees
PATTERN = "red"  # the pot colour whose lightness and chroma every hue has


class Polar(NamedTuple):
    """A colour of CIE L*a*b* in polar coordinates, under the white D65."""

    lightness: float  # 0…100
    chroma: float  # distance from grey
    hue: float  # degrees: 40 is a pot's red, 100 yellow, 140 green, 290 blue


def lab(colour: str) -> np.ndarray:
    """A colour "#rrggbb" as (L*, a*, b*) under D65. Raises ValueError for another text."""
    share = XYZ @ to_linear(rgb(colour)) / WHITE
    x, y, z = np.where(share > EPSILON, np.cbrt(share), (KAPPA * share + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def polar(colour: str) -> Polar:
    """A colour "#rrggbb" as lightness, chroma and hue."""
    lightness, a, b = lab(colour)
    return Polar(float(lightness), float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360))


def name_of(colour: str) -> str:
    """What people call a colour "#rrggbb": the nearest of NAMES in L*a*b*. Raises ValueError for another text."""
    wanted = lab(colour)
    return min(_labs(), key=lambda entry: float(np.linalg.norm(entry[1] - wanted)))[0]


@lru_cache(maxsize=1)
def _labs():
    return [(name, lab(colour)) for name, colour in NAMES]


@lru_cache(maxsize=1)
def hues() -> tuple[str, ...]:
    """The colours "#rrggbb" at 0°, 10° … 350°: of the red pot's lightness, and of its chroma where a screen has it.

    Where it has not, the chroma is the largest there is, so that hue and lightness stay: at 200° a screen has half.
    """
    pattern = polar(POT_COLOURS[PATTERN])
    return tuple(_within_screen(pattern.lightness, pattern.chroma, STEP * step) for step in range(HUES))


def _within_screen(lightness, chroma, hue):
    low, high = 0.0, chroma
    if not _fits(_linear(lightness, chroma, hue)):
        for _ in range(20):  # to a millionth of the chroma
            middle = (low + high) / 2
            low, high = (middle, high) if _fits(_linear(lightness, middle, hue)) else (low, middle)
        chroma = low
    screen = np.rint(255 * to_screen(np.clip(_linear(lightness, chroma, hue), 0, 1))).astype(int)
    return "#" + "".join(f"{value:02x}" for value in screen)


def _fits(light):
    return bool((light >= 0).all() and (light <= 1).all())


def _linear(lightness, chroma, hue):
    """Lightness, chroma and hue as light of the three primaries; outside 0…1 where no screen has it."""
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    y = (lightness + 16) / 116
    roots = np.array([y + a / 500, y, y - b / 200])
    share = np.where(roots**3 > EPSILON, roots**3, (116 * roots - 16) / KAPPA)
    return np.linalg.solve(XYZ, share * WHITE)
