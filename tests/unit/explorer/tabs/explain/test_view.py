"""HTML of the tab Explain: probabilities, labels and captions are right, and every text is escaped."""

import base64
import io
import re
from dataclasses import replace
from functools import partial
from html import unescape

import numpy as np
import pytest
import torch
from PIL import Image
from squares import explain_photo

import potplants
from explorer.controls import examples_strip
from explorer.explanation.grid import shaded
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.rendering.images import data_uri
from explorer.rendering.parts import error_message
from explorer.rendering.wording import percent
from explorer.settings import View
from explorer.tabs.explain import view


def flat(html):
    """Without the white space of the template's layout."""
    return re.sub(r"\s+", " ", re.sub(r"\s*(<[^>]+>)\s*", r"\1", html))


def verdict(*arguments):
    return flat(view.verdict(*arguments))


def matrix(*arguments):
    return flat(view.matrix(*arguments))


@pytest.fixture(scope="module")
def explained():
    return ExplanationService().explain_file(examples.embedded().story.file, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def car():
    """A photo explained by a model that answers with a number, 1.25."""
    model = replace(potplants.MODELS["car_single_room"], network=partial(potplants.CNN, 1, 8, 224))
    photo = explain_photo(np.full((224, 224, 3), 90, np.uint8), "", model, model.network().eval(), "Grad-CAM")
    return replace(photo, explanation=replace(photo.explanation, logits=torch.tensor([[1.25]])))


def called(really):
    """An example photo of a class."""
    return examples.Example("test/0_000", "test", examples.embedded().story.file, really, "a caption")


def pictures(html):
    """Its embedded pictures in order, as arrays [H, W, 3]."""
    encoded = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(one)))) for one in encoded]


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "over 99.9 %"),
        (0.99951, "over 99.9 %"),  # rounded it would be 100.0 %
        (0.99901, "over 99.9 %"),
        (0.999, "99.9 %"),
        (0.9987, "99.9 %"),
        (0.5, "50.0 %"),
        (0.0012, "0.1 %"),
        (0.001, "0.1 %"),
        (0.00099, "under 0.1 %"),  # rounded it would be 0.1 %
        (0.0, "under 0.1 %"),
    ],
)
def test_percent_never_rounds_to_0_or_100(probability, words):
    assert percent(probability) == words


def test_verdict_marks_right_and_wrong_predictions(explained):
    predicted = explained.predicted.capitalize()
    assert f'<span class="truth right">✓ really {predicted}</span>' in verdict(explained, called(explained.predicted))
    wrong = next(name for name in explained.model.classes if name != explained.predicted)
    assert f'<span class="truth wrong">✗ really {wrong.capitalize()}</span>' in verdict(explained, called(wrong))
    probability = percent(max(explained.probabilities))
    assert f"<p>The model says<strong>{predicted}</strong>, {probability}</p>" in verdict(explained, None)


def test_a_regression_model_has_a_number_and_no_true_class(car):
    assert "<p>The model says<strong>position +1.250</strong></p>" in verdict(car, called("baya"))
    html = matrix(car, shaded(car, View(base="none")), View())
    assert re.findall(r'<th scope="row">(.*?)</th>', html) == [
        f"<b>Further {side}</b><small>what moves the answer there</small>" for side in ("right", "left")
    ]
    assert "logit" not in html and 'class="predicted"' not in html


def test_verdict_has_the_photo_and_its_note_escaped(explained):
    html = verdict(explained.noted("a <b>note</b>"), None)
    assert '<p class="note">a &lt;b&gt;note&lt;/b&gt;</p>' in html and "256&nbsp;×&nbsp;256" in html
    assert 'class="note"' not in verdict(explained, called("baya"))
    (shown,) = pictures(html)
    assert np.abs(shown.astype(int) - explained.photo).mean() < 4  # channels in the right order


def test_jpegs_have_full_chroma_resolution():
    """A boundary of red and blue within a pair of pixels that chroma subsampling would give one colour."""
    picture = np.full((16, 16, 3), (0, 0, 255), np.uint8)
    picture[:, :7] = (255, 0, 0)
    (shown,) = pictures(f'<img src="{data_uri(picture)}">')
    assert np.abs(shown.astype(int) - picture).max() < 24


