"""Explained photos are computed once and cached; targets, layers, notes and reports."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from squares import classifier as classifier_of
from squares import explain_photo, explain_square
from torch import nn

import potplants
from classifiers.photos.formats import PhotoError
from explorer.explanation import service as service_module
from explorer.explanation.service import ExplanationService
from explorer.explanation.targets import target_choices
from explorer.photos import examples
from gradcam import Explainer

STORY = examples.embedded().story.file


def test_equal_concurrent_requests_share_one_result(passes):
    service = ExplanationService()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: service.explain_file(STORY, "embedded", "Grad-CAM"), range(16)))
    assert len(passes) == 1 and all(result is results[0] for result in results)


def test_oldest_results_are_evicted(passes, tmp_path):
    service = ExplanationService(kept=2)
    for shade in range(4):
        Image.new("RGB", (9, 9), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
        service.explain_file(tmp_path / f"{shade}.png", "embedded", "Grad-CAM")
    assert len(service._cache) == 2
    service.explain_file(tmp_path / "3.png", "embedded", "Grad-CAM")
    assert len(passes) == 4
    service.explain_file(tmp_path / "0.png", "embedded", "Grad-CAM")
    assert len(passes) == 5


def test_least_recently_used_result_is_evicted(passes):
    """The cache holds two: 0 and 1; 0 is used once more, so 1 is evicted when 2 comes."""
    service, photos = ExplanationService(kept=2), [np.full((256, 256, 3), shade, np.uint8) for shade in range(3)]
    for shade in (0, 1, 0, 2):
        explain_square(service, photos[shade], "embedded", "Grad-CAM")
    assert len(passes) == 3
    explain_square(service, photos[0], "embedded", "Grad-CAM")
    assert len(passes) == 3
    explain_square(service, photos[1], "embedded", "Grad-CAM")
    assert len(passes) == 4


def test_cache_key_holds_everything_that_changes_the_result(passes):
    service, photo = ExplanationService(), np.full((256, 256, 3), 90, np.uint8)
    requests = [
        ("embedded", "Grad-CAM", ""),
        ("embedded", "LayerCAM", ""),
        ("debiased", "Grad-CAM", ""),
        ("embedded", "Grad-CAM", "a note"),
    ]
    for _ in range(2):
        for name, method, note in requests:
            explained = explain_square(service, photo, name, method, note)
            assert (explained.model.name, explained.method, explained.note) == (name, method, note)
    explain_square(service, photo + 1, "embedded", "Grad-CAM")
    assert len(passes) == len(requests) + 1


def test_cached_maps_are_in_memory_of_their_own(monkeypatch):
    """None is the tensor that the method returned."""
    copies, in_own_memory = [], service_module.in_own_memory
    monkeypatch.setattr(
        service_module, "in_own_memory", lambda tensor: copies.append(in_own_memory(tensor)) or copies[-1]
    )
    explained = explain_square(ExplanationService(), np.full((256, 256, 3), 90, np.uint8), "embedded", "Grad-CAM")
    cached = (explained.explanation.heatmaps, explained.combined)
    assert [tensor.data_ptr() for tensor in cached] == [tensor.data_ptr() for tensor in copies]


class Tiny(nn.Module):
    """Three convolutions of two channels each, and one number as output."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv_layers = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3))

    def forward(self, images):
        return self.conv_layers(images).mean((2, 3))[:, :1]


@pytest.fixture
def steering(monkeypatch):
    """A regression model with 16 × 16 input, in the catalogue; its download reports progress once, 0.5."""
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


def test_targets_of_a_regression_model(steering):
    """What moves the position right, and left: no classes, mixture or probabilities."""
    explained = explain_square(ExplanationService(), GREY, "steering", "Grad-CAM")
    assert explained.targets == ("further right", "further left") and explained.predicted == "position"
    assert explained.target("predicted") == "further right" and explained.probabilities == [None]
    assert target_choices(classifier_of(steering)) == ("predicted", "further right", "further left")
    assert explained.explanation.targets == (0, ("against", 0)) and explained.note == ""
    report = explained.report()
    assert report["classes"] == [{"name": "position", "logit": explained.logits[0], "probability": None}]
    assert [cell["target"] for cell in report["cells"]] == ["further right"] * 3 + ["further left"] * 3
    service_module.targets_of(steering).clear()  # changes nobody else's targets
    assert target_choices(classifier_of(steering)) == ("predicted", "further right", "further left")


def test_progress_is_reported_and_optional(steering):
    reports = []
    explained = explain_square(
        ExplanationService(), GREY, "steering", "Score-CAM", progress=lambda part, task: reports.append((part, task))
    )
    assert reports[0] == (0.5, "fetching the weights from the Hub")
    assert {task for _, task in reports[1:]} == {"Score-CAM: asking the model once for every map"}
    parts = [part for part, _ in reports[1:]]
    assert parts == sorted(parts) and parts[-1] == 1
    again = explain_photo(GREY, "a note", steering, potplants.load("steering"), "Score-CAM")
    assert again.note == "a note" and torch.equal(again.evidence, explained.evidence)
    assert torch.equal(explain_square(ExplanationService(), GREY, "steering", "Score-CAM").evidence, explained.evidence)
    ExplanationService().classifier("steering")


