"""Lens, position and aim of the camera. The pot is at the origin; the camera looks towards +y."""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

from dataclasses import dataclass

import bpy
import numpy as np

from maker.shapes import bearing

SENSOR = 36.0  # mm, square


@dataclass(frozen=True)
class View:
    """The camera's parameters, before it is built: clutter needs the position of the lens."""

    place: np.ndarray  # [3]
    aim: np.ndarray  # [3]
    roll: float
    lens: float  # mm
    aperture: float  # f-number for a scene in units of 10 cm


def draw_view(rng, pot, plant_size):
    """A view in which the pot fills about 7-20 % of the frame and the plant is (almost) completely visible.

    `plant_size` is (reach to the side, top) of everything that stands in the pot.
    """
    reach, top = plant_size
    lens = rng.uniform(28, 36)
    pot_area = 1.75 * pot.radius * pot.height
    frame = np.sqrt(pot_area / rng.uniform(0.075, 0.165))
    frame = max(frame, 1.12 * top, 1.15 * 2 * reach)
    distance = frame * lens / SENSOR
    azimuth, elevation = rng.normal(0, 0.28), np.radians(rng.uniform(4, 34))
    back = bearing(azimuth, elevation)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    # Off-centre as far as the plant allows, sideways more than up and down.
    spare_x, spare_z = max(frame / 2 - reach, 0), max(frame / 2 - top / 2, 0)
    aside = rng.uniform(-1, 1) * 0.7 * spare_x
    aim = np.array([0, 0, top / 2]) + right * aside + np.array([0, 0, rng.uniform(-0.5, 0.5) * spare_z])
    return View(aim + back * distance, aim, np.radians(rng.normal(0, 1.8)), lens, rng.uniform(0.35, 1.4))


def build_camera(view):
    """Put the camera into the scene and focus it on the front of the pot."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width = view.lens, SENSOR
    data.clip_end = 200
    data.dof.use_dof, data.dof.aperture_fstop = True, view.aperture
    direction = view.aim - view.place
    direction = direction / np.linalg.norm(direction)
    data.dof.focus_distance = float(-view.place @ direction) - 0.3
    camera = bpy.data.objects.new("camera", data)
    camera.location = view.place
    # A camera looks along its own -z: pitch from straight down, then roll about that axis, then heading.
    pitch, heading = np.arccos(-direction[2]), np.arctan2(-direction[0], direction[1])
    camera.rotation_mode = "XYZ"
    camera.rotation_euler = (pitch, 0, heading)
    # Blender has converted the tuple to an Euler.
    camera.rotation_euler.rotate_axis("Z", view.roll)  # pyright: ignore[reportAttributeAccessIssue]
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
