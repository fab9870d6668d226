"""A study is made once and coloured often; its report says what its maps hold."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import potplants
from explorer.explanation import service as service_module
from explorer.explanation.grid import BASES, draw
from explorer.explanation.service import ALL_LAYERS, ExplanationService, explain_photo, target_choices
from explorer.photos import examples
from explorer.photos.formats import PhotoError
from gradcam import COLORMAPS, SCALES, Explainer, edge_map

STORY = examples.embedded().story.file


@pytest.fixture
def passes(monkeypatch):
    """Counts forward passes: one a call of explain."""
    counted, explain = [], Explainer.explain
    monkeypatch.setattr(Explainer, "explain", lambda *args, **options: counted.append(1) or explain(*args, **options))
    return counted


def test_another_colouring_needs_no_forward_pass(passes):
    service = ExplanationService()
    for base in BASES:
        for colormap in COLORMAPS:
            for scale in SCALES:
                draw(service.explain_file(STORY, "embedded", "Grad-CAM"), base, colormap, scale)
    assert len(passes) == 1


def test_visitors_who_ask_the_same_wait_for_one_answer(passes):
    service = ExplanationService()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.explain_file(STORY, "embedded", "Grad-CAM"), range(16)))
    assert len(passes) == 1 and all(answer is answers[0] for answer in answers)


def test_old_studies_are_let_go(passes, tmp_path):
    service = ExplanationService(kept=2)
    for shade in range(4):
        Image.new("RGB", (9, 9), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
        service.explain_file(tmp_path / f"{shade}.png", "embedded", "Grad-CAM")
    assert len(service._cache) == 2
    service.explain_file(tmp_path / "3.png", "embedded", "Grad-CAM")
    assert len(passes) == 4
    service.explain_file(tmp_path / "0.png", "embedded", "Grad-CAM")
    assert len(passes) == 5


def test_a_study_that_is_asked_for_again_stays_longest(passes):
    """Kept are two: 0 and 1; 0 is looked at once more, so 1 is the older when 2 comes."""
    service, photos = ExplanationService(kept=2), [np.full((256, 256, 3), shade, np.uint8) for shade in range(3)]
    for shade in (0, 1, 0, 2):
        service.explain_square(photos[shade], "embedded", "Grad-CAM")
    assert len(passes) == 3
    service.explain_square(photos[0], "embedded", "Grad-CAM")
    assert len(passes) == 3
    service.explain_square(photos[1], "embedded", "Grad-CAM")
    assert len(passes) == 4


def test_whatever_makes_another_study_is_in_its_key(passes):
    service, photo = ExplanationService(), np.full((256, 256, 3), 90, np.uint8)
    asked = [
        ("embedded", "Grad-CAM", ""),
        ("embedded", "LayerCAM", ""),
        ("debiased", "Grad-CAM", ""),
        ("embedded", "Grad-CAM", "a note"),
    ]
    for _ in range(2):
        for name, method, note in asked:
            found = service.explain_square(photo, name, method, note)
            assert (found.model.name, found.method, found.note) == (name, method, note)
    service.explain_square(photo + 1, "embedded", "Grad-CAM")
    assert len(passes) == len(asked) + 1


def test_the_maps_that_are_kept_lie_apart(monkeypatch):
    """Each in memory of its own, and none is what the method left where it was computed."""
    moved, in_own_memory = [], service_module.in_own_memory
    monkeypatch.setattr(
        service_module, "in_own_memory", lambda tensor: moved.append(in_own_memory(tensor)) or moved[-1]
    )
    found = ExplanationService().explain_square(np.full((256, 256, 3), 90, np.uint8), "embedded", "Grad-CAM")
    kept = (found.explanation.heatmaps, found.combined)
    assert [tensor.data_ptr() for tensor in kept] == [tensor.data_ptr() for tensor in moved]


class Tiny(nn.Module):
    """Three convolutions of two maps, and one number."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv_layers = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3))

    def forward(self, images):
        return self.conv_layers(images).mean((2, 3))[:, :1]