def test_conversions_of_a_photo_are_noted_in_sentences(tmp_path):
    """Half transparent, and twice as wide as high: two sentences."""
    Image.new("RGBA", (20, 10), (9, 9, 9, 128)).save(tmp_path / "glass.png")
    frame, note = ExplanationService().prepare(tmp_path / "glass.png", "embedded")
    assert frame.canvas.shape == (256, 256, 3)
    first, second = note.split(". ")
    assert first == "This photo's transparent parts are shown over white" and "bars" in second and second.endswith(".")


def test_failure_is_not_cached(monkeypatch):
    service, load = ExplanationService(), potplants.load

    def fail(*_):
        raise potplants.HubError(potplants.MODELS["pot_plant_classifier"].weights, "the Hub is asleep", "wake it")

    monkeypatch.setattr(potplants, "load", fail)
    with pytest.raises(potplants.HubError):
        service.explain_file(STORY, "embedded", "Grad-CAM")
    monkeypatch.setattr(potplants, "load", load)
    assert service.explain_file(STORY, "embedded", "Grad-CAM").predicted in potplants.CLASSES


def test_invalid_requests_are_refused():
    with pytest.raises(ValueError, match="embedded"):
        ExplanationService().explain_file(STORY, "resnet", "Grad-CAM")
    with pytest.raises(ValueError, match="Grad-CAM"):
        ExplanationService().explain_file(STORY, "embedded", "Magic")
    with pytest.raises(PhotoError):
        ExplanationService().explain_file(None, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def story():
    return ExplanationService().explain_file(STORY, "embedded", "Grad-CAM")


def test_report_holds_the_explanation_in_numbers(story):
    report = json.loads(json.dumps(story.report()))
    logits = torch.tensor([entry["logit"] for entry in report["classes"]])
    np.testing.assert_allclose([entry["probability"] for entry in report["classes"]], logits.softmax(0), rtol=1e-5)
    assert [(cell["target"], cell["layer"]) for cell in report["cells"]] == [
        (target, layer) for target in story.targets for layer in story.model.layer_names
    ]
    for index, cell in enumerate(report["cells"]):
        heat = story.evidence[index // 3, index % 3]
        assert cell["peak"] == heat.max().item() and cell["empty"] == (not heat.any())


def test_report_names_model_method_and_notes(story):
    report = story.noted("First.").noted("Then.").report()
    assert (report["model"], report["method"], report["note"]) == ("embedded", "Grad-CAM", "First. Then.")
    assert report["weights"] == potplants.MODELS["embedded"].origin
    assert report["layers"] == list(story.model.layer_names)
    assert [entry["name"] for entry in report["classes"]] == list(potplants.CLASSES)
    assert report["predicted"] == max(report["classes"], key=lambda entry: entry["logit"])["name"]


def test_heat_is_found_by_the_names_on_the_page(story):
    """Rows: the classes and the mixture; columns: shallow to deep."""
    for row, target in enumerate((*potplants.CLASSES, "mixture")):
        for layer, column in enumerate(("conv1", "conv2", "conv3")):
            assert torch.equal(story.heat(target, column), story.explanation.heatmaps[0, row, layer])
    assert torch.equal(story.heat("predicted", "conv3"), story.heat(story.predicted, "conv3"))
    assert story.layer("conv2").name == "conv_layers.3"


def test_unknown_names_are_refused_with_the_choices(story):
    with pytest.raises(ValueError, match="no class 'fern'; choose one of predicted, rudo, baya, greg, yuki, mixture."):
        story.heat("fern", "conv1")
    with pytest.raises(ValueError, match="no layer 'conv4'; choose one of deepest, conv1, conv2, conv3."):
        story.heat("rudo", "conv4")
    assert target_choices(classifier_of("embedded")) == ("predicted", *potplants.CLASSES, "mixture")


def test_network_input_equals_the_example_bit_for_bit(story):
    assert (story.photo == np.array(Image.open(STORY))).all() and story.note == ""


def test_an_explainer_is_kept_from_photo_to_photo(monkeypatch):
    """It copies its network; a second photo of the same model needs no second one."""
    made, service = [], ExplanationService()
    monkeypatch.setattr(service_module, "Explainer", lambda *args: made.append(args) or Explainer(*args))
    service_module._explainer.cache_clear()
    for shade in (10, 20, 30):
        explain_square(service, np.full((256, 256, 3), shade, np.uint8), "embedded", "Grad-CAM")
    service_module._explainer.cache_clear()
    assert len(made) == 1
