"""Random streams: one integer seeds a scene, and each aspect of the scene has a stream of its own. Knows no Blender."""

import zlib

import numpy as np


def stream(seed, name):
    """The random stream of one aspect of a scene: what one aspect draws never moves another."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
