"""Exact masks: the same scene and camera, with each part emitting its own colour and everything else black."""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

import bpy
import numpy as np
from PIL import Image

from maker.materials import glow

PARTS = ("background", "pot", "plant", "soil")  # indices are the values in the mask
PALETTE = (0, 0, 0, 214, 69, 65, 76, 175, 80, 121, 85, 61)
GLOWS = {"background": (0, 0, 0), "pot": (1, 0, 0), "plant": (0, 1, 0), "soil": (0, 0, 1)}


def paint_parts(parts):
    """Give every object the material of its part; `parts` maps a part to its objects. Call it after the photo."""
    glows = {part: glow(part, colour, float(part != "background")) for part, colour in GLOWS.items()}
    part_of = {item.name: part for part, items in parts.items() for item in items}
    for item in bpy.context.scene.objects:
        if item.type == "MESH":
            item.data.materials.clear()
            item.data.materials.append(glows[part_of.get(item.name, "background")])
        item.hide_render = item.type == "LIGHT"
    bpy.context.scene.world = None
    bpy.context.scene.camera.data.dof.use_dof = False


def read_mask(path):
    """The rendered colours as part numbers: a pixel belongs to the part that covers most of it."""
    rgb = np.asarray(Image.open(path).convert("RGB"), float) / 255  # [H, W, 3]
    shares = np.concatenate([1 - rgb.sum(-1, keepdims=True), rgb], axis=-1)  # [H, W, 4], in the order of PARTS
    return shares.argmax(-1).astype(np.uint8)


def to_palette(mask):
    """The mask as a small palette picture whose pixel values are the part numbers."""
    picture = Image.fromarray(mask, "P")
    picture.putpalette(PALETTE)
    return picture
