"""Fixtures for tests of photo files: decode bytes, and check the sentence of a refusal."""

import numpy as np
import pytest
from photo_files import check_sentence

from classifiers.photos.decode import Photo, read_photo
from classifiers.photos.formats import PhotoError


@pytest.fixture
def read(tmp_path):
    """A function that decodes bytes as if uploaded, under a name without an extension."""

    def from_bytes(data: bytes) -> Photo:
        path = tmp_path / "upload"
        path.write_bytes(data)
        photo = read_photo(str(path))
        assert photo.pixels.dtype == np.uint8 and photo.pixels.ndim == 3 and photo.pixels.shape[2] == 3
        for note in photo.notes:
            check_sentence(note)
        return photo

    return from_bytes


@pytest.fixture
def refusal():
    """A function that calls `decode` with arguments and returns the sentence of the PhotoError it raises."""

    def sentence_of(decode, *arguments) -> str:
        with pytest.raises(PhotoError) as caught:
            decode(*arguments)
        check_sentence(str(caught.value))
        return str(caught.value)

    return sentence_of
