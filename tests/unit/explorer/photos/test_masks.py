"""Regions: parts of a mask, the hottest pixels, and drawings from page and file."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from classifiers import Preprocessing
from classifiers.photos.decode import read_photo
from classifiers.photos.formats import PhotoError
from explorer.photos import examples, masks

STORY = examples.embedded().story


def test_parts_partition_the_photo():
    parts = masks.read_mask(STORY.mask)
    regions = [masks.part(parts, name) for name in masks.PARTS]
    assert parts.shape == (256, 256) and (np.sum(regions, 0) == 1).all()
    assert all(part.any() for part in regions[:3])  # this plant hides the soil


def test_pot_mask_matches_the_blue_pixels():
    """Rudo's new pot is the only blue object in the photo."""
    photo = np.array(Image.open(STORY.file)).astype(int)
    blue = photo[..., 2] > photo[..., 0] + 40
    pot = masks.part(masks.read_mask(STORY.mask), "pot")
    assert (blue & pot).sum() / (blue | pot).sum() > 0.8


def test_file_that_is_not_a_mask_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "colours.png")
    unknown_part = Image.new("P", (4, 4), 9)
    unknown_part.putpalette([0] * 30)
    unknown_part.save(tmp_path / "nine.png")
    (tmp_path / "words.png").write_text("no picture")
    for name in ("colours.png", "nine.png", "words.png", "missing.png"):
        with pytest.raises(ValueError, match=name):
            masks.read_mask(tmp_path / name)


def test_hottest_pixels_of_a_small_map():
    heat = np.array([[0, 5, 1], [2, 5, 0], [0, 0, 3]], float)
    assert masks.hottest(heat, 100 * 2 / 9).nonzero()[0].tolist() == [0, 1]
    assert masks.hottest(heat, 100 * 3 / 9)[2, 2]
    assert masks.hottest(heat, 1).sum() == 1  # at least one; of two equal peaks the first
    assert masks.hottest(heat, 1)[0, 1]
    assert (masks.hottest(heat, 100) == (heat > 0)).all()  # without evidence never


def test_hottest_pixels_are_at_least_as_hot_as_the_rest():
    heat = np.random.default_rng(0).random((64, 64))
    chosen = masks.hottest(heat, 12.5)
    assert chosen.sum() == 512 and heat[chosen].min() >= heat[~chosen].max()


@pytest.mark.parametrize("percent", [0, -1, 100.5, float("nan"), None, "10"])
def test_invalid_percentage_is_refused(percent):
    with pytest.raises(ValueError, match="above 0"):
        masks.hottest(np.ones((2, 2)), percent)


def test_empty_map_is_refused():
    with pytest.raises(ValueError, match="no positive evidence"):
        masks.hottest(np.zeros((4, 4)), 10)


@pytest.fixture
def saved(tmp_path):
    def save(picture, name):
        picture.save(tmp_path / name)
        return tmp_path / name

    return save


def half(width, height, mode="L"):
    """White on the left, black on the right."""
    picture = Image.new("L", (width, height))
    picture.paste(255, (0, 0, width // 2, height))
    return picture.convert(mode)


def frame_of(photo, side=64):
    return Preprocessing(side, side).frame(read_photo(photo).pixels)


def test_drawing_is_letterboxed_like_the_photo(saved):
    """A wide photo gets bars above and below; so does its mask, at any scale, and the bars are not in the region."""
    photo = saved(Image.new("RGB", (400, 200)), "photo.png")
    expected = np.zeros((64, 64), bool)
    expected[16:48, :32] = True
    for name, picture in (
        ("same.png", half(400, 200)),
        ("small.png", half(100, 50, "1")),
        ("big.png", half(800, 400, "RGB")),
    ):
        assert (masks.read_drawing(saved(picture, name), photo, frame_of(photo)) == expected).mean() > 0.99, name


def test_square_drawing_covers_the_network_input(saved):
    photo = saved(Image.new("RGB", (400, 200)), "photo.png")
    region = masks.read_drawing(saved(half(64, 64), "square.png"), photo, frame_of(photo))
    expected = np.zeros((64, 64), bool)
    expected[16:48, :32] = True  # the photo's half; what was painted on the bars changes nothing
    assert (region == expected).all()


def test_ambiguous_drawing_is_refused(saved):
    photo = saved(Image.new("RGB", (400, 200)), "photo.png")
    with pytest.raises(ValueError, match="proportions"):
        masks.read_drawing(saved(half(200, 400), "tall.png"), photo, frame_of(photo))
    clear = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    with pytest.raises(ValueError, match="white on black"):
        masks.read_drawing(saved(clear, "clear.png"), photo, frame_of(photo))
    with pytest.raises(PhotoError):
        masks.read_drawing(__file__, photo, frame_of(photo))


def as_uri(picture, file_format="PNG"):
    file = io.BytesIO()
    picture.save(file, file_format)
    return f"data:image/{file_format.lower()};base64," + base64.b64encode(file.getvalue()).decode()


def test_strokes_are_read_pixel_for_pixel():
    drawing = np.random.default_rng(0).random((32, 32)) > 0.5
    picture = Image.fromarray(drawing).convert("RGBA")
    assert (masks.read_strokes(as_uri(picture), 32, 32) == drawing).all()


@pytest.mark.parametrize(
    "uri",
    [
        as_uri(Image.new("L", (32, 33))),
        as_uri(Image.new("1", (30_000, 30_000))),
        as_uri(Image.new("L", (32, 32)))[:-40],
        as_uri(Image.new("L", (32, 32)), "JPEG"),
        "data:image/png;base64,not base64 at all",
        "data:image/png;base64,",
        "data:image/png;base64," + "A" * masks.MAX_STROKES,
        "file:///etc/hostname",
        "",
        None,
        {"a": 1},
    ],
    ids=["size", "bomb", "cut off", "JPEG", "no base64", "nothing", "long", "file", "empty", "None", "dict"],
)
def test_invalid_strokes_are_refused(uri):
    with pytest.raises(ValueError, match="Start again"):
        masks.read_strokes(uri, 32, 32)
