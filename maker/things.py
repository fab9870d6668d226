"""Things that stand about the pot: books, crockery, ornaments. Any colour is possible, including the pots' colours.

Each builds itself under `root`, standing on z = 0, and returns its half size (x, y) and height.
"""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

import bpy
import numpy as np

from maker import materials
from maker.colours import linear, varied
from maker.rooms import framed
from maker.shapes import ball, box, join, lathe, lump, rounded, to_object, tube, turn

# Muted colours are the most common in homes; the four pot colours must occur too, or colour alone would reveal the pot.
THING_COLOURS = (
    "#e9e4d8", "#f1efe9", "#d8cdb6", "#b8a68a", "#8d8f8c", "#4a4d52", "#26282b", "#efe4c8", "#c0683c", "#b34a30",
    "#b5141c", "#8c2f2b", "#1d54b8", "#27406e", "#5d86b3", "#9db8c8", "#3c6e6a", "#5f7f5a", "#8f9a5c", "#d9a441",
    "#c9866b", "#6b4a34", "#7a4a5c", "#d9b8a8", "#23483c", "#a8742c",
)  # fmt: skip


def draw_colour(rng):
    """A colour of things in a home."""
    return varied(rng, linear(rng.choice(THING_COLOURS)), value=0.15)


def turned(profile, material, root, radius=0.03):
    """A lathe body under `root`; returns its half size and height."""
    to_object(lathe(rounded(profile, radius)), "thing", material, parent=root)
    reach, height = np.max(profile, axis=0)
    return (reach, reach), height


def draw_glaze(rng):
    """Ceramic in a colour of things."""
    return materials.ceramic(rng, draw_colour(rng), rng.uniform(0.05, 0.4))


def book_blocks(thick, tall, deep):
    """A closed book standing on its foot, spine to the front: its cover and its pages."""
    board = 0.025
    cover = [box((board, deep, tall), (side * (thick - board) / 2, 0, tall / 2)) for side in (-1, 1)]
    cover.append(box((thick - 0.002, board, tall - 0.002), (0, -deep / 2 + board / 2 - 0.006, tall / 2)))
    return join(cover), box((thick - 2 * board - 0.002, deep - 0.07, tall - 0.08), (0, -0.005, tall / 2))


def add_book(rng, root, rotation, shift, thick, tall, deep):
    """One book, turned and moved to its place in a row or pile."""
    holder = bpy.data.objects.new("book", None)
    bpy.context.scene.collection.objects.link(holder)
    holder.parent, holder.location, holder.rotation_euler = root, shift, rotation
    cover, paper = book_blocks(thick, tall, deep)
    cloth = materials.cover(rng, draw_colour(rng), draw_colour(rng))
    to_object(cover, "cover", cloth, smooth=False, bevel=0.008, parent=holder)
    to_object(paper, "pages", materials.pages(rng), smooth=False, parent=holder)


def book_row(rng, root):
    """Books upright side by side, of different height and depth."""
    count = rng.integers(2, 8)
    sizes = [(rng.uniform(0.12, 0.42), rng.uniform(1.5, 2.5), rng.uniform(1.0, 1.35)) for _ in range(count)]
    width = sum(thick + 0.012 for thick, _, _ in sizes)
    x = -width / 2
    for thick, tall, deep in sizes:
        # Spines do not line up exactly, but all stay on their footprint.
        add_book(rng, root, (0, 0, 0), (x + thick / 2, (deep - 1.35) / 2 + rng.uniform(0, 0.05), 0), thick, tall, deep)
        x += thick + 0.012
    return (width / 2, 0.72), 2.5


def book_pile(rng, root):
    """Books lying on each other, each turned a little."""
    height = 0.0
    for _ in range(rng.integers(1, 5)):
        thick, tall, deep = rng.uniform(0.14, 0.36), rng.uniform(1.4, 1.9), rng.uniform(1.0, 1.3)
        spin = rng.normal(0, 0.12)
        middle = tall / 2 * np.array([np.cos(spin), np.sin(spin)])
        # Lying: the book's height runs along x, its spine still faces the front.
        add_book(rng, root, (0, np.pi / 2, spin), (-middle[0], -middle[1], height + thick / 2), thick, tall, deep)
        height += thick + 0.004
    return (1.05, 0.82), height