@pytest.fixture
def steering(monkeypatch):
    """A model that answers with a number, 16 × 16, in the catalogue; half of its download is told."""
    layers = ("conv_layers.0", "conv_layers.1", "conv_layers.2")
    embedded = potplants.MODELS["embedded"]
    model = replace(embedded, name="steering", classes=("position",), layers=layers, size=16, answers="number")
    network = Tiny().eval()

    def load(name, progress=None):
        if progress:
            progress(0.5)
        return network

    monkeypatch.setitem(potplants.MODELS, "steering", model)
    monkeypatch.setattr(potplants, "load", load)
    return model


GREY = np.full((16, 16, 3), 90, np.uint8)


def test_what_a_number_can_be_asked(steering):
    """What moves it to the right, and to the left: nothing of it is a class, a mixture or a probability."""
    found = ExplanationService().explain_square(GREY, "steering", "Grad-CAM")
    assert found.targets == ("further right", "further left") and found.predicted == "position"
    assert found.target("predicted") == "further right" and found.probabilities == [None]
    assert target_choices(steering) == ("predicted", "further right", "further left")
    assert found.explanation.targets == (0, ("against", 0)) and found.note == ""
    report = found.report()
    assert report["classes"] == [{"name": "position", "logit": found.logits[0], "probability": None}]
    assert [cell["target"] for cell in report["cells"]] == ["further right"] * 3 + ["further left"] * 3
    service_module.targets_of(steering).clear()  # whoever does that spoils it for nobody
    assert target_choices(steering) == ("predicted", "further right", "further left")


def test_a_visitor_hears_what_takes_the_time_and_nobody_has_to_listen(steering):
    told = []
    found = ExplanationService().explain_square(
        GREY, "steering", "Score-CAM", progress=lambda part, task: told.append((part, task))
    )
    assert told[0] == (0.5, "fetching the weights from the Hub")
    assert {task for _, task in told[1:]} == {"Score-CAM: asking the model once for every map"}
    parts = [part for part, _ in told[1:]]
    assert parts == sorted(parts) and parts[-1] == 1
    again = explain_photo(GREY, "a note", steering, potplants.load("steering"), "Score-CAM")
    assert again.note == "a note" and torch.equal(again.evidence, found.evidence)
    assert torch.equal(ExplanationService().explain_square(GREY, "steering", "Score-CAM").evidence, found.evidence)
    ExplanationService().load_weights("steering")


def test_what_was_done_to_a_photo_is_told_in_sentences(tmp_path):
    """Half of it transparent, and twice as wide as high: two sentences, one after the other."""
    Image.new("RGBA", (20, 10), (9, 9, 9, 128)).save(tmp_path / "glass.png")
    pixels, note = ExplanationService().prepare(tmp_path / "glass.png", "embedded")
    assert pixels.shape == (256, 256, 3)
    first, second = note.split(". ")
    assert first == "This photo's transparent parts are shown over white" and "bars" in second and second.endswith(".")


def test_a_failure_is_not_kept(monkeypatch):
    service, load = ExplanationService(), potplants.load

    def fail(*_):
        raise potplants.HubError(potplants.MODELS["pot_plant_classifier"].weights, "the Hub is asleep", "wake it")

    monkeypatch.setattr(potplants, "load", fail)
    with pytest.raises(potplants.HubError):
        service.explain_file(STORY, "embedded", "Grad-CAM")
    monkeypatch.setattr(potplants, "load", load)
    assert service.explain_file(STORY, "embedded", "Grad-CAM").predicted in potplants.CLASSES