def test_an_error_message_is_escaped():
    assert "<b>" not in error_message("<b>no</b>") and 'role="alert"' in error_message("no")


def test_every_picture_of_the_matrix_has_an_alt_text(explained):
    html = matrix(explained, shaded(explained, View()), View())
    assert len(re.findall(r'<img class="heat[^"]*" alt="[^"]+ · [^"]+ · [^"]+"', html)) == 20
    assert html.count('scope="row"') == 5 and html.count('scope="col"') == 5
    assert len(re.findall(r"http", html)) == 0


def test_a_row_has_logit_and_probability_of_its_class(explained):
    html = matrix(explained, shaded(explained, View()), View())
    rows = re.findall(r'<tr( class="predicted")?><th scope="row">(.*?)</th>', html)
    assert [bool(marked) for marked, _ in rows] == [name == explained.predicted for name in explained.targets]
    assert rows[-1][1] == "<b>Mixture</b><small>all classes, weighted by probability</small>"
    for (_, head), name, logit, probability in zip(
        rows, explained.model.classes, explained.logits, explained.probabilities
    ):
        assert head.startswith(f"<b>{name.capitalize()}</b>")
        assert f'<small>logit<span class="number">{logit:+.2f}</span></small>' in head
        assert f"<small>{percent(probability)}</small>" in head and f"width:{100 * probability:.1f}%" in head


def test_a_cell_has_its_target_and_column_and_one_is_selected(explained):
    html = matrix(explained, shaded(explained, View()), View(), (explained.predicted, "conv2"))
    cells = re.findall(r' class="([a-z ]+)" data-target="(.*?)" data-column="(.*?)" .*? data-name="(.*?)"', html)
    columns = ("conv1", "conv2", "conv3", "all layers")
    assert [cell[1:3] for cell in cells] == [(target, column) for target in explained.targets for column in columns]
    assert all(name == f"{target}-{column}".replace(" ", "-") for _, target, column, name in cells)
    assert [cell[1:3] for cell in cells if cell[0] == "cell chosen"] == [(explained.predicted, "conv2")]
    assert [cell[0] for cell in cells].count("cell") == 19
    assert "chosen" not in matrix(explained, shaded(explained, View()), View())


def test_any_class_name_is_escaped(explained):
    """It ends no attribute of a cell, and is whole in each."""
    model = replace(explained.model, classes=('a "b" <i>', *explained.model.classes[1:]))
    renamed = replace(explained, model=model, targets=(model.classes[0], *explained.targets[1:]))
    html = matrix(renamed, shaded(renamed, View(base="none")), View())
    for cell, column in zip(re.findall(r"<td>.*?</td>", html), ("conv1", "conv2", "conv3", "all-layers")):
        assert "<i>" not in cell
        attributes = {name: unescape(value) for name, value in re.findall(r'([a-z-]+)="([^"]*)"', cell)}
        assert attributes["data-target"] == 'a "b" <i>' and attributes["data-name"] == f'a-"b"-<i>-{column}'
        assert attributes["data-caption"] == attributes["alt"] == attributes["aria-label"].removeprefix("Enlarge: ")


def test_column_headings_have_both_names_of_a_layer(explained):
    html = matrix(explained, shaded(explained, View()), View())
    heads = re.findall(r'<th scope="col">([^<]*)<small title="[^"]*">([^<]*)</small></th>', html)
    named = [(f"conv{number}", f"conv_layers.{index}") for number, index in ((1, 0), (2, 3), (3, 6))]
    assert heads == [*named, ("all layers", "")]


def test_colour_bar_names_its_scale(explained):
    each = matrix(explained, shaded(explained, View(base="none")), View())
    viridis = View(base="none", colormap="viridis", scale="shared")
    shared = matrix(explained, shaded(explained, viridis), viridis)
    assert "<span>this map&#39;s own peak</span>" in each and "<span>the strongest peak of all maps</span>" in shared
    assert "rgb(68,1,84)" in shared  # viridis begins there


