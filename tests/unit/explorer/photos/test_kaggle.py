"""--data kaggle: the dataset comes over HTTP from a Kaggle on this machine, is checked and credited, or refused."""

import builtins
import io
import os

import pytest
from fake_kaggle import FakeKaggle, archive, send_to
from live import ROOT
from PIL import Image

from explorer.photos import kaggle
from potplants import CLASSES


def photo(shade):
    jpeg = io.BytesIO()
    Image.new("RGB", (256, 256), (shade, 90, 160)).save(jpeg, "JPEG")
    return jpeg.getvalue()


PHOTOS = {
    f"{split}/{label}_{number}.jpg": photo(10 * label + number)
    for split in ("train", "val", "test")
    for label in range(4)
    for number in range(2)
}


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A Kaggle with the dataset; kagglehub has an empty cache and no credentials."""
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env", reason="kagglehub is not installed: see requirements.txt")
    monkeypatch.setattr(kaggle_env, "_env_to_endpoint", dict(kaggle_env._env_to_endpoint))
    for name in [name for name in os.environ if name.startswith("KAGGLE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLEHUB_VERBOSITY", "error")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("kagglehub.config.DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(tmp_path / ".kaggle"))
    with FakeKaggle(archive(PHOTOS)) as server:
        send_to(server.url)
        yield server


def refusal(argument="kaggle"):
    with pytest.raises(ValueError, match="kaggle|Kaggle") as caught:
        kaggle.examples(argument)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and "http" not in sentence
    return sentence


def test_the_dataset_is_fetched_once_and_credited(served):
    loaded = kaggle.examples("kaggle")
    assert {name: len(photos) for name, photos in loaded.splits.items()} == {"val": 8, "test": 8}  # not train
    assert [example.really for example in loaded.shown] == [name for name in CLASSES for _ in range(2)]
    assert loaded.every["test/2_1"].file.read_bytes() == PHOTOS["test/2_1.jpg"]
    assert loaded.origin == "from the Pot Plant Dataset by Conor O'Sullivan, CC BY 4.0, on Kaggle"
    assert {example.credit for example in loaded.every.values()} == {"by Conor O'Sullivan, CC BY 4.0"}
    assert not loaded.rendered
    assert served.asked == [
        {"ownerSlug": "conorsully1", "datasetSlug": "pot-plants", "datasetVersionNumber": 1, "token": None}
    ]
    served.mode = 500  # the cache is enough
    assert kaggle.examples("kaggle@1").every.keys() == loaded.every.keys() and len(served.asked) == 1


def test_packed_with_the_folder_it_lay_in(served):
    served.archive = archive({f"pot_plants/{name}": content for name, content in PHOTOS.items()})
    assert len(kaggle.examples("kaggle").every) == 16


def test_another_version_can_be_asked_for(served):
    assert "no such version of it (404); ask for another version as kaggle@2" in refusal("kaggle@7")
    assert served.asked[0]["datasetVersionNumber"] == 7
    for argument in ("kaggle@", "kaggle@0", "kaggle@x", "kaggle@99999"):
        assert "expected kaggle or kaggle@VERSION" in refusal(argument)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "does not hold the folders test and val"),
        ({"readme.txt": b"moved"}, "does not hold the folders test and val"),
        ({name: content for name, content in PHOTOS.items() if "/3_" not in name}, "photos of all four plants"),
        ({name: content for name, content in PHOTOS.items() if "test" not in name}, "does not hold the folders"),
        ({"test/rudo/1.jpg": b"nested"}, "does not hold the folders"),
    ],
)
def test_other_contents_are_refused(served, files, words):
    served.archive = archive(files)
    assert words in refusal()


def test_what_is_no_archive_is_refused(served):
    served.archive = b"<html>Please log in to this network.</html>"
    assert "the download failed (ValueError: Unsupported archive type)" in refusal()


@pytest.mark.parametrize(("status", "words"), [(403, "answers with status 403"), (503, "answers with status 503")])
def test_a_refusing_kaggle_is_one_sentence(served, status, words):
    served.mode = status
    assert words in refusal()


@pytest.mark.parametrize("mode", ["hang", "dribble"])
def test_a_silent_kaggle_is_not_waited_for(served, monkeypatch, mode):
    """The library itself would wait for ever, or for as long as the connection stays open."""
    served.mode = mode
    monkeypatch.setattr(kaggle, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(kaggle, "POLL_SECONDS", 0.05)
    assert "Kaggle sent nothing for 0.5 s; check the network" in refusal()


def test_too_much_is_refused(served, monkeypatch):
    monkeypatch.setattr(kaggle, "MOST_FILES", 20)
    assert "more than 20 files" in refusal()


def test_a_large_archive_is_not_waited_for(served, monkeypatch):
    monkeypatch.setattr(kaggle, "MOST_BYTES", 10**6)
    monkeypatch.setattr(kaggle, "POLL_SECONDS", 0.05)
    served.archive, served.mode = bytes(10**7), "dribble"
    assert "it has more than 1 MB" in refusal()


def test_links_in_the_cache_are_refused(served, tmp_path):
    test = kaggle.examples("kaggle").every["test/0_0"].file.parent
    (test / "0_9.jpg").symlink_to(ROOT / "README.md")
    assert "there are links or devices in it" in refusal()


def test_no_network_is_one_sentence(served):
    with FakeKaggle() as gone:
        url = gone.url
    send_to(url)
    assert "Kaggle cannot be reached; check the network, or give --data a folder" in refusal()


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    imported = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "kagglehub":
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert refusal() == "--data kaggle needs a package that is not installed: pip install kagglehub==1.0.3."


@pytest.mark.parametrize("file", ["pyproject.toml", "tests/requirements.txt"])
def test_the_package_is_pinned_alike_everywhere(file):
    assert kaggle.REQUIREMENT in (ROOT / file).read_text(encoding="utf-8")
