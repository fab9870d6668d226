"""Regions: the parts of a mask, the hottest pixels, and drawings from page and file."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from explorer.photos import examples
from explorer.photos import masks as regions
from explorer.photos.formats import PhotoError

STORY = examples.embedded().story


def test_the_parts_make_up_the_photo():
    parts = regions.read_mask(STORY.mask)
    every = [regions.part(parts, name) for name in regions.PARTS]
    assert parts.shape == (256, 256) and (np.sum(every, 0) == 1).all()
    assert all(part.any() for part in every[:3])  # this plant hides its soil


def test_the_pot_is_where_the_blue_is():
    """The mask against the photo: Rudo's new pot is the blue thing in it."""
    photo = np.array(Image.open(STORY.file)).astype(int)
    blue = photo[..., 2] > photo[..., 0] + 40
    pot = regions.part(regions.read_mask(STORY.mask), "pot")
    assert (blue & pot).sum() / (blue | pot).sum() > 0.8


def test_what_is_no_mask_is_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "colours.png")
    stranger = Image.new("P", (4, 4), 9)
    stranger.putpalette([0] * 30)
    stranger.save(tmp_path / "nine.png")
    (tmp_path / "words.png").write_text("no picture")
    for name in ("colours.png", "nine.png", "words.png", "missing.png"):
        with pytest.raises(ValueError, match=name):
            regions.read_mask(tmp_path / name)


def test_the_hottest_by_hand():
    heat = np.array([[0, 5, 1], [2, 5, 0], [0, 0, 3]], float)
    assert regions.hottest(heat, 100 * 2 / 9).nonzero()[0].tolist() == [0, 1]
    assert regions.hottest(heat, 100 * 3 / 9)[2, 2]
    assert regions.hottest(heat, 1).sum() == 1  # never nothing; of the two peaks the first
    assert regions.hottest(heat, 1)[0, 1]
    assert (regions.hottest(heat, 100) == (heat > 0)).all()  # no evidence, not hot


def test_the_hottest_are_never_colder_than_the_rest():
    heat = np.random.default_rng(0).random((64, 64))
    chosen = regions.hottest(heat, 12.5)
    assert chosen.sum() == 512 and heat[chosen].min() >= heat[~chosen].max()


@pytest.mark.parametrize("percent", [0, -1, 100.5, float("nan"), None, "10"])
def test_a_share_that_is_none_is_refused(percent):
    with pytest.raises(ValueError, match="above 0"):
        regions.hottest(np.ones((2, 2)), percent)


def test_an_empty_map_has_no_hottest_part():
    with pytest.raises(ValueError, match="no positive evidence"):
        regions.hottest(np.zeros((4, 4)), 10)


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


def test_a_drawing_lies_where_the_photo_lies(saved):
    """A wide photo is met with bars above and below; its mask, at any scale, is too, and the bars are nobody's."""
    photo = saved(Image.new("RGB", (400, 200)), "photo.png")
    expected = np.zeros((64, 64), bool)
    expected[16:48, :32] = True
    for name, picture in (
        ("same.png", half(400, 200)),
        ("small.png", half(100, 50, "1")),
        ("big.png", half(800, 400, "RGB")),
    ):
        assert (regions.read_drawing(saved(picture, name), photo, 64) == expected).mean() > 0.99, name


def test_a_square_drawing_is_what_the_network_sees(saved):
    photo = saved(Image.new("RGB", (400, 200)), "photo.png")
    region = regions.read_drawing(saved(half(64, 64), "square.png"), photo, 64)
    assert region[:, :32].all() and not region[:, 32:].any()


def test_a_drawing_that_cannot_be_meant_is_refused(saved):
    photo = saved(Image.new("RGB", (400, 200)), "photo.png")
    with pytest.raises(ValueError, match="proportions"):
        regions.read_drawing(saved(half(200, 400), "tall.png"), photo, 64)
    clear = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    with pytest.raises(ValueError, match="white on black"):
        regions.read_drawing(saved(clear, "clear.png"), photo, 64)
    with pytest.raises(PhotoError):
        regions.read_drawing(__file__, photo, 64)


def as_uri(picture, format="PNG"):
    file = io.BytesIO()
    picture.save(file, format)
    return f"data:image/{format.lower()};base64," + base64.b64encode(file.getvalue()).decode()


def test_strokes_arrive_pixel_for_pixel():
    drawing = np.random.default_rng(0).random((32, 32)) > 0.5
    picture = Image.fromarray(drawing).convert("RGBA")
    assert (regions.read_strokes(as_uri(picture), 32) == drawing).all()


@pytest.mark.parametrize(
    "uri",
    [
        as_uri(Image.new("L", (32, 33))),
        as_uri(Image.new("1", (30_000, 30_000))),
        as_uri(Image.new("L", (32, 32)))[:-40],
        as_uri(Image.new("L", (32, 32)), "JPEG"),
        "data:image/png;base64,not base64 at all",
        "data:image/png;base64,",
        "data:image/png;base64," + "A" * regions.MAX_STROKES,
        "file:///etc/hostname",
        "",
        None,
        {"a": 1},
    ],
    ids=["size", "bomb", "cut off", "JPEG", "no base64", "nothing", "long", "file", "empty", "None", "dict"],
)
def test_strokes_that_are_none_are_refused(uri):
    with pytest.raises(ValueError, match="Start again"):
        regions.read_strokes(uri, 32)
