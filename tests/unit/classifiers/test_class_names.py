"""The class that a folder's name means."""

import pytest

from classifiers import class_names
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


def test_the_classes_are_read_once_for_any_number_of_names(monkeypatch):
    asked = []
    plain = class_names._plain
    monkeypatch.setattr(class_names, "_plain", lambda name: asked.append(name) or plain(name))
    classes = tuple(f"class {number}" for number in range(100))
    assert [class_of_folder(f"photo {number}", classes) for number in range(100)] == [None] * 100
    assert len(asked) == 200
