"""Reading photos in the article's layout as the networks' input."""

import numpy as np
import pytest
import torch
from PIL import Image

from potplants.dataset import as_input, load_pixels
from potplants.layout import photos


def save_photo(folder, name, colour=(255, 0, 0), size=(8, 8)):
    Image.new("RGB", size, colour).save(folder / name, quality=100, subsampling=0)


def test_labels_come_from_file_names(tmp_path):
    for name in ("3_late.jpg", "0_007.jpg", "1_b.JPEG", "4_none.jpg", "x_none.jpg", "²_none.jpg", "cover.jpg"):
        save_photo(tmp_path, "tmp.jpg")
        (tmp_path / "tmp.jpg").rename(tmp_path / name)
    (tmp_path / "0_mask.png").write_bytes(b"")
    labelled = photos(tmp_path)
    assert [(file.name, label) for file, label in zip(labelled.files, labelled.labels)] == [
        ("0_007.jpg", 0),
        ("1_b.JPEG", 1),
        ("3_late.jpg", 3),
    ]


def test_empty_folder_is_refused_with_the_expected_layout(tmp_path):
    with pytest.raises(ValueError, match=r"0_\*\.jpg for rudo"):
        photos(tmp_path)


def test_pixels_are_rgb_channels_first(tmp_path):
    save_photo(tmp_path, "0_a.jpg", (250, 10, 30))
    save_photo(tmp_path, "0_b.jpg", (250, 10, 30), size=(32, 32))
    pixels = load_pixels([tmp_path / "0_a.jpg", tmp_path / "0_b.jpg"], 8)
    assert pixels.shape == (2, 3, 8, 8) and pixels.dtype == torch.uint8
    assert np.abs(pixels.float().mean((2, 3)).numpy() - [250, 10, 30]).max() < 3


def test_file_that_is_no_photo_is_named(tmp_path):
    (tmp_path / "0_a.jpg").write_text("words")
    with pytest.raises(ValueError, match="0_a.jpg"):
        load_pixels([tmp_path / "0_a.jpg"], 8)


def test_input_range_is_zero_to_one():
    assert as_input(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])
