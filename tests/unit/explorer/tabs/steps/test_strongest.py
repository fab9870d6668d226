"""The strongest photos of a feature map: those of the largest activation, and where it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import classifiers
import potplants
from classifiers.preprocessing import Preprocessing
from explorer.explanation.device import ignore_progress
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.steps.strongest import MOST, Strongest, find
from explorer.tabs.steps.view import strongest_photos

EXAMPLES = examples.embedded()


@pytest.fixture(scope="module")
def few():
    every = {key: example for key, example in EXAMPLES.every.items() if key[-3:] in ("000", "001") or "real" in key}
    return replace(EXAMPLES, every=every)


@pytest.fixture(scope="module")
def found(few):
    return Strongest(ExplanationService(), few).of("embedded", "conv3", ignore_progress)


def test_they_are_those_of_a_plain_forward_pass(few, found):
    """Of two maps, by a hook on the network and a loop over the photos."""
    network, model = potplants.load("embedded"), classifiers.find("embedded")
    seen = []
    layer = network.get_submodule(model.layer_names[-1])
    hook = layer.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    plants = [example for example in few.every.values() if example.split in ("val", "test")]
    with torch.no_grad():
        for example in plants:
            pixels = torch.from_numpy(np.array(Image.open(example.file))).permute(2, 0, 1).float() / 255
            network(pixels[None])
    hook.remove()
    maps = torch.stack(seen)  # [photos, C, h, w]
    assert len(found) == maps.shape[1]
    for k in (0, 13):
        strengths = maps[:, k].amax((-2, -1))
        order = strengths.argsort(descending=True)[:MOST]
        assert [strong.value for strong in found[k]] == pytest.approx(strengths[order].tolist(), rel=1e-4)
        best = int(order[0])
        row, column = divmod(int(maps[best, k].argmax()), maps.shape[-1])
        first = found[k][0]
        assert first.example.key == plants[best].key
        assert (first.x, first.y) == pytest.approx(((column + 0.5) / maps.shape[-1], (row + 0.5) / maps.shape[-2]))


class Bright(nn.Module):
    """One map: the brightness."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        self.conv.weight.data.fill_(1 / 3)

    def forward(self, images):
        return self.conv(images).flatten(1).mean(1, keepdim=True).repeat(1, 2)


@pytest.mark.parametrize(("fit", "side"), [("bars", 80), ("crop", 60)])
def test_the_place_is_that_in_the_photo(tmp_path, fit, side):
    """A white spot from row 28 and column 68 of a photo of 80 × 60; of it the crop shows columns 10 to 70."""
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[28:33, 68:73] = 255
    file = tmp_path / "spot.png"
    Image.fromarray(photo).save(file)
    model = replace(classifiers.find("embedded"), preprocessing=Preprocessing(side, side, fit))
    (strong,) = find(Bright(), "conv", model, [replace(EXAMPLES.story, file=file)], ignore_progress)[0]
    assert strong.value == pytest.approx(1)
    assert (strong.x, strong.y) == pytest.approx((68.5 / 80, 28.5 / 60))


def test_the_sheet_marks_the_place_and_links_to_the_same_layer(found):
    html = strongest_photos(13, found, 16, View("embedded", layer="conv3"))
    assert html.count("<figure>") == MOST and "of 16 photos" in html and "tab=steps" in html
    first = found[13][0]
    assert f"left:{100 * first.x:.1f}%;top:{100 * first.y:.1f}%" in html
    with pytest.raises(ValueError, match="64 maps"):
        strongest_photos(64, found, 16, View("embedded"))


def test_a_classifier_that_knows_none_of_the_photos_is_asked_about_those_on_the_page():
    service = ExplanationService()
    store = Strongest(service, EXAMPLES)
    photos = store.photos(service.classifier("imagenet"))
    assert {photo.split for photo in photos} == {"real"} or photos == EXAMPLES.shown
