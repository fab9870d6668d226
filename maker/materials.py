"""Procedural materials: every colour, grain and scratch in the photos is computed, no texture file is read."""

import numpy as np

from maker.colours import linear, scaled, varied
from maker.shader_graph import Graph


def glow(name, colour, strength=1.0):
    """A uniform light-emitting colour, for the parts in a mask."""
    graph = Graph(name, np.random.default_rng(0))
    return graph.finish(graph.add("Emission", {"Color": colour, "Strength": strength}))


# --- walls and boards -------------------------------------------------------------------------------------------------


def plaster(rng, colour):
    """A painted wall: rolled paint, faint stains."""
    graph = Graph("plaster", rng)
    stained = graph.tint(graph.tint(colour, 0.07, 0.35), 0.05, 2.5)
    relief = graph.bump(graph.noise(rng.uniform(9, 30), detail=6), rng.uniform(0.08, 0.35))
    return graph.surface(stained, rng.uniform(0.6, 0.9), relief)


def blocks(rng, colour, mortar, width, height, gap, offset, roughness, unevenness):
    """Bricks or tiles on a wall: a laid pattern with joints, each block a little different."""
    graph = Graph("blocks", rng)
    position = graph.place(upright=True)
    wobble = graph.noise(6.0, position)
    # Perfectly straight joints look printed: shift the pattern a little with noise.
    shift = graph.add("VectorMath", {0: wobble, 1: (unevenness,) * 3}, operation="MULTIPLY")
    position = graph.add("VectorMath", {0: position, 1: shift})
    laid = graph.add(
        "TexBrick",
        {"Vector": position, "Color1": scaled(colour, 1 - 3 * unevenness),
         "Color2": scaled(colour, 1 + 4 * unevenness), "Mortar": mortar,
         "Scale": 1.0, "Mortar Size": gap, "Mortar Smooth": 0.25, "Brick Width": width, "Row Height": height},
        offset=offset,
    )  # fmt: skip
    joint = laid.node.outputs["Factor"]
    grain = graph.noise(14.0, position, detail=8)
    worn = graph.mix(graph.math("MULTIPLY", grain, 6 * unevenness), laid, graph.shade(laid, 0.5))
    relief = graph.math("ADD", graph.math("SUBTRACT", 1.0, joint), graph.math("MULTIPLY", grain, 10 * unevenness))
    rough = graph.math("MAXIMUM", graph.math("MULTIPLY", joint, 0.9), roughness)
    return graph.surface(worn, rough, graph.bump(relief, 0.7, 0.03))


def brick(rng, colour, mortar):
    """A wall of real-sized bricks."""
    return blocks(rng, colour, mortar, 2.15, 0.75, 0.05, 0.5, 0.85, rng.uniform(0.05, 0.09))


def tiles(rng, colour, mortar):
    """Glazed tiles, square or metro."""
    width, height, offset = [(1.0, 1.0, 0.0), (1.5, 1.5, 0.0), (2.0, 1.0, 0.5)][rng.integers(3)]
    return blocks(rng, colour, mortar, width, height, 0.02, offset, rng.uniform(0.08, 0.3), 0.008)


def wallpaper(rng, ground, figure):
    """Stripes or a leafy repeat on paper."""
    graph = Graph("wallpaper", rng)
    position = graph.place(upright=True)
    if rng.random() < 0.5:
        parts = graph.add("SeparateXYZ", {0: position}).node.outputs
        wave = graph.math("SINE", graph.math("MULTIPLY", parts[0], rng.uniform(6, 20)))
        drawn = graph.between(wave, -0.05, 0.05)
    else:
        cells = graph.add(
            "TexVoronoi", {"Vector": position, "Scale": rng.uniform(1.3, 3.0), "Randomness": rng.uniform(0, 0.5)}
        )
        curls = graph.math("SINE", graph.math("MULTIPLY", cells, rng.uniform(14, 34)))
        drawn = graph.between(curls, 0.3, 0.5)
    faded = graph.tint(graph.mix(drawn, ground, figure), 0.06, 0.5)
    return graph.surface(faded, 0.75, graph.bump(graph.noise(60.0, position), 0.1))


