"""Colours: the families of pot colours, conversion from sRGB, and variation. Does not import Blender."""

import colorsys

import numpy as np

# Families of pot colours: the four of the main splits differ strongly, the rest serve the randomised split.
POT_COLOURS = {
    "red": ("#c41f18", "#b81c16", "#cc2a1e"),
    "blue": ("#1443c0", "#184cb4", "#1238a6", "#1d55c6"),
    "terracotta": ("#c0683c", "#b9633d", "#cc7a4c", "#c6714a"),
    "cream": ("#efe4c8", "#e8dcc0", "#f2ead6"),
    "green": ("#2f7a3b", "#5c8a4a", "#1f5c46"),
    "yellow": ("#e3b520", "#d9a52b"),
    "grey": ("#85878a", "#6b6e72", "#9a9894"),
    "black": ("#1c1c1e", "#2a2827"),
    "white": ("#f4f4f2", "#e9ecee"),
    "pink": ("#df8fa3", "#d9738f"),
    "teal": ("#1d8a8c", "#2f9c98"),
    "orange": ("#e07a16", "#d96b1d"),
    "purple": ("#6d3f8f", "#5a3a7a"),
    "brown": ("#5c3a26", "#6e4a30"),
}


def linear(hexcode):
    """The linear RGB of an sRGB colour such as "#b5562f"."""
    srgb = np.array([int(hexcode[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return tuple(np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4))


def varied(rng, colour, hue=0.012, saturation=0.08, value=0.1):
    """A random variation of a linear colour: no two things have exactly the same."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    s = np.clip(s * (1 + rng.normal(0, saturation)), 0, 1)
    v = np.clip(v * (1 + rng.normal(0, value)), 0.004, 0.9)
    return colorsys.hsv_to_rgb((h + rng.normal(0, hue)) % 1, s, v)


def scaled(colour, factor):
    """The colour made darker or lighter by a factor."""
    return tuple(np.clip(np.asarray(colour) * factor, 0, 0.95))
