"""CAM: the one layer that it reads, the paper's sum there, and what has no map is said and not shown."""

from dataclasses import replace

import pytest
import torch
from squares import classifier
from torch import nn
from torch.nn import functional as F  # noqa: N812  the name in torch's own documentation

import classifiers
from classifiers import Layer
from classifiers.hub.memory import forgotten
from explorer.explanation.cam_layer import NoCam, cam_layer, readable_layer
from explorer.explanation.grid import columns, draw, shaded
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View

STORY = examples.embedded().story.file
GAP = "embedded_gap"


@pytest.fixture(scope="module")
def explained():
    return ExplanationService().explain_file(STORY, GAP, "CAM")


def test_the_map_is_the_papers_sum(explained):
    """Zhou et al. 2016, eq. 2, and the mixture's: Σ pᵢ of the classes' own."""
    network = classifiers.find(GAP).network
    with torch.no_grad():
        maps = network.conv_layers(explained.image[None])[0]  # [64, h, w], after the last ReLU
        classes = torch.einsum("nc,chw->nhw", network.fc[1].weight, maps)
        shares = explained.explanation.logits[0].softmax(0)
        mixture = torch.einsum("n,nhw->hw", shares, classes)
    torch.testing.assert_close(explained.evidence[:4, 0], classes.relu(), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(explained.evidence[4, 0], mixture.relu(), rtol=1e-4, atol=1e-3)


def test_only_the_last_column_has_cells(explained):
    assert explained.layers == (Layer("conv_layers.5", "conv3"),) and not explained.complete
    assert [(column.heading, column.has_cells) for column in columns(explained)] == [
        ("conv1", False),
        ("conv2", False),
        ("conv3", True),
        ("all layers", False),
    ]
    for cells in (draw(explained, View()), shaded(explained, View(outline="15 %")).cells):
        assert [[(cell.target, cell.column, cell.layer) for cell in row] for row in cells] == [
            [(target, "conv3", "conv_layers.5")] for target in explained.targets
        ]
        assert [row[0].peak for row in cells] == explained.evidence[:, 0].amax((-2, -1)).tolist()


def test_the_report_has_the_cells_there_are_and_a_note(explained):
    report = explained.noted("First.").report()
    assert report["layers"] == ["conv_layers.5"]
    assert [(cell["target"], cell["layer"]) for cell in report["cells"]] == [
        (target, "conv_layers.5") for target in explained.targets
    ]
    assert report["note"] == (
        "First. CAM reads only conv3 (conv_layers.5), the last layer before the average: "
        "no other layer has a map, nor have all together."
    )


def test_heat_is_found_where_there_is_any(explained):
    for name in ("deepest", "conv3"):
        assert torch.equal(explained.heat("baya", name), explained.evidence[1, 0])
    with pytest.raises(ValueError, match="CAM has no map at conv1; choose conv3, or another method."):
        explained.heat("baya", "conv1")
    with pytest.raises(ValueError, match="no layer 'conv4'"):
        explained.heat("baya", "conv4")


def test_every_other_method_reads_all_layers():
    explained = ExplanationService().explain_file(STORY, GAP, "Grad-CAM")
    assert explained.complete and explained.gap == "" and explained.layers == explained.model.layers


def test_a_network_without_such_a_layer_is_refused_and_called_by_its_name():
    with pytest.raises(NoCam, match="CAM needs a layer whose global average .*; embedded has none .*: use Grad-CAM."):
        ExplanationService().explain_file(STORY, "embedded", "CAM")


def test_a_convolution_behind_the_deepest_layer_is_read_in_its_place():
    """EfficientNet's head: a convolution to 1280 maps, whose average the Linear reads."""
    model = classifiers.find("imagenet")
    assert cam_layer(model, model.network) == Layer("head.2", model.columns[-1])


class Net(nn.Module):
    """Two convolutions with a ReLU behind each: a function, a module of each one's own, or one module for both."""

    def __init__(self, relus):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3)
        self.relu = nn.ReLU() if relus == "one" else None
        self.relus = nn.ModuleList([nn.ReLU(), nn.ReLU()]) if relus == "two" else None
        self.head = nn.Linear(6, 4)

    def forward(self, images):
        relus = self.relus or [self.relu or F.relu] * 2
        return self.head(relus[1](self.second(relus[0](self.first(images)))).mean((2, 3)))


def asked(relus, *layers):
    """The layer that CAM reads of such a network, whose layers on the page are these."""
    readable_layer.cache_clear()
    model = replace(classifier("embedded"), layers=tuple(Layer(name, f"column {name}") for name in layers))
    return cam_layer(model, Net(relus).eval()).name


def test_what_can_be_read_itself_is():
    assert asked("two", "first", "relus.1") == "relus.1"


def test_what_runs_once_behind_the_deepest_layer_is_read():
    assert asked("two", "first", "second") == "relus.1"


@pytest.mark.parametrize("relus", ["none", "one"])
def test_what_is_no_module_or_runs_several_times_is_refused(relus):
    with pytest.raises(NoCam, match="embedded has none that can be read"):
        asked(relus, "first", "second")


def test_it_is_found_once_for_a_network(passes):
    service = ExplanationService()
    readable_layer.cache_clear()
    for example in list(examples.embedded().every.values())[:3]:
        service.explain_file(example.file, GAP, "CAM")
    assert len(passes) == 2 + 3  # the deepest layer and the ReLU behind it are tried, then each photo is explained


def test_it_keeps_no_network_that_is_let_go():
    ExplanationService().explain_file(STORY, GAP, "CAM")
    assert readable_layer.cache_info().currsize
    forgotten()
    assert not readable_layer.cache_info().currsize
