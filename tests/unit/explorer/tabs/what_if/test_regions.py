"""Regions that a photo offers: what is not marked gives way, and comes back."""

from explorer.photos import examples
from explorer.tabs.what_if.change import Change
from explorer.tabs.what_if.regions import region_of, settled, unmarked

EXAMPLES = examples.embedded()


def test_a_photo_without_a_mask_offers_no_part():
    assert set(unmarked(None)) == set(unmarked(EXAMPLES.every["real/coffee"])) == {"pot", "plant", "soil"}
    assert set(unmarked(EXAMPLES.story)) == {"soil"}  # Rudo's rosette hides it
    assert unmarked(EXAMPLES.every["test/2_000"]) == {}


def test_a_missing_part_gives_way_and_comes_back():
    assert settled("pot", "", {"pot": ""}) == ("hottest", "pot")
    assert settled("hottest", "pot", {"pot": ""}) == ("hottest", "pot")
    assert settled("hottest", "pot", {}) == ("pot", "")
    assert settled("hottest", "", {}) == ("hottest", "")  # it was chosen
    assert settled("brush", "pot", {}) == ("brush", "")


def test_clicked_points_grow_over_the_photo_as_it_is_laid_out(before):
    region = region_of(before, Change(region="click", points="100,180"), None, None)
    pot = region_of(before, Change(region="pot"), EXAMPLES.story, None)
    assert region[180, 100] and (region & pot).sum() / (region | pot).sum() > 0.5