def test_strip_has_every_example():
    shown = examples.embedded()
    html = examples_strip(shown)
    assert re.findall(r'data-index="(\d+)"', html) == [str(index) for index in range(len(shown.shown))]
    assert all(example.caption in html for example in shown.shown)


@pytest.mark.parametrize("shape", [(60, 150), (150, 60), (61, 60)])
def test_strip_shows_the_middle_square_of_a_photo(shape, tmp_path):
    """The middle square is blue with green inside, the rest red."""
    photo = np.full((*shape, 3), (200, 20, 20), np.uint8)
    top, left = ((side - 60) // 2 for side in shape)
    photo[top : top + 60, left : left + 60] = (20, 20, 200)
    photo[top + 15 : top + 45, left + 15 : left + 45] = (20, 160, 20)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    example = examples.Example("test/0_000", "test", tmp_path / "photo.png", "baya", "a <caption>")
    html = examples_strip(examples.Examples({example.key: example}, (example,), example, False, "from <here>"))
    (shown,) = pictures(html)
    expected = np.full((128, 128, 3), (20, 20, 200))
    expected[32:96, 32:96] = (20, 160, 20)
    assert shown.shape == expected.shape and np.abs(shown - expected).max() < 24
    assert "a &lt;caption&gt;" in html and "From &lt;here&gt;." in html


def test_two_classifiers_stand_side_by_side_with_their_last_columns(explained):
    one = explained, shaded(explained, View())
    other = ExplanationService().explain_file(examples.embedded().story.file, "debiased", "Grad-CAM")
    two_views = View(beside="debiased")
    html = flat(view.beside(one, (other, shaded(other, View())), two_views, ("baya", "conv3")))
    assert re.findall(r"<h3>(\w+) says<b>(\w+),", html) == [("embedded", "Baya"), ("debiased", "Rudo")]
    first, second = html.split("</table>")[:2]
    for table in (first, second):
        assert table.count('class="heat') == 5 * 2 and "conv2" not in table
        assert re.findall(r'<th scope="col">(\S+?)<small', table.replace("all layers", "all")) == ["conv3", "all"]
    assert first.count("data-target") == 10 and "data-target" not in second  # only the first can be taken apart
    assert "cell chosen" in first and "cell chosen" not in second
    assert html.count('class="colour-bar"') == 1
    logits = [f"{value:+.2f}" for value in other.logits]
    assert all(logit in second for logit in logits)


def test_a_classifier_that_cannot_answer_leaves_the_other_as_it_is(explained):
    html = flat(view.beside((explained, shaded(explained, View())), "No <b>such</b> model.", View(beside="nobody/x")))
    assert html.count("<table") == 1 and "No &lt;b&gt;such&lt;/b&gt; model." in html and "<h3>nobody/x</h3>" in html


@pytest.fixture(scope="module")
def by_cam():
    return ExplanationService().explain_file(examples.embedded().story.file, "embedded_gap", "CAM")


def test_columns_without_maps_say_why_in_one_sentence(by_cam):
    html = matrix(by_cam, shaded(by_cam, View()), View(), (by_cam.predicted, "conv3"))
    gaps = re.findall(r'<td class="gap" rowspan="5" colspan="(.)" style="grid-column:([^"]*)"><p>(.*?)</p></td>', html)
    assert gaps == [
        ("2", "1 / span 2", "CAM reads only conv3, the last layer before the average, so there is no map here."),
        ("1", "4 / span 1", "One layer has a map: there is nothing to combine."),
    ]
    assert re.findall(r'<th scope="col">([^<]+)<', html) == ["conv1", "conv2", "conv3", "all layers"]
    assert 'title="conv_layers.5"' in html and html.count('class="cell') == 5 == html.count('style="grid-column:3">')
    assert html.count("cell chosen") == 1 and "All layers” rescales" not in html


def test_beside_another_the_column_of_all_layers_says_why_it_is_empty(by_cam):
    pair = by_cam, shaded(by_cam, View())
    first, second = flat(view.beside(pair, pair, View(beside="embedded_gap"))).split("</table>")[:2]
    for table in (first, second):
        assert table.count('class="cell') == 5 and "CAM reads only" not in table
        assert table.count('style="grid-column:2 / span 1"') == 1 and "nothing to combine" in table