def wood(rng, light, dark, upright=False, plank=0.0, gloss=0.5, grain_axis=0):
    """Sawn wood with the grain along x (or another axis); `plank` is the width of a board, 0 for one piece."""
    graph = Graph("wood", rng)
    stretch = [1.0, 1.0, 1.0]
    stretch[grain_axis] = rng.uniform(0.06, 0.12)
    position = graph.place(upright=upright)
    seam, board = None, None
    if plank:
        seam = graph.add(
            "TexBrick",
            {"Vector": position, "Color1": (0, 0, 0), "Color2": (1, 1, 1), "Mortar": (0.5,) * 3, "Scale": 1.0,
             "Mortar Size": 0.012, "Mortar Smooth": 0.1, "Brick Width": 14.0, "Row Height": plank},
        )  # fmt: skip
        board = graph.math("MULTIPLY", seam, 1.0)
        shift = graph.add("CombineXYZ", {0: board, 2: graph.math("MULTIPLY", board, 7.0)})
        position = graph.add("VectorMath", {0: position, 1: shift})
    long = graph.add("Mapping", {"Vector": position, "Scale": tuple(stretch)})
    broad = graph.noise(rng.uniform(1.6, 3.0), long, detail=3, distortion=rng.uniform(0.3, 1.0))
    rings = graph.math("SINE", graph.math("MULTIPLY", broad, rng.uniform(25, 50)))
    fibre = graph.noise(1.0, graph.add("Mapping", {"Vector": long, "Scale": (45, 45, 45)}), detail=3)
    grain = graph.math(
        "ADD", graph.math("MULTIPLY", rings, 0.16), graph.math("ADD", graph.math("MULTIPLY", fibre, 0.55), 0.2)
    )
    colour = graph.tint(graph.mix(graph.between(grain, 0.15, 0.9), dark, light), 0.12, 0.8)
    if seam is not None:
        colour = graph.mix(graph.math("MULTIPLY", board, 0.35), colour, graph.shade(colour, 0.6))
        colour = graph.mix(seam.node.outputs["Factor"], colour, scaled(dark, 0.25))
    rough = graph.math("ADD", gloss, graph.math("MULTIPLY", fibre, 0.2))
    return graph.surface(colour, rough, graph.bump(grain, 0.12))


def stone(rng, colour, vein):
    """Polished stone: marble if the vein's colour differs from the ground's, else a worktop."""
    graph = Graph("stone", rng)
    drift = graph.noise(rng.uniform(0.7, 1.4), detail=8, distortion=rng.uniform(1.0, 2.2))
    line = graph.math("ABSOLUTE", graph.math("SUBTRACT", drift, 0.5))
    veined = graph.mix(graph.between(line, 0.0, rng.uniform(0.02, 0.06)), vein, graph.tint(colour, 0.1, 1.5))
    speckled = graph.mix(graph.between(graph.noise(60.0), 0.62, 0.7), veined, graph.shade(veined, 0.8))
    return graph.surface(speckled, rng.uniform(0.12, 0.35))


def cloth(rng, colour, stripe=None):
    """Woven linen, plain or striped."""
    graph = Graph("cloth", rng)
    position = graph.place()
    parts = graph.add("SeparateXYZ", {0: position}).node.outputs
    threads = [graph.math("SINE", graph.math("MULTIPLY", part, 230.0)) for part in parts[:2]]
    weave = graph.math("MULTIPLY", threads[0], threads[1])
    dyed = graph.tint(graph.tint(colour, 0.12, 1.2), 0.15, 25.0)
    if stripe is not None:
        band = graph.math("SINE", graph.math("MULTIPLY", parts[0], rng.uniform(3, 8)))
        dyed = graph.mix(graph.between(band, 0.6, 0.66), dyed, stripe)
    folds = graph.math("MULTIPLY", graph.noise(1.1, detail=2), 4.0)
    return graph.surface(
        dyed, 0.95, graph.bump(graph.math("ADD", graph.math("MULTIPLY", weave, 0.3), folds), 0.3), Sheen_Weight=0.15
    )


