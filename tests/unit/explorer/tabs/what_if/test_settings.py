"""Settings of What if? as texts of a link: there and back, and nothing that is none."""

import pytest

from explorer.settings import View
from explorer.tabs.what_if.settings import EditSettings, as_hex, from_link, points_on, to_link


@pytest.mark.parametrize(
    "settings",
    [
        EditSettings(),
        EditSettings(region="hottest", percent=25, edit="blur"),
        EditSettings(colour="another", custom_colour="#00ff88", hue="140"),
        EditSettings(region="click", tolerance=31, points="120,80 -40,50"),
    ],
)
def test_settings_survive_the_round_trip(settings):
    assert from_link(to_link(settings)) == (settings, ())


def test_a_drawing_is_in_no_link():
    drawn = EditSettings(region="brush", strokes={"photo": "a", "picture": "b"})
    assert from_link(to_link(drawn)) == (EditSettings(region="brush"), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("region", "shelf"),
        ("percent", "0"),
        ("percent", "1e1"),
        ("edit", "<b>"),
        ("colour", "url(x)"),
        ("tolerance", "61"),
        ("points", "a,b"),
        ("points", "1,1 " * 41),
        ("hue", "15"),
    ],
)
def test_a_value_that_is_none_is_named_and_left_out(name, value):
    assert from_link({name: value, "elsewhere": "x"}) == (EditSettings(), (name,))


def test_points_are_those_of_the_photo_they_were_clicked_on():
    assert points_on("1,2 @abc", "abc") == "1,2" and points_on("1,2 @abc", "other") == ""
    assert points_on("1,2", "any") == "1,2" and points_on(None, "any") == ""


def test_a_colour_pickers_value_is_hexadecimal():
    assert as_hex("rgba(0, 255.4, 136, 1)") == "#00ff88" and as_hex("#123456") == "#123456"
    custom = EditSettings(colour="another", custom_colour="rgb(122, 63, 176)")
    assert custom.change(View()).colour == "#7a3fb0"
