"""Meshes as arrays, and their conversion to Blender objects. One unit is 10 cm throughout the maker."""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

from dataclasses import dataclass

import bpy
import numpy as np


@dataclass(frozen=True)
class Shape:
    """A quad mesh. Shaders read `along` (position on a leaf, 0 root, 1 tip) and `tone` (one number per piece)."""

    vertices: np.ndarray  # [V, 3]
    faces: np.ndarray  # [F, 4]
    along: np.ndarray  # [V]
    tone: np.ndarray  # [V]

    def moved(self, rotation=None, shift=(0.0, 0.0, 0.0)):
        """The same shape, turned by a 3x3 matrix and then shifted."""
        turned = self.vertices if rotation is None else self.vertices @ np.asarray(rotation).T
        return Shape(turned + np.asarray(shift), self.faces, self.along, self.tone)


def join(shapes):
    """Many shapes as one mesh: a plant of a thousand pieces stays one object."""
    starts = np.cumsum([0] + [len(shape.vertices) for shape in shapes[:-1]])
    return Shape(
        np.concatenate([shape.vertices for shape in shapes]),
        np.concatenate([shape.faces + start for shape, start in zip(shapes, starts)]),
        np.concatenate([shape.along for shape in shapes]),
        np.concatenate([shape.tone for shape in shapes]),
    )


def skin(rings, tone=0.5):
    """The surface through a stack of closed rings [U, W, 3]; ends close by shrinking to a point."""
    steps, around = rings.shape[:2]
    index = np.arange(steps * around).reshape(steps, around)
    following = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], following[:-1], following[1:], index[1:]], axis=-1).reshape(-1, 4)
    along = np.repeat(np.linspace(0, 1, steps), around)
    return Shape(rings.reshape(-1, 3), faces, along, np.full(steps * around, tone))


def lathe(profile, around=56, tone=0.5):
    """A profile of (radius, height) points turned about the z axis, from its bottom outside up and in."""
    angles = np.linspace(0, 2 * np.pi, around, endpoint=False)
    radius, height = np.asarray(profile, float).T
    rings = np.stack(
        [radius[:, None] * np.cos(angles), radius[:, None] * np.sin(angles), np.repeat(height[:, None], around, 1)], -1
    )
    return skin(rings, tone)


def rounded(profile, radius=0.03, steps=4):
    """The profile with each inner corner bent into a small arc: real rims catch the light, sharp ones do not."""
    points = np.asarray(profile, float)
    bent = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:]):
        into, out = before - corner, after - corner
        reach = min(radius, 0.45 * np.hypot(*into), 0.45 * np.hypot(*out))
        start, stop = corner + into / np.hypot(*into) * reach, corner + out / np.hypot(*out) * reach
        bent += [(1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * stop for t in np.linspace(0, 1, steps)]
    return np.array([*bent, points[-1]])


def tube(path, radii, around=8, tone=0.5):
    """A round stem along a path [U, 3], with one radius per point."""
    path, radii = np.asarray(path, float), np.asarray(radii, float)
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # The least aligned axis is never parallel to a stem that does not turn right round.
    helper = np.eye(3)[np.argmin(np.abs(direction).max(axis=0))]
    side = np.cross(direction, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(direction, side)
    angles = np.linspace(0, 2 * np.pi, around, endpoint=False)
    circle = side[:, None] * np.cos(angles)[:, None] + other[:, None] * np.sin(angles)[:, None]
    return skin(path[:, None] + radii[:, None, None] * circle, tone)


def ball(radius, around=10, steps=8, squash=1.0, point=0.0, tone=0.5):
    """A sphere; `squash` flattens it, `point` draws its top into a small tip (a pearl of Yuki)."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, steps)
    height = radius * squash * np.sin(angle) + point * radius * np.linspace(0, 1, steps) ** 6
    return lathe(np.stack([radius * np.cos(angle), height], 1), around, tone)


def lump(rng, radius, roughness=0.25):
    """A pebble or crumb: a ball with its vertices pushed about."""
    base = ball(radius, around=7, steps=6, squash=rng.uniform(0.5, 0.95), tone=rng.random())
    push = 1 + roughness * np.sin(base.vertices @ rng.normal(0, 2.2 / radius, (3, 3)) + rng.uniform(0, 6, 3)).mean(1)
    return Shape(base.vertices * push[:, None], base.faces, base.along, base.tone)


def box(size, centre=(0.0, 0.0, 0.0), tone=0.5):
    """A plain box; `to_object(bevel=...)` rounds its edges."""
    corners = np.array([[x, y, z] for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
    faces = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [1, 3, 7, 5], [3, 2, 6, 7], [2, 0, 4, 6]])
    return Shape(corners * np.asarray(size) + np.asarray(centre), faces, np.zeros(8), np.full(8, tone))


def turn(axis, angle):
    """The 3x3 matrix of a turn by `angle` about the axis "x", "y" or "z"."""
    one, two = [(1, 2), (2, 0), (0, 1)]["xyz".index(axis)]
    matrix = np.eye(3)
    matrix[one, one] = matrix[two, two] = np.cos(angle)
    matrix[one, two], matrix[two, one] = -np.sin(angle), np.sin(angle)
    return matrix


def bearing(azimuth, elevation):
    """The unit vector from the pot towards the front (azimuth 0), turned to the right and raised by those angles."""
    return np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])


def to_object(shape, name, material, smooth=True, bevel=0.0, location=(0, 0, 0), parent=None):
    """Put the shape into the scene. `bevel` rounds sharp edges by that width."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(shape.vertices))
    mesh.vertices.foreach_set("co", shape.vertices.astype(np.float32).ravel())
    mesh.loops.add(shape.faces.size)
    mesh.loops.foreach_set("vertex_index", shape.faces.astype(np.int32).ravel())
    mesh.polygons.add(len(shape.faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, shape.faces.size, 4, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.full(len(shape.faces), smooth))
    for attribute in ("along", "tone"):
        layer = mesh.attributes.new(attribute, "FLOAT", "POINT")
        layer.data.foreach_set("value", getattr(shape, attribute).astype(np.float32))
    mesh.update(calc_edges=True)
    mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    item.location, item.parent = location, parent
    if bevel:
        rounding = item.modifiers.new("edges", "BEVEL")
        rounding.width, rounding.segments = bevel, 2
    bpy.context.scene.collection.objects.link(item)
    return item


def block(name, material, size, centre=(0.0, 0.0, 0.0), bevel=0.0, **place):
    """A box in the scene: boards, walls and bars."""
    return to_object(box(size, centre), name, material, smooth=False, bevel=bevel, **place)
