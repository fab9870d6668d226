"""The plant's surroundings: a shelf, a table or a window sill, with the walls and furniture behind it.

The pot is always at the origin of the world and the board under it ends at z = 0; the camera is on the -y side.
"""

from dataclasses import dataclass

import numpy as np

from maker import materials
from maker.colours import linear, scaled, varied
from maker.shapes import block, box, join, to_object

WALL_COLOURS = (
    "#ece7dc", "#e6e2da", "#d8d3c8", "#f2f0ea", "#cfd3d4", "#b9c4c0", "#8fa3a0", "#d9c9b0", "#c9b394", "#e3cfc4",
    "#a9b3a0", "#6f7f78", "#3f4f58", "#56606c", "#8a8f96", "#b7a59a", "#d7b8a2", "#c98f6c", "#6d7fa0", "#9fb4cc",
    "#efe0b8", "#7d3f34", "#2f3a4a", "#4b5a44", "#e9ddd0",
)  # fmt: skip
WOODS = (
    ("#c69a63", "#8f6234"), ("#d9b98a", "#b48a58"), ("#9a6434", "#5c3616"), ("#6b4426", "#3a2211"),
    ("#b5763a", "#7a4418"), ("#e3cfaa", "#c4a878"), ("#4a3020", "#241508"), ("#a89a86", "#776a58"),
    ("#b98348", "#8c5522"),
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """The free board around the pot, and what else can be seen from the camera."""

    kind: str  # "shelf", "table" or "sill"
    left: float
    right: float
    front: float
    back: float
    ceiling: float  # height of what hangs above the plant


def build_room(rng):
    """Build one of the three places; returns its Stage."""
    return rng.choice([shelf, table, sill], p=[0.42, 0.38, 0.2])(rng)


# --- surfaces ---------------------------------------------------------------------------------------------------------


def draw_wall(rng):
    """A wall material; plain paint is the most common, as in homes."""
    colour = varied(rng, linear(rng.choice(WALL_COLOURS)))
    kind = rng.choice(["plaster", "brick", "tiles", "wallpaper", "panels"], p=[0.5, 0.15, 0.11, 0.11, 0.13])
    if kind == "brick":
        clay = varied(rng, linear(rng.choice(["#8a4a36", "#a0604a", "#7a5648", "#d8d2c8", "#9a8a7a", "#6b3a2c"])))
        return materials.brick(rng, clay, varied(rng, linear(rng.choice(["#b8afa2", "#8f877c", "#d8d2c6"]))))
    if kind == "tiles":
        glaze = varied(
            rng, linear(rng.choice(["#f0efea", "#e4e6e2", "#a8c0b8", "#c9d6dc", "#3f5a6c", "#d9c7a8", "#2f4f44"]))
        )
        return materials.tiles(rng, glaze, varied(rng, linear(rng.choice(["#d8d4cc", "#8a8780"]))))
    if kind == "wallpaper":
        return materials.wallpaper(rng, colour, varied(rng, scaled(colour, rng.choice([0.55, 0.75, 1.3]))))
    if kind == "panels":
        return draw_wood(rng, plank=rng.uniform(0.8, 1.6), upright=True)
    return materials.plaster(rng, colour)


def draw_wood(rng, **options):
    """Some kind of wood, oiled or painted white."""
    light, dark = (varied(rng, linear(colour)) for colour in WOODS[rng.integers(len(WOODS))])
    if rng.random() < 0.12:
        light, dark = linear("#ece8e0"), linear("#d6d0c4")
    return materials.wood(rng, light, dark, gloss=rng.uniform(0.25, 0.55), **options)


def draw_board(rng):
    """A material for the board that the pot stands on."""
    kind = rng.choice(["wood", "paint", "stone"], p=[0.74, 0.18, 0.08])
    if kind == "wood":
        return draw_wood(rng)
    if kind == "paint":
        return materials.paint(
            rng, varied(rng, linear(rng.choice(["#eeece6", "#dcd8cf", "#f4f2ee", "#3c4046", "#8a9a9a", "#b8a58a"])))
        )
    return draw_stone(rng)


def draw_stone(rng):
    """Marble or a dark worktop."""
    ground, vein = [("#e6e3de", "#b5b2ae"), ("#2a2a2c", "#77736c"), ("#b9b2a6", "#8c857a"), ("#d8cfc0", "#bcae98")][
        rng.integers(4)
    ]
    return materials.stone(rng, varied(rng, linear(ground)), varied(rng, linear(vein)))


def draw_table_top(rng):
    """A table is planked wood, stone, paint or laid with a cloth."""
    kind = rng.choice(["planks", "board", "cloth"], p=[0.4, 0.35, 0.25])
    if kind == "planks":
        return draw_wood(rng, plank=rng.uniform(0.9, 1.8))
    if kind == "board":
        return draw_board(rng)
    ground = varied(
        rng,
        linear(rng.choice(["#e8e2d4", "#cfc6b4", "#8a98a0", "#b8a48c", "#d8dcd8", "#6f7a66", "#a05a48", "#44587a"])),
    )
    return materials.cloth(rng, ground, linear("#f0ece2") if rng.random() < 0.4 else None)


def wall_at(rng, y, material=None):
    """A wall across the whole picture."""
    block("wall", material or draw_wall(rng), (80, 0.3, 40), (0, y + 0.15, 0))


def floor(rng):
    """A floor far below, so that nothing is above empty space."""
    block("floor", draw_wood(rng, plank=1.2), (80, 80, 0.3), (0, 0, -7.5))


# --- shelf ------------------------------------------------------------------------------------------------------------


def shelf(rng):
    """A board on a wall or a bay of a bookcase, often with an upright at one side as in the real photos."""
    front, back = -rng.uniform(0.8, 1.25), rng.uniform(0.85, 1.7)
    thick, timber = rng.uniform(0.18, 0.42), draw_board(rng)
    left, right = -rng.uniform(2.6, 5.0), rng.uniform(2.6, 5.0)
    wall_at(rng, back, timber if rng.random() < 0.12 else None)
    floor(rng)
    size, centre = (
        (right - left, back - front + 0.1, thick),
        ((left + right) / 2, (front + back) / 2 + 0.05, -thick / 2),
    )
    block("board", timber, size, centre, bevel=0.02)
    ceiling = 9.0
    if rng.random() < 0.65:
        side = rng.choice([-1, 1])
        at = rng.uniform(1.25, 2.4)
        left, right = (-at, right) if side < 0 else (left, at)
        # The upright protrudes a little from the board: coplanar faces would render black.
        upright(side * (at + thick / 2), front - 0.04, back + 0.08, thick, draw_side(rng, timber))
    if rng.random() < 0.4:
        ceiling = rng.uniform(2.4, 3.4)
        for height in (ceiling + thick / 2, -rng.uniform(2.4, 3.4)):
            block("board", timber, (12, back - front + 0.08, thick), (0, (front + back) / 2 + 0.06, height), bevel=0.02)
    return Stage("shelf", left, right, front, back, ceiling)


def draw_side(rng, timber):
    """The upright's wood runs up: the same timber in most shelves, another wood in some."""
    return timber if rng.random() < 0.5 else draw_wood(rng, grain_axis=2)


def upright(x, front, back, thick, timber):
    """A vertical side of a bookcase."""
    block("upright", timber, (thick, back - front, 24), (x, (front + back) / 2, 1.0), bevel=0.02)


# --- table ------------------------------------------------------------------------------------------------------------


def table(rng):
    """A table or worktop, against a wall or in the middle of a room."""
    far = rng.random() < 0.5
    back = rng.uniform(2.2, 4.0) if far else rng.uniform(1.1, 3.2)
    wall = rng.uniform(9, 20) if far else back
    front = -rng.uniform(1.2, 5.0)
    centre = (rng.uniform(-3, 3), (front + back) / 2, -0.15)
    block("table", draw_table_top(rng), (16, back - front, 0.3), centre, bevel=0.04)
    wall_at(rng, wall)
    floor(rng)
    if far:
        furnish(rng, back + 1.5, wall)
    else:
        hang_pictures(rng, wall)
    return Stage("table", -3.4, 3.4, max(front, -2.2), min(back, 2.6), 9.0)


def furnish(rng, near, wall):
    """Large dim furniture across the room; the lens blurs it."""
    x = -rng.uniform(8, 11)
    while x < 9:
        width, depth, height = rng.uniform(3, 8), rng.uniform(1.5, 3), rng.uniform(4, 15)
        y = wall - depth / 2 - 0.1
        if y - depth / 2 > near:
            stuff = draw_wood(rng) if rng.random() < 0.6 else draw_fabric(rng)
            block("furniture", stuff, (width, depth, height), (x + width / 2, y, -7.3 + height / 2), bevel=0.15)
        x += width + rng.uniform(0.5, 5)
    hang_pictures(rng, wall, size=2.0, low=2.5)


def draw_fabric(rng):
    """Upholstery and curtains."""
    return materials.cloth(
        rng, varied(rng, linear(rng.choice(["#7a7f86", "#b0a490", "#4a5a6a", "#8a5a48", "#5f6f5a", "#c8bca8"])))
    )


def hang_pictures(rng, wall, size=1.0, low=1.4):
    """Frames on the wall, clear of it and of each other."""
    x = rng.uniform(-6, -3)
    while x < 5:
        width, height = size * rng.uniform(0.9, 2.0), size * rng.uniform(0.9, 2.0)
        if rng.random() < 0.5:
            framed(rng, width, height, (x + width / 2, wall - 0.05, low + height / 2 + rng.uniform(0, 1.2)))
        x += width + size * rng.uniform(0.8, 2.5)


def framed(rng, width, height, centre, parent=None):
    """A print on a mount between four bars, each layer a little further out than the one behind it."""
    bar = rng.uniform(0.05, 0.12)
    bars = join([
        *(box((width, 0.08, bar), (0, 0, side * (height - bar) / 2)) for side in (-1, 1)),
        *(box((bar, 0.074, height - 2 * bar), (side * (width - bar) / 2, 0, 0)) for side in (-1, 1)),
    ])  # fmt: skip
    if rng.random() < 0.5:
        edge = draw_wood(rng)
    else:
        edge = materials.paint(rng, linear(rng.choice(["#1c1c1e", "#efeeea", "#8a6a3a", "#3a2a20"])))
    mount = materials.paint(rng, linear(rng.choice(["#f0ede4", "#e4ddcc", "#dcdcdc"])), 0.8)
    palette = [varied(rng, linear(colour)) for colour in rng.choice(PRINT_COLOURS, 4, replace=False)]
    margin = rng.uniform(0.6, 0.85)
    place = {"location": centre, "parent": parent}
    to_object(bars, "frame", edge, smooth=False, bevel=0.01, **place)
    block("mount", mount, (width - bar, 0.02, height - bar), **place)
    block("print", materials.picture(rng, palette), (width * margin - bar, 0.03, height * margin - bar), **place)


PRINT_COLOURS = (
    "#26466b", "#b5503a", "#e6dcc4", "#3c5a44", "#d9a441", "#7c8f98", "#1f2326", "#c9866b", "#93a67e", "#f1ece0",
    "#5a3d2b", "#87a9c4", "#a83232", "#2d5fb0",
)  # fmt: skip


# --- window sill ------------------------------------------------------------------------------------------------------


def sill(rng):
    """A sill in front of a window: light comes from behind the plant."""
    front, glass = -rng.uniform(0.8, 1.2), rng.uniform(0.85, 1.5)
    left, right, top = -rng.uniform(2.0, 4.5), rng.uniform(2.0, 4.5), rng.uniform(4.5, 8.0)
    wall = draw_wall(rng)
    # The wall is four blocks round the opening; their faces meet but never share a plane that the camera sees.
    edge = front + rng.uniform(0.15, 0.4)
    depth, middle = glass + 0.4 - edge, (glass + 0.4 + edge) / 2
    for x0, x1, z0, z1 in ((-30, left, -9, 20), (right, 30, -9, 20), (left, right, top, 20), (left, right, -9, -0.25)):
        block("wall", wall, (x1 - x0, depth, z1 - z0), ((x0 + x1) / 2, middle, (z0 + z1) / 2))
    size, centre = (
        (right - left + 0.5, glass + 0.1 - front, 0.22),
        ((left + right) / 2, (front + glass + 0.1) / 2, -0.11),
    )
    block("sill", draw_board(rng), size, centre, bevel=0.03)
    floor(rng)
    glaze_window(rng, left, right, top, glass)
    block("outdoors", materials.outdoors(rng, rng.uniform(1.5, 4.0)), (160, 0.1, 90), (0, 30, 8))
    return Stage("sill", left + 0.1, right - 0.1, front, glass - 0.1, top)


def glaze_window(rng, left, right, top, glass):
    """Frame and glazing bars, each bar at its own depth so that no two faces coincide."""
    colour = varied(rng, linear(rng.choice(["#efeeea", "#f4f3f0", "#3a3c40", "#6a4a2e", "#d8d4c8"])))
    frame = materials.paint(rng, colour, 0.35)
    post, y, middle = rng.uniform(0.18, 0.32), glass + 0.1, (left + right) / 2
    sides = (left + post / 2 - 0.02, right - post / 2 + 0.02)
    ends = (post / 2 - 0.03, top - post / 2 + 0.03)
    mullions = np.linspace(left, right, rng.integers(2, 5))[1:-1]
    bars = [
        *(box((post, 0.2, top + 0.2), (x, y, top / 2)) for x in sides),
        *(box((right - left, 0.17, post), (middle, y, z)) for z in ends),
        *(box((post * 0.7, 0.14, top), (x, y, top / 2)) for x in mullions),
    ]
    if rng.random() < 0.5:
        bars.append(box((right - left, 0.11, post * 0.5), (middle, y, rng.uniform(0.4, 0.7) * top)))
    for bar in bars:
        to_object(bar, "window", frame, smooth=False, bevel=0.02)