def mug(rng, root):
    """A mug with a handle."""
    r, h = rng.uniform(0.36, 0.46), rng.uniform(0.8, 1.05)
    glaze = draw_glaze(rng)
    waist = r * rng.uniform(0.85, 1.0)
    turned([(0, 0), (waist, 0), (r, h), (r - 0.04, h), (waist - 0.05, 0.06), (0, 0.06)], glaze, root)
    angle = np.linspace(-1.35, 1.35, 14)
    side = rng.uniform(-0.9, 0.9) + (np.pi if rng.random() < 0.5 else 0)
    loop = np.stack([waist + 0.24 * np.cos(angle) - 0.06, 0 * angle, h * 0.5 + 0.27 * np.sin(angle)], 1)
    to_object(tube(loop, np.full(14, 0.05)).moved(turn("z", side)), "handle", glaze, parent=root)
    return (r + 0.24, r + 0.24), h


def vase(rng, root):
    """A vase with a belly and a neck."""
    r, h, neck = rng.uniform(0.3, 0.5), rng.uniform(1.2, 2.4), rng.uniform(0.1, 0.2)
    belly = rng.uniform(0.25, 0.5) * h
    profile = [
        (0, 0),
        (r * 0.6, 0),
        (r, belly),
        (neck, h * 0.78),
        (neck, h * 0.9),
        (neck * 1.5, h),
        (neck * 1.5 - 0.03, h),
        (neck - 0.03, h * 0.85),
        (0, h * 0.8),
    ]
    return turned(profile, draw_glaze(rng), root, rng.uniform(0.15, 0.4))


def bowl(rng, root):
    """A bowl on a small foot."""
    r, h = rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.5)
    return turned(
        [
            (0, 0),
            (r * 0.45, 0),
            (r * 0.5, 0.06),
            (r * 0.9, h * 0.6),
            (r, h),
            (r - 0.04, h),
            (r * 0.8, h * 0.55),
            (0, 0.09),
        ],
        draw_glaze(rng),
        root,
        0.08,
    )


def candle(rng, root):
    """A pillar candle with its wick."""
    r, h = rng.uniform(0.25, 0.42), rng.uniform(0.5, 1.3)
    to_object(
        tube([(0, 0, h - 0.08), (0.01, 0, h), (0.02, 0, h + 0.09)], [0.012] * 3),
        "wick",
        materials.paint(rng, linear("#221a16")),
        parent=root,
    )
    ivory = varied(rng, linear(rng.choice(["#efe6d2", "#f3f0ea", "#d9b8a8", "#8c2f2b", "#5f7f5a", "#c9a86a"])))
    return turned([(0, 0), (r, 0), (r, h), (r * 0.8, h - 0.03), (0, h - 0.06)], materials.wax(rng, ivory), root, 0.05)


def candlestick(rng, root):
    """A slim metal stand with a cup, the ornament of the real photo."""
    h = rng.uniform(1.5, 2.4)
    shine = varied(rng, linear(rng.choice(["#c8c8c8", "#b08a4a", "#3a3430", "#9a6a4a"])))
    profile = [
        (0, 0),
        (0.3, 0),
        (0.28, 0.05),
        (0.06, 0.16),
        (0.045, 0.3),
        (0.08, 0.36),
        (0.04, 0.45),
        (0.04, h - 0.62),
        (0.09, h - 0.55),
        (0.26, h - 0.52),
        (0.27, h),
        (0.24, h),
        (0.23, h - 0.45),
        (0, h - 0.45),
    ]
    return turned(profile, materials.metal(rng, shine, rng.uniform(0.12, 0.35), rng.random() < 0.6), root, 0.02)


def tin(rng, root):
    """A round box with a lid."""
    r, h = rng.uniform(0.3, 0.55), rng.uniform(0.5, 1.4)
    lid = h * 0.8
    return turned(
        [(0, 0), (r, 0), (r, lid), (r + 0.02, lid), (r + 0.02, h), (0, h)],
        materials.paint(rng, draw_colour(rng), rng.uniform(0.2, 0.6)),
        root,
        0.02,
    )


def casket(rng, root):
    """A wooden or painted box, at an angle."""
    x, y, z = rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.9)
    turn_by = rng.uniform(-0.5, 0.5)
    chest = box((x, y, z * 0.72), (0, 0, z * 0.36))
    lid = box((x + 0.02, y + 0.02, z * 0.27), (0, 0, z * 0.865))
    body = join([chest, lid]).moved(turn("z", turn_by))
    if rng.random() < 0.5:
        stuff = materials.paint(rng, draw_colour(rng), 0.5)
    else:
        stuff = materials.wood(rng, linear("#b98348"), linear("#7a4a20"))
    to_object(body, "casket", stuff, smooth=False, bevel=0.015, parent=root)
    return tuple(np.abs(body.vertices[:, :2]).max(0)), z


