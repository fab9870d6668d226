"""Outlines: lines and boxes lie where the heat is, on photos of any layout."""

import re

import numpy as np
import pytest
import torch
from flooding import largest_by_flooding
from PIL import Image, ImageDraw

from classifiers.preprocessing import Preprocessing
from explorer.explanation.grid import draw
from explorer.explanation.outlines import OUTLINES, PAPERS_RULE, drawn, hot_box, outline
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.rendering.images import svg_path
from explorer.settings import View

RULES = [name for name in OUTLINES if name != "none"]
WIDE = np.full((60, 80, 3), 90, np.uint8)
SQUARE = np.full((64, 64, 3), 90, np.uint8)


def frame_of(fit="bars", photo=SQUARE, **options):
    return Preprocessing(64, 64, fit, **options).frame(photo)


def filled(lines, height, width):
    """The pixels inside lines of parts of a picture, by the even-odd rule at eight times the size."""
    inside = np.zeros((8 * height, 8 * width), bool)
    for line in lines:
        sheet = Image.new("1", (8 * width, 8 * height))
        points = [tuple(point) for point in line * (8 * width, 8 * height) - 0.5]
        ImageDraw.Draw(sheet).polygon(points, fill=1)
        inside ^= np.array(sheet)
    return inside.reshape(height, 8, width, 8).mean((1, 3)) > 0.5


def test_lines_and_box_of_a_rectangle():
    heat = torch.zeros(64, 64)
    heat[16:32, 8:40] = 1
    found = outline(heat, PAPERS_RULE, frame_of())
    assert found.box == (8 / 64, 16 / 64, 40 / 64, 32 / 64) == hot_box(heat, frame_of())
    (line,) = found.lines
    assert np.abs(np.sort(line[:, 0])[[0, -1]] - (8 / 64, 40 / 64)).max() <= 0.2 / 64  # a fifth of a pixel
    assert np.abs(np.sort(line[:, 1])[[0, -1]] - (16 / 64, 32 / 64)).max() <= 0.2 / 64


@pytest.mark.parametrize("rule", RULES)
def test_lines_enclose_the_region_with_its_holes_and_the_box_its_largest_part(rule):
    ys, xs = np.mgrid[:64, :64]
    ring = np.exp(-((np.hypot(ys - 30, xs - 26) - 14) ** 2) / 18)
    spot = 0.8 * np.exp(-((ys - 52) ** 2 + (xs - 55) ** 2) / 12)
    heat = torch.from_numpy(ring + spot).float()
    values = heat.double().numpy()
    above = {PAPERS_RULE: 0.15 * values.max(), "hottest tenth": np.sort(values.ravel())[int(0.9 * values.size) - 1]}
    found = outline(heat, rule, frame_of())
    inside = filled(found.lines, 64, 64)
    # Otsu's rule is held by gradcam's own tests; here its threshold is read off the lines
    mask = values > (above[rule] if rule in above else values[~inside].max())
    assert len(found.lines) >= 3  # outside and inside of the ring, and the spot
    assert (inside != mask).mean() < 0.02  # lines are smoothed by half a pixel
    assert found.box == pytest.approx(np.array(largest_by_flooding(mask)) / 64, abs=1.1 / 64)


def test_the_box_alone_is_that_of_the_outline():
    frame = frame_of(photo=WIDE)
    heat = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) ** 9
    assert hot_box(heat, frame) == outline(heat, PAPERS_RULE, frame).box
    assert hot_box(torch.zeros(64, 64), frame) is None


def test_bars_are_not_photo():
    """A photo of 80 × 60 lies in rows 8 to 56 of the input, and its places are parts of the photo."""
    frame = frame_of(photo=WIDE)
    heat = torch.zeros(64, 64)
    heat[:20, 16:32] = 1  # on the bar above, and 12 rows of the photo
    assert hot_box(heat, frame) == (16 / 64, 0, 32 / 64, 12 / 48)
    heat = torch.zeros(64, 64)
    heat[:8] = 1
    assert outline(heat, PAPERS_RULE, frame).box is None and outline(heat, PAPERS_RULE, frame).lines == ()


