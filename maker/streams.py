"""Random streams: one integer seeds a scene, and each aspect has a stream of its own. Does not import Blender."""

import zlib

import numpy as np


def stream(seed, name):
    """The random stream of one aspect of a scene, independent of what the other aspects draw."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