def picture_frame(rng, root):
    """A framed print that leans back on its strut."""
    width, height, lean = rng.uniform(0.8, 1.5), rng.uniform(1.0, 1.8), rng.uniform(0.12, 0.22)
    root.rotation_euler = (-lean, 0, 0)
    framed(rng, width, height, (0, 0.04, height / 2 + 0.045 * np.sin(lean)), root)
    return (width / 2, 0.1 + height * np.sin(lean)), height


def stones(rng, root):
    """Pebbles balanced on each other."""
    height, size = 0.0, rng.uniform(0.34, 0.48)
    widest = size
    grey = materials.plaster(rng, varied(rng, linear(rng.choice(["#5a5a58", "#8f8a82", "#c9c4ba"]))))
    for _ in range(rng.integers(2, 5)):
        profile = [(0, 0), (size * 0.75, 0.03), (size, size * 0.3), (size * 0.7, size * 0.56), (0, size * 0.6)]
        pebble = lathe(rounded(profile, size * 0.3), 28)
        to_object(pebble, "stone", grey, location=(*rng.normal(0, 0.015, 2), height), parent=root)
        height, size = height + size * 0.57, size * rng.uniform(0.65, 0.85)
    return (widest + 0.03, widest + 0.03), height


def bust(rng, root):
    """A plain plaster head on a block, like ornaments beside the pots of the real photos."""
    scale = rng.uniform(0.85, 1.25)
    colour = varied(rng, linear(rng.choice(["#e4e0d8", "#b8b2a8", "#6a655e", "#8a6a48", "#d9cdb8"])))
    stuff = materials.plaster(rng, colour)
    neck = lathe(rounded([(0, 0), (0.42, 0), (0.4, 0.1), (0.22, 0.24), (0.19, 0.5), (0, 0.55)], 0.1), 32)
    head = ball(0.38, 28, 20, squash=1.28).moved(shift=(0, 0, 0.93))
    nose = ball(0.07, 10, 8, squash=2.0).moved(turn("x", -0.25), (0, -0.38, 0.88))
    hair = ball(0.4, 28, 16, squash=1.05).moved(shift=(0, 0.06, 1.06))
    knot = ball(0.15, 16, 10).moved(shift=(0, 0.06, 1.5))
    face = join([neck, head, nose, hair, knot])
    body = face.moved(scale * turn("z", rng.uniform(-0.8, 0.8)))
    to_object(body, "bust", stuff, parent=root)
    return (0.48 * scale, 0.48 * scale), 1.7 * scale


def globe(rng, root):
    """A ball or a ring on a small plinth."""
    r = rng.uniform(0.25, 0.45)
    stuff = materials.metal(rng, varied(rng, linear("#b08a4a"))) if rng.random() < 0.4 else draw_glaze(rng)
    turned([(0, 0), (r * 0.8, 0), (r * 0.7, 0.12), (0, 0.12)], draw_glaze(rng), root, 0.03)
    if rng.random() < 0.5:
        shape = ball(r, 32, 20).moved(shift=(0, 0, r + 0.11))
    else:
        angle = np.linspace(0, 2 * np.pi, 40)
        shape = tube(np.stack([r * np.cos(angle), 0 * angle, r * np.sin(angle) + r + 0.15], 1), np.full(40, 0.07), 12)
    to_object(shape.moved(turn("z", rng.uniform(-0.6, 0.6))), "globe", stuff, parent=root)
    return (r + 0.08, r + 0.08), 2 * r + 0.3


def shells(rng, root):
    """A few loose pebbles or shells."""
    stuff = materials.plaster(rng, varied(rng, linear(rng.choice(["#d9cdb8", "#8f8a82", "#c9a890", "#5a5a58"]))))
    pieces = []
    for index in range(rng.integers(2, 5)):
        size = rng.uniform(0.08, 0.15)
        pieces.append(lump(rng, size, 0.15).moved(shift=((index - 1.5) * 0.32, rng.uniform(-0.12, 0.12), size * 0.55)))
    to_object(join(pieces), "shells", stuff, parent=root)
    return (0.66, 0.28), 0.3


THINGS = {
    "books": book_row, "pile": book_pile, "mug": mug, "vase": vase, "bowl": bowl, "candle": candle,
    "candlestick": candlestick, "tin": tin, "casket": casket, "frame": picture_frame, "stones": stones, "bust": bust,
    "globe": globe, "shells": shells,
}  # fmt: skip
SHARES = (0.16, 0.08, 0.1, 0.12, 0.06, 0.07, 0.06, 0.06, 0.05, 0.08, 0.04, 0.04, 0.05, 0.03)