def test_what_a_crop_leaves_out_is_photo():
    """Of a photo of 80 × 60, resized to 85 × 64, the network sees columns 10 to 74."""
    frame = frame_of("crop", WIDE)
    assert (frame.seen.left, frame.photo.right) == (10, 85)
    heat = torch.zeros(64, 64)
    heat[32:, :16] = 1
    assert hot_box(heat, frame) == pytest.approx((10 / 85, 0.5, 26 / 85, 1))


def test_empty_map_has_no_outline():
    found = outline(torch.zeros(64, 64), PAPERS_RULE, frame_of())
    assert found.lines == () and found.box is None
    picture = np.full((64, 64, 3), 90, np.uint8)
    assert (drawn(picture, found) == picture).all()


def test_a_drawn_line_lies_on_the_edge_and_leaves_the_picture_as_it_was():
    heat = torch.zeros(64, 64)
    heat[16:48, 16:48] = 1
    picture = np.full((128, 128, 3), 90, np.uint8)
    picture.flags.writeable = False
    changed = (drawn(picture, outline(heat, PAPERS_RULE, frame_of())) != 90).any(-1)
    rows, columns = np.nonzero(changed)
    for places in (rows, columns):  # the edge runs between pixels 31 and 32, and between 95 and 96
        assert abs(places.min() - 31.5) <= 3.5 and abs(places.max() - 95.5) <= 3.5
    assert changed[64, 28:36].any() and not changed[64, 40:88].any() and not changed[:26].any()


@pytest.mark.parametrize("rule", ["none", "half", ""])
def test_unknown_outline_is_a_sentence(rule):
    with pytest.raises(ValueError, match="There is no outline"):
        outline(torch.zeros(64, 64), rule, frame_of())


def test_path_data_goes_through_the_points():
    lines = [np.array([(0.1, 0.2), (0.5, 0.2), (0.5, 0.9)]), np.empty((0, 2)), np.array([(0, 0), (1, 0.0004)])]
    places = []
    for start, steps in re.findall(r"M(\S+ \S+)l([^Z]*)Z", svg_path(lines)):
        numbers = np.array([start, *re.findall(r"\S+ \S+", steps)])
        places.append(np.cumsum([[int(v) for v in pair.split()] for pair in numbers], axis=0) / 1000)
    assert [place.tolist() for place in places] == [lines[0].tolist(), [[0, 0], [1, 0]]]


@pytest.fixture(scope="module")
def story():
    return ExplanationService().explain_file(examples.embedded().story.file, "embedded", "Grad-CAM")


def test_report_has_a_box_of_every_map(story):
    maps = story.evidence.flatten(0, 1).double().numpy()  # [K L, h, w]
    cells = story.report()["cells"]
    assert len(cells) == len(maps) == 15
    for cell, heat in zip(cells, maps):
        by_hand = largest_by_flooding(heat > 0.15 * heat.max())
        assert cell["box"] == pytest.approx(np.array(by_hand) / 256)


def test_cells_are_drawn_with_their_outline(story):
    plain, lined = (draw(story, View(outline=name)) for name in ("none", PAPERS_RULE))
    for row, lined_row in zip(plain, lined):
        for cell, lined_cell in zip(row, lined_row):
            assert cell.outline is None and lined_cell.outline.box
            left, top, _, bottom = (round(256 * side) for side in lined_cell.outline.box)
            changed = (cell.picture != lined_cell.picture).any(-1)
            assert changed[top:bottom, max(0, left - 2) : left + 2].any() and 0.005 < changed.mean() < 0.35
    with pytest.raises(ValueError, match="There is no outline"):
        draw(story, View(outline="half"))