def paint(rng, colour, roughness=0.45):
    """Brushed paint or plastic: nearly even."""
    graph = Graph("paint", rng)
    return graph.surface(graph.tint(colour, 0.05, 2.0), roughness, graph.bump(graph.noise(12.0), 0.05))


# --- things -----------------------------------------------------------------------------------------------------------


def ceramic(rng, colour, roughness=0.2):
    """Glaze over clay: uneven colour under a clear coat."""
    graph = Graph("ceramic", rng)
    return graph.surface(
        graph.tint(colour, 0.1, 3.0), 0.5, graph.bump(graph.noise(4.0), 0.06), Coat_Weight=0.8, Coat_Roughness=roughness
    )


def metal(rng, colour, roughness=0.25, hammered=False):
    """Polished or hammered metal."""
    graph = Graph("metal", rng)
    cells = graph.add("TexVoronoi", {"Vector": graph.place(), "Scale": 7.0})
    relief = graph.bump(cells if hammered else graph.noise(40.0), 0.9 if hammered else 0.05, 0.05)
    return graph.surface(colour, roughness, relief, Metallic=1.0)


def wax(rng, colour):
    """A candle: some light scatters below the surface."""
    graph = Graph("wax", rng)
    return graph.surface(graph.tint(colour, 0.05, 2.0), 0.45, Subsurface_Weight=0.3, Subsurface_Scale=0.15)


def cover(rng, colour, band):
    """A book's cover: cloth with a printed band and title across the spine."""
    graph = Graph("cover", rng)
    # Heights are relative to the book: 0 at its foot.
    height = graph.add("SeparateXYZ", {0: graph.add("TexCoord", output="Object")}).node.outputs[2]
    low = rng.uniform(0.2, 1.6)
    inside = graph.math(
        "MULTIPLY",
        graph.math("GREATER_THAN", height, low),
        graph.math("LESS_THAN", height, low + rng.uniform(0.1, 0.5)),
    )
    printed = graph.mix(inside, graph.tint(colour, 0.08, 3.0), band)
    return graph.surface(printed, rng.uniform(0.35, 0.8), graph.bump(graph.noise(50.0), 0.12))


def pages(rng):
    """The cut edge of a book."""
    graph = Graph("pages", rng)
    sheets = graph.noise(3.0, graph.place(scale=(30, 1, 1)), detail=2)
    return graph.surface(graph.mix(sheets, linear("#b9a98a"), linear("#efe6d2")), 0.9)


def picture(rng, colours):
    """A framed print: big soft shapes, as a landscape or an abstract."""
    graph = Graph("picture", rng)
    position = graph.place(upright=True, scale=(1.0, rng.uniform(1.0, 3.0), 1.0))
    shapes = graph.noise(rng.uniform(0.8, 1.8), position, detail=rng.uniform(0, 4), distortion=rng.uniform(0, 2))
    drawn = colours[0]
    for level, colour in zip((0.4, 0.5, 0.58), colours[1:]):
        drawn = graph.mix(graph.between(shapes, level, level + 0.02), drawn, colour)
    return graph.surface(drawn, 0.5, Coat_Weight=float(rng.random() < 0.5), Coat_Roughness=0.05)


def outdoors(rng, strength):
    """The view through a window: bright sky over foliage, out of focus."""
    graph = Graph("outdoors", rng)
    height = graph.add("SeparateXYZ", {0: graph.add("TexCoord", output="Object")}).node.outputs[2]
    edge = graph.math("ADD", height, graph.math("MULTIPLY", graph.noise(0.12), rng.uniform(10, 30)))
    green = varied(rng, linear(["#66754a", "#4c5f42", "#85866a", "#8a8378"][rng.integers(4)]))
    # A camera focused on the pot shows the garden as soft discs of light, not as leaves.
    leaves = graph.mix(graph.between(graph.noise(0.28, detail=3), 0.3, 0.75), scaled(green, 0.35), scaled(green, 1.8))
    sky = varied(rng, linear(["#dfe9f2", "#b9d3ea", "#f0efe8", "#cdd3d8"][rng.integers(4)]))
    rim = rng.uniform(0, 22)
    seen = graph.mix(graph.between(edge, rim, rim + 3.0), leaves, sky)
    return graph.finish(graph.add("Emission", {"Color": seen, "Strength": strength}))


