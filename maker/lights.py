"""Light: one window-like panel at the side, the room's own dim light, sometimes the sun through panes."""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

import bpy
import numpy as np
from mathutils import Vector

from maker.colours import varied
from maker.shapes import bearing


def warmth(kelvin):
    """The linear colour of light of that temperature, at about half its tint, as after a camera's white balance."""
    shift = np.log(kelvin / 6500)
    colour = np.exp(np.array([-0.36, 0.0, 0.55]) * shift)
    return tuple(colour / colour.max())


def build_lights(rng, stage):
    """Light the stage; the exposure is metered later, so only ratios matter here."""
    daylight = rng.random() < 0.7
    kelvin = rng.uniform(5000, 7500) if daylight else rng.uniform(2900, 4200)
    side = rng.choice([-1, 1])
    azimuth = side * np.radians(rng.uniform(25, 105))
    add_panel(rng, azimuth, np.radians(rng.uniform(15, 60)), kelvin, strength=1.2 if stage.kind == "sill" else 1.0)
    light_world(rng, rng.uniform(0.12, 0.6), rng.uniform(5200, 8000) if daylight else rng.uniform(3200, 5000), side)
    if daylight and rng.random() < 0.4:
        add_sun(rng, stage, side)


def add(kind, name, place, energy, colour):
    """A lamp at `place` that shines at the pot."""
    lamp = bpy.data.lights.new(name, kind)
    lamp.energy, lamp.color = energy, colour
    item = bpy.data.objects.new(name, lamp)
    item.location = place
    item.rotation_euler = (Vector((0, 0, 0.8)) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(item)
    return lamp


def add_panel(rng, azimuth, elevation, kelvin, strength):
    """A window or lamp out of the picture; its size decides how soft the shadows are."""
    distance = rng.uniform(7, 13)
    place = distance * bearing(azimuth, elevation)
    lamp = add("AREA", "panel", place, strength * 22 * distance**2, warmth(kelvin))
    lamp.shape = "RECTANGLE"
    lamp.size, lamp.size_y = rng.uniform(1.2, 5), rng.uniform(1.2, 6)


def add_sun(rng, stage, side):
    """Low sun: from behind the glass on a sill, else from the panel's side; its light is warm."""
    azimuth = rng.uniform(-0.9, 0.9) + np.pi if stage.kind == "sill" else side * np.radians(rng.uniform(30, 80))
    towards = bearing(azimuth, np.radians(rng.uniform(22, 48)))
    if stage.kind == "sill":
        sun = add("SUN", "sun", towards * 20, rng.uniform(2, 6), warmth(rng.uniform(4300, 5600)))
        sun.angle = np.radians(rng.uniform(0.6, 2.0))
        return
    spot = add("SPOT", "sun", towards * 40, rng.uniform(60_000, 200_000), warmth(rng.uniform(4300, 5600)))
    spot.spot_size, spot.spot_blend, spot.shadow_soft_size = np.radians(30), 0.1, 0.3
    throw_panes(rng, spot)


def throw_panes(rng, spot):
    """Let the beam through the panes of a window only: bright patches with bars of shadow between them."""
    spot.use_nodes = True
    tree = spot.node_tree
    nodes, link = tree.nodes, tree.links.new
    emission = next(node for node in nodes if node.type == "EMISSION")
    beam = nodes.new("ShaderNodeTexCoord").outputs["Normal"]
    panes = nodes.new("ShaderNodeTexBrick")
    panes.offset = 0.0
    pattern = {
        "Scale": 1.0,
        "Mortar Size": rng.uniform(0.004, 0.009),
        "Mortar Smooth": 0.6,
        "Brick Width": rng.uniform(0.04, 0.09),
        "Row Height": rng.uniform(0.05, 0.11),
    }
    for name, value in pattern.items():
        panes.inputs[name].default_value = value
    panes.inputs["Color1"].default_value = panes.inputs["Color2"].default_value = (1, 1, 1, 1)
    panes.inputs["Mortar"].default_value = (0, 0, 0, 1)
    shift = nodes.new("ShaderNodeMapping")
    shift.inputs["Location"].default_value = (*rng.uniform(0, 1, 2), 0)
    shift.inputs["Rotation"].default_value = (0, 0, rng.uniform(-0.25, 0.25))
    link(beam, shift.inputs["Vector"])
    link(shift.outputs[0], panes.inputs["Vector"])
    link(panes.outputs["Color"], emission.inputs["Color"])


def light_world(rng, strength, kelvin, side):
    """The room behind the camera: dim, brighter on the window's side, so that glaze has something to reflect."""
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, link = world.node_tree.nodes, world.node_tree.links.new
    parts = nodes.new("ShaderNodeSeparateXYZ")
    link(nodes.new("ShaderNodeTexCoord").outputs["Generated"], parts.inputs[0])
    gradient = nodes.new("ShaderNodeMapRange")
    link(parts.outputs[0], gradient.inputs["Value"])
    gradient.inputs["From Min"].default_value, gradient.inputs["From Max"].default_value = -1.0, 1.0
    dim, bright = strength * rng.uniform(0.3, 0.8), strength * rng.uniform(1.0, 1.6)
    left, right = (dim, bright) if side > 0 else (bright, dim)
    gradient.inputs["To Min"].default_value, gradient.inputs["To Max"].default_value = left, right
    background = next(node for node in nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (*varied(rng, warmth(kelvin), 0.005, 0.05, 0.0), 1)
    link(gradient.outputs[0], background.inputs["Strength"])
