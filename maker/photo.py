"""One photo: build the scene of a seed, meter it, render it, add a camera's artefacts, and render its mask.

python -m maker.photo rudo 7 --pot-colour green --out rudo_green.jpg
"""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from PIL import Image

from maker.cameras import build_camera, draw_view
from maker.clutter import scatter
from maker.colours import POT_COLOURS
from maker.lights import build_lights
from maker.masks import paint_parts, read_mask, to_palette
from maker.plants import GROWERS
from maker.pots import place_pot
from maker.rooms import build_room
from maker.shader_graph import Graph
from maker.streams import stream

SIDE = 256
METER_SIDE = 24
QUALITY = 90


@dataclass(frozen=True)
class Scene:
    """Everything a photo depends on. Another `pot_colour` recolours the pot and changes nothing else."""

    plant: str
    seed: int
    pot_colour: str


def build(scene):
    """Empty Blender and build the scene; returns the objects of each part of the mask."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    seed = scene.seed
    pot, pot_parts, soil_parts = place_pot(stream(seed, "pot"), stream(seed, "pot colour"), scene.pot_colour)
    plant_parts = GROWERS[scene.plant](stream(seed, "plant"), pot)
    reach, top = extent(plant_parts, pot)
    view = draw_view(stream(seed, "camera"), pot, (reach, top))
    stage = build_room(stream(seed, "room"))
    scatter(stream(seed, "clutter"), stage, pot.radius, reach, view.place)
    build_lights(stream(seed, "light"), stage)
    build_camera(view)
    return {"pot": pot_parts, "plant": plant_parts, "soil": soil_parts}


def extent(plant_parts, pot):
    """How far plant and pot reach sideways and up."""
    points = np.concatenate([[vertex.co[:] for vertex in item.data.vertices] for item in plant_parts])
    return max(np.hypot(*points[:, :2].T).max(), pot.radius), max(points[:, 2].max(), pot.height)


def render(path, samples, look=None, exposure=0.0, side=SIDE, seed=0):
    """Render the scene to a file with Cycles on one thread: a photograph in that look, or linear light without one."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.seed = "CPU", samples, seed % 2**31
    scene.cycles.use_adaptive_sampling = False
    # With so few lamps, a light tree costs more than it saves.
    scene.cycles.use_light_tree = False
    scene.cycles.use_denoising, scene.cycles.denoiser = look is not None, "OPENIMAGEDENOISE"
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.glossy_bounces = 3, 2, 2
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 4.0
    scene.cycles.filter_width = 1.3
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.resolution_x = scene.render.resolution_y = side
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "AgX" if look else "Raw"
    scene.view_settings.look = look or "None"
    scene.view_settings.exposure = exposure
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_depth = "8"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def meter(folder):
    """The exposure in stops, as from an incident-light meter: from the light on the pot, whatever the pot's colour."""
    scene, layer, trial = bpy.context.scene, bpy.context.view_layer, folder / "meter.png"
    layer.material_override = grey_card()
    # Linear light clips at 1 in the file, so the trial stays well below.
    render(trial, samples=6, exposure=-3, side=METER_SIDE)
    layer.material_override = None
    light = np.asarray(Image.open(trial).convert("RGB"), float).mean(-1) / 255 * 8  # [h, w]
    across, up, _ = world_to_camera_view(scene, scene.camera, Vector((0, 0, 0.6)))
    y, x = np.mgrid[0.5:METER_SIDE, 0.5:METER_SIDE] / METER_SIDE
    near_pot = np.exp(-((x - across) ** 2 + (1 - y - up) ** 2) / (2 * 0.18**2))
    return np.log2(0.32) - np.average(np.log2(np.maximum(light, 0.004)), weights=near_pot + 0.1)


def grey_card():
    """The metering reference: matt, and half as bright as white."""
    graph = Graph("grey card", np.random.default_rng(0))
    return graph.finish(graph.add("BsdfDiffuse", {"Color": (0.5, 0.5, 0.5)}))


def develop(rng, picture):
    """A camera's artefacts: slightly wrong white balance, vignetting, grain."""
    light = np.asarray(picture.convert("RGB"), float) / 255  # [H, W, 3]
    cast = 1 + rng.normal(0, 0.025, 3) * (1, 0.5, 1.2)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    corners = 1 - rng.uniform(0, 0.12) * (x**2 + y**2)
    grain = rng.normal(0, rng.uniform(0.003, 0.011), (SIDE, SIDE, 1)) + rng.normal(0, 0.004, (SIDE, SIDE, 3))
    developed = light * cast * corners[..., None] + grain
    return Image.fromarray((np.clip(developed, 0, 1) * 255 + 0.5).astype(np.uint8))


def take(scene, samples):
    """Render the scene: its photo and its mask, both as pictures."""
    parts = build(scene)
    rng = stream(scene.seed, "camera body")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exposure = np.clip(meter(folder), -4, 5) + np.clip(rng.normal(0.0, 0.35), -0.7, 0.6)
        look = "AgX - " + str(rng.choice(["Base Contrast", "Medium High Contrast", "High Contrast", "Punchy"]))
        render(folder / "photo.png", samples, look=look, exposure=exposure, seed=scene.seed)
        photo = develop(rng, Image.open(folder / "photo.png"))
        paint_parts(parts)
        render(folder / "mask.png", samples=8)
        return photo, to_palette(read_mask(folder / "mask.png"))


def save(photo, mask, path):
    """Write the photo at `path` and the mask beside it; the photo comes last and atomically, so it means "done"."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for picture, target, options in (
        (mask, path.with_suffix(".png"), {"optimize": True, "bits": 2}),
        (photo, path, {"quality": QUALITY}),
    ):
        partial = target.with_name("." + target.name + ".half")
        picture.save(partial, "PNG" if picture is mask else "JPEG", **options)
        partial.replace(target)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("plant", choices=GROWERS)
    parser.add_argument("seed", type=int)
    parser.add_argument("--pot-colour", choices=POT_COLOURS, default="terracotta")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("photo.jpg"))
    args = parser.parse_args()
    save(*take(Scene(args.plant, args.seed, args.pot_colour), args.samples), args.out)


if __name__ == "__main__":
    main()
