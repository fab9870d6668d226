"""What the command line may ask for, told apart by its name alone."""

from pathlib import Path

import pytest

import classifiers
from classifiers import wanted
from classifiers.hub.reference import parse


@pytest.mark.parametrize(
    "name", ["./a", "../a", "/a", "~/a", "~", ".", "..", "/", "~someone/a", "C:\\a", "d:/a", ".\\a", "./two\nlines"]
)
def test_folders(name):
    assert wanted.folder_of(name) == Path(name.replace("~/", f"{Path.home()}/") if name != "~" else Path.home())


@pytest.mark.parametrize("name", ["a", "a/b", "a/b@c", "a.b/c", "auto", "imagenet", "", "a/./b", "a~/b", ".../a"])
def test_what_is_no_folder(name):
    assert wanted.folder_of(name) is None


@pytest.mark.parametrize("name", ["a/b", "microsoft/resnet-50", "timm/resnet18.a1_in1k", "a/b@main", "a/b_c@v1.0-x"])
def test_what_the_hub_may_have_is_let_through(name):
    assert parse(name) and wanted.checked(name) == name


@pytest.mark.parametrize("name", ["", "resnet", "a/b/c", "a /b", "a/b@", "a/b@c@d", "https://hub/a", "ä/b", "a/b\n"])
def test_anything_else_is_one_clause_that_names_what_there_is(name):
    with pytest.raises(ValueError, match="there is no model .*choose auto, .*imagenet, .* owner/name, .* ./name"):
        wanted.checked(name)


def test_a_folder_is_looked_for(tmp_path):
    assert wanted.checked(str(tmp_path)) == str(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        wanted.checked(str(tmp_path / "nowhere"))


def test_the_names_are_the_catalogues():
    assert classifiers.names() == wanted.BUILT_IN
    assert all(wanted.checked(name) == name for name in (wanted.AUTO, *wanted.BUILT_IN))
