"""/step_by_step through a live server: what a caller is promised."""

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from explorer.photos import examples

STORY = examples.embedded().story.file


@pytest.fixture(scope="module")
def client(app_url):
    return Client(app_url, verbose=False)


def test_the_endpoints_parameters(client):
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/step_by_step"]
    assert endpoint["description"]
    assert [p["parameter_name"] for p in endpoint["parameters"]] == ["image", "model", "target", "layer"]
    for parameter in endpoint["parameters"]:
        assert parameter["parameter_has_default"] == (parameter["parameter_name"] != "image")
        assert ":" in parameter["label"]


def test_the_steps_agree_with_explain_and_heatmaps(client):
    """The sum of the weights' maps, its peak and its score, against /explain and /heatmaps on the same photo."""
    steps, gallery = client.predict(image=handle_file(STORY), target="baya", layer="conv2", api_name="/step_by_step")
    _, report = client.predict(image=handle_file(STORY), api_name="/explain")
    logits = {entry["name"]: entry["logit"] for entry in report["classes"]}
    assert steps["logits"] == pytest.approx(logits, rel=1e-5, abs=1e-5)  # of one class and of several: other rounding
    assert steps["score"] == pytest.approx(steps["logits"]["baya"])
    cell = next(c for c in report["cells"] if (c["target"], c["layer"]) == ("baya", steps["layer"]))
    assert steps["peak"] == pytest.approx(cell["peak"], rel=1e-4) and steps["empty"] == cell["empty"]
    with np.load(client.predict(image=handle_file(STORY), api_name="/heatmaps")) as arrays:
        heat = arrays["heatmaps"][1, 1]
    assert steps["peak"] == pytest.approx(heat.max(), rel=1e-4)
    assert steps["peak"] <= steps["sum_max"] and steps["sum_min"] < steps["sum_max"]
    assert sorted(entry["index"] for entry in steps["weights"]) == list(range(32))
    magnitudes = [abs(entry["weight"]) for entry in steps["weights"]]
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert steps["summary"][0]["output_shape"] == [16, 256, 256]
    captions = [item["caption"] for item in gallery]
    assert [caption.split(" ")[0] for caption in captions[:16]] == [
        f"A{entry['index']}" for entry in steps["weights"][:16]
    ]
    assert [caption.split(" ·")[0] for caption in captions[16:]] == ["weighted sum", "after ReLU", "over the photo"]
    assert all(Image.open(item["image"]).size == (256, 256) for item in gallery)


def test_the_defaults_are_the_prediction_and_the_deepest_layer(client):
    steps, _ = client.predict(image=handle_file(STORY), api_name="/step_by_step")
    assert steps["target"] == max(steps["logits"], key=steps["logits"].get) and steps["layer"] == "conv_layers.6"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"target": "fern"}, "no class 'fern'; choose one of .*rudo"),
        ({"target": "further left"}, "no class 'further left'"),  # some model has it
        ({"layer": "conv9"}, "no layer 'conv9'; choose one of deepest, conv1"),
        ({"model": "resnet"}, "no model 'resnet'; choose one of .*embedded"),
    ],
)
def test_an_unknown_choice_is_one_sentence(client, wrong, words):
    with pytest.raises(AppError, match=words) as refusal:
        client.predict(image=handle_file(STORY), **wrong, api_name="/step_by_step")
    assert "Traceback" not in str(refusal.value)


def test_a_missing_photo_or_model_is_one_sentence(client):
    with pytest.raises(AppError, match=r"photo.*\.$"):
        client.predict(image=None, api_name="/step_by_step")
    with pytest.raises(AppError, match=r"Hub.*\.$"):
        client.predict(image=handle_file(STORY), model="pot_plant_classifier", api_name="/step_by_step")
