"""The class that a folder's name means."""

import pytest

from classifiers.class_names import class_of_folder

CLASSES = ("Egyptian cat", "lynx", "jack-o'-lantern", "T shirt", "t-SHIRT")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lynx", "lynx"),
        ("LYNX", "lynx"),
        ("egyptian_cat", "Egyptian cat"),
        ("Egyptian-Cat", "Egyptian cat"),
        ("jack_o'_lantern", "jack-o'-lantern"),
        ("T shirt", "T shirt"),
        ("t_shirt", None),  # either of two
        ("cat", None),
        ("", None),
    ],
)
def test_the_class_that_a_folder_is_named_for(name, expected):
    assert class_of_folder(name, CLASSES) == expected
