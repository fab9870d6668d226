"""Preprocessing derived from each kind of image processor: the library's own pixels, for photos of any shape."""

import numpy as np
import pytest
import torch
from hub_repositories import photo, repository

from classifiers.hub import labels, processors
from classifiers.hub.policy import Unusable

transformers = pytest.importorskip("transformers")

SQUARE, SHORTER, CROP = {"height": 40, "width": 48}, {"shortest_edge": 50}, {"height": 33, "width": 47}
SMALL = {"height": 40, "width": 41}
CASES = [
    ("ViTImageProcessorPil", {"size": SQUARE}),
    ("ViTImageProcessorPil", {"size": SQUARE, "do_normalize": False}),
    ("ViTImageProcessorPil", {"size": SQUARE, "do_rescale": False}),
    ("ViTImageProcessorPil", {"size": SQUARE, "rescale_factor": 1 / 127.5, "resample": 0}),
    ("ViTImageProcessorPil", {"size": SQUARE, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4] * 3, "resample": 1}),
    ("DeiTImageProcessorPil", {"size": SQUARE, "crop_size": {"height": 33, "width": 41}}),
    ("BeitImageProcessorPil", {"size": SQUARE, "resample": 2}),
    ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 64}, "crop_pct": 0.875}),
    ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 63}, "crop_pct": 0.95}),
    ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}}),
    ("MobileNetV2ImageProcessorPil", {"size": SHORTER, "crop_size": CROP}),
    ("BitImageProcessorPil", {"size": SHORTER, "crop_size": CROP, "resample": 3}),
    ("CLIPImageProcessorPil", {"size": SHORTER, "crop_size": CROP}),
    ("SiglipImageProcessorPil", {"size": SQUARE}),
    ("PoolFormerImageProcessorPil", {"size": SHORTER, "crop_size": CROP, "crop_pct": 0.9}),
    ("PoolFormerImageProcessorPil", {"size": {"height": 48, "width": 48}, "crop_size": CROP, "crop_pct": 0.95}),
    ("PoolFormerImageProcessorPil", {"size": SHORTER, "crop_size": CROP, "crop_pct": None}),
    ("LevitImageProcessorPil", {"size": SHORTER, "crop_size": CROP}),
    ("SegformerImageProcessorPil", {"size": SQUARE}),
    ("MobileViTImageProcessorPil", {"size": SHORTER, "crop_size": CROP}),
    ("MobileViTImageProcessorPil", {"size": SHORTER, "crop_size": CROP, "do_flip_channel_order": False}),
    ("EfficientNetImageProcessorPil", {"size": SQUARE}),
    ("EfficientNetImageProcessorPil", {"size": SQUARE, "include_top": False, "rescale_offset": True}),
    ("EfficientNetImageProcessorPil", {"size": SQUARE, "rescale_factor": 1 / 127.5, "rescale_offset": True}),
    ("EfficientNetImageProcessorPil", {"size": SQUARE, "do_center_crop": True, "crop_size": SMALL}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_pixels_are_the_librarys_own(tmp_path, kind, settings):
    (tmp_path / "config.json").write_bytes(repository("vit")["config.json"])
    theirs = getattr(transformers, kind)(**settings)
    theirs.save_pretrained(tmp_path)
    ours = processors.preprocessing_of(tmp_path)
    for height, width in ((75, 104), (311, 90), (50, 50), (20, 31)):
        pixels = photo(height, width)
        frame = ours.frame(pixels)
        expected = theirs(pixels, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        # Values reach 255 / std where they are not rescaled: 2e-7 of that, twice rounded.
        torch.testing.assert_close(ours.tensor(frame.canvas, frame.seen), expected.float(), rtol=1e-5, atol=2e-5)


def test_photo_of_the_check_shows_every_step():
    pixels = processors.synthetic(320, 411)
    assert pixels.shape == (320, 411, 3) and pixels.dtype == np.uint8
    differences = (pixels.astype(float), pixels[::-1], pixels[:, ::-1], pixels[..., ::-1])
    assert all(np.abs(differences[0] - other).mean() > 10 for other in differences[1:])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"image_processor_type": "ViTImageProcessor"}, "ViTImageProcessor"),
        ({"image_processor_type": "ViTImageProcessorFast"}, "ViTImageProcessor"),
        ({"feature_extractor_type": "ViTFeatureExtractor"}, "ViTImageProcessor"),
        ({}, ""),
    ],
)
def test_names_of_older_and_newer_versions(content, kind):
    assert processors.kind_of(content) == kind


@pytest.mark.parametrize("name", ["AutoModel", "ImageGPTImageProcessor", "os.system", 7, ["ViTImageProcessor"]])
def test_other_names_are_refused(name):
    with pytest.raises(Unusable, match="of a kind that is not known here"):
        processors.kind_of({"image_processor_type": name})


# --------------------------------------------------------------------------------------------------------- labels


def test_labels_are_told_apart():
    assert labels.distinct(["a", "a", "b", "a", "a (2)"]) == ("a", "a (2)", "b", "a (3)", "a (2) (2)")
    assert labels.distinct(["a (2)", "a", "a"]) == ("a (2)", "a", "a (3)")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("  tench,\n Tinca\ttinca ", "tench, Tinca tinca"),
        ("LABEL_7", "class 4"),
        ("", "class 4"),
        (None, "class 4"),
        (12, "12"),
        ("a\u202egnp.exe\u0000", "agnp.exe"),  # turns the direction of writing round
        ("x" * 300, "x" * 100),
        ("Ζέβρα", "Ζέβρα"),
    ],
)
def test_labels_are_readable(label, shown):
    assert labels.readable(label, 4) == shown


def test_labels_by_number_or_digits():
    assert labels.of_transformers({"1": "b", 0: "a"}, 2) == ("a", "b")
    assert labels.of_transformers({"0": "a"}, 2) == ("a", "class 1")
    assert labels.of_transformers(None, 2) == ("class 0", "class 1")
    assert labels.of_timm({"label_names": {"0": "a", "1": "b"}}, {}, 2) == ("a", "b")
    assert labels.of_timm({}, {"label_names": ["a"]}, 2) == ("class 0", "class 1")