def test_wrong_askers_get_a_sentence():
    with pytest.raises(ValueError, match="embedded"):
        ExplanationService().explain_file(STORY, "resnet", "Grad-CAM")
    with pytest.raises(ValueError, match="Grad-CAM"):
        ExplanationService().explain_file(STORY, "embedded", "Magic")
    with pytest.raises(PhotoError):
        ExplanationService().explain_file(None, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def story():
    return ExplanationService().explain_file(STORY, "embedded", "Grad-CAM")


def test_the_report_is_the_explanation_in_numbers(story):
    report = json.loads(json.dumps(story.report()))
    logits = torch.tensor([entry["logit"] for entry in report["classes"]])
    np.testing.assert_allclose([entry["probability"] for entry in report["classes"]], logits.softmax(0), rtol=1e-5)
    assert [(cell["target"], cell["layer"]) for cell in report["cells"]] == [
        (t, l) for t in story.targets for l in story.model.layers
    ]
    for index, cell in enumerate(report["cells"]):
        heat = story.evidence[index // 3, index % 3]
        assert cell["peak"] == heat.max().item() and cell["empty"] == (not heat.any())


def test_the_report_says_what_was_asked_of_whom(story):
    report = story.noted("First.").noted("Then.").report()
    assert (report["model"], report["method"], report["note"]) == ("embedded", "Grad-CAM", "First. Then.")
    assert report["weights"] == potplants.MODELS["embedded"].origin and report["layers"] == list(story.model.layers)
    assert [entry["name"] for entry in report["classes"]] == list(potplants.CLASSES)
    assert report["predicted"] == max(report["classes"], key=lambda entry: entry["logit"])["name"]


def test_a_map_is_found_by_the_names_on_the_page(story):
    """Rows: the classes and the mixture; columns: shallow to deep."""
    for row, target in enumerate((*potplants.CLASSES, "mixture")):
        for place, column in enumerate(("conv1", "conv2", "conv3")):
            assert torch.equal(story.heat(target, column), story.explanation.heatmaps[0, row, place])
    assert torch.equal(story.heat("predicted", "conv3"), story.heat(story.predicted, "conv3"))
    assert story.layer("conv2") == "conv_layers.3"


def test_names_that_are_not_on_the_page_get_those_that_are(story):
    with pytest.raises(ValueError, match="no class 'fern'; choose one of predicted, rudo, baya, greg, yuki, mixture."):
        story.heat("fern", "conv1")
    with pytest.raises(ValueError, match="no layer 'conv4'; choose one of conv1, conv2, conv3."):
        story.heat("rudo", "conv4")
    assert target_choices(None) == ("predicted", *potplants.CLASSES, "mixture")


def test_the_network_sees_an_example_bit_for_bit(story):
    assert (story.photo == np.array(Image.open(STORY))).all() and story.note == ""


def test_cells_read_as_a_matrix(story):
    cells = draw(story, "photo", "viridis", "each map")
    assert [row[0].target for row in cells] == [*potplants.CLASSES, "mixture"]
    assert [cell.layer for cell in cells[0]] == [*story.model.layers, ALL_LAYERS]
    assert [cell.column for cell in cells[0]] == ["conv1", "conv2", "conv3", "all layers"]
    for row in cells:
        for cell in row:
            assert cell.picture.shape == (256, 256, 3) and cell.picture.dtype == np.uint8
            assert cell.empty == ("no positive evidence" in cell.caption)


def test_an_empty_cell_shows_its_base_and_says_so(story):
    nothing = service_module.ExplainedPhoto(
        story.model,
        story.method,
        story.photo,
        "",
        replace(story.explanation, heatmaps=torch.zeros(1, 5, 3, 256, 256)),
        torch.zeros(5, 256, 256),
    )
    for base, ground in (
        ("edges", edge_map(story.photo)),
        ("photo", story.photo),
        ("none", np.full_like(story.photo, 255)),
    ):
        for row in draw(nothing, base, "jet", "shared"):
            for cell in row:
                assert cell.empty and "no positive evidence" in cell.caption and (cell.picture == ground).all()
    assert all(cell["empty"] for cell in nothing.report()["cells"])


def test_the_shared_scale_spares_the_column_of_all_layers(story):
    each, shared = (draw(story, "none", "cividis", scale) for scale in SCALES)
    assert (each[1][3].picture == shared[1][3].picture).all()
    assert any((one[2].picture != other[2].picture).any() for one, other in zip(each, shared))


def test_an_unknown_base_is_refused(story):
    with pytest.raises(ValueError, match="edges"):
        draw(story, "photograph", "jet", "shared")
