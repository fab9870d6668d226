"""The class that a folder's name means."""

import pytest

from classifiers.class_names import class_of_folder

CLASSES = ("Egyptian cat", "lynx", "jack-o'-lantern", "T shirt", "t-SHIRT", "café", "1")


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
        ("CAFE\u0301", "café"),  # the accent as a character of its own
        ("__lynx-", "lynx"),
        ("1", "1"),
        (" -1", None),  # what tables write for photos of no class
        ("", None),
    ],
)
def test_the_class_that_a_folder_is_named_for(name, expected):
    assert class_of_folder(name, CLASSES) == expected