# --- the plant in its pot ---------------------------------------------------------------------------------------------


def pot_clay(rng, colour, finish):
    """A pot's surface: `finish` is "clay", "paint" or "glaze"; stains, speckles and chalk differ from pot to pot."""
    graph = Graph("pot", rng)
    body = graph.tint(graph.tint(colour, rng.uniform(0.03, 0.12), 1.3), rng.uniform(0.02, 0.08), 9.0)
    speckle = graph.between(graph.noise(rng.uniform(25, 60), detail=1), 0.68, 0.74)
    dark = rng.random() < 0.7
    body = graph.mix(
        graph.math("MULTIPLY", speckle, rng.uniform(0, 0.45)),
        body,
        scaled(colour, 0.45) if dark else scaled(colour, 1.6),
    )
    # Lime and dust collect towards the foot, in patches.
    height = graph.add("SeparateXYZ", {0: graph.add("TexCoord", output="Object")}).node.outputs[2]
    foot = graph.math("SUBTRACT", 1.0, graph.between(height, 0.0, 0.9))
    patches = graph.between(graph.noise(rng.uniform(1.5, 3.5), detail=7), 0.45, 0.75)
    chalk = graph.math(
        "MULTIPLY", graph.math("MULTIPLY", patches, foot), rng.uniform(0, 0.3 if finish == "clay" else 0.1)
    )
    body = graph.mix(chalk, body, linear("#cfc6b8"))
    grain = graph.bump(
        graph.noise(rng.uniform(15, 40), detail=5), 0.05 if finish == "glaze" else rng.uniform(0.12, 0.3)
    )
    roughness = {"clay": rng.uniform(0.75, 0.95), "paint": rng.uniform(0.35, 0.6), "glaze": 0.4}[finish]
    coat = rng.uniform(0.5, 1.0) if finish == "glaze" else 0.0
    return graph.surface(body, roughness, grain, Coat_Weight=coat, Coat_Roughness=rng.uniform(0.05, 0.2))


def soil(rng, colour, crumb):
    """Potting mix: dark crumbs, some pale grit; `crumb` is the colour of the loose pieces."""
    graph = Graph("soil", rng)
    ground = graph.tint(graph.tint(colour, 0.4, 7.0), 0.5, 40.0)
    loose = graph.mix(graph.attribute("along"), graph.shade(crumb, 0.6), crumb)
    seen = graph.mix(graph.between(graph.attribute("tone"), 0.5, 0.8), ground, loose)
    return graph.surface(seen, 0.95, graph.bump(graph.noise(22.0, detail=8), 1.0, 0.06))


def flesh(rng, root, tip, blush, blush_from=0.8, gloss=0.4, spots=None, light_through=0.15):
    """A succulent leaf: root colour to tip colour, blushed at the very tip; `spots` is the colour of pale flecks."""
    graph = Graph("flesh", rng)
    along, tone = graph.attribute("along"), graph.attribute("tone")
    colour = graph.mix(along, root, tip)
    colour = graph.mix(graph.between(along, blush_from, 1.05), colour, blush)
    colour = graph.mix(graph.math("MULTIPLY", tone, 0.5), colour, graph.shade(colour, 0.55))
    if spots is not None:
        scale = rng.uniform(13, 19)
        cells = graph.add("TexVoronoi", {"Vector": graph.place(scale=(1, 1, 0.6)), "Scale": scale, "Randomness": 0.9})
        fleck = graph.math("SUBTRACT", 1.0, graph.between(cells, 0.2, 0.32))
        colour = graph.mix(graph.math("MULTIPLY", fleck, 0.85), colour, spots)
    mottled = graph.tint(colour, 0.12, 5.0)
    return graph.surface(
        mottled, gloss, graph.bump(graph.noise(9.0), 0.08), Subsurface_Weight=light_through, Subsurface_Scale=0.04
    )


def bark(rng, colour):
    """Old jade stem: ringed and corky."""
    graph = Graph("bark", rng)
    return graph.surface(graph.tint(colour, 0.35, 9.0), 0.85, graph.bump(graph.noise(18.0, detail=6), 0.6))
