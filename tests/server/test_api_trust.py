"""/trust through a live server: what a caller is promised."""

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from explorer.photos import examples
from gradcam import METHODS

STORY = examples.embedded().story.file


@pytest.fixture(scope="module")
def client(app_url):
    return Client(app_url, verbose=False)


def test_the_endpoints_parameters(client):
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/trust"]
    assert endpoint["description"]
    assert [p["parameter_name"] for p in endpoint["parameters"]] == ["image", "model", "method", "target", "layer"]
    for parameter in endpoint["parameters"]:
        assert parameter["parameter_has_default"] == (parameter["parameter_name"] != "image")
        assert ":" in parameter["label"]


def test_trust_of_the_story_photo(client):
    """Rudo in his blue pot, called Baya: against what must hold whatever the weights."""
    report = client.predict(image=handle_file(STORY), api_name="/trust")
    assert report["target"] == report["predicted"] == "baya" and report["layer"] == "conv_layers.6"
    rows = {row["name"]: row for row in report["methods"]}
    assert set(METHODS) <= set(rows)
    assert rows["Grad-CAM"]["forward_passes"] == rows["Grad-CAM"]["backward_passes"] == 1
    assert rows["Ablation-CAM"]["forward_passes"] == rows["Score-CAM"]["forward_passes"] == 65
    assert (
        rows["CAM"]["state"] == "refused"
        and rows["CAM"]["insertion"] is None
        and "global average" in rows["CAM"]["sentence"]
    )
    for name, row in rows.items():
        if row["insertion"] is not None:
            assert 0 <= row["insertion"] <= 1 and 0 <= row["deletion"] <= 1, name
            assert row["pot_share"] + row["plant_share"] <= 1, name
    assert rows["Random map"]["pot_share"] == pytest.approx(report["areas"]["pot"], abs=0.02)  # noise favours no part
    assert [step["randomised"] for step in report["sanity"]["steps"]] == [
        *(None, "fc_layers.3", "fc_layers.1"),
        *("conv_layers.6", "conv_layers.3", "conv_layers.0"),
    ]
    ways = {way["name"]: way for way in report["costs"]["ways"]}
    assert ways["Occlusion"]["forward_passes"] == 65  # eight squares by eight, and the photo as it is
    assert report["seeds"]["verdict"]


def test_an_invalid_request_is_one_sentence(client):
    for wrong, words in (
        ({"target": "mario"}, "no class 'mario'"),
        ({"method": "Grad-Cam"}, "no method of that name"),
        ({"layer": "conv9"}, "no layer 'conv9'"),
        ({"model": "resnet"}, "no model 'resnet'"),
    ):
        with pytest.raises(AppError, match=f"{words}; choose one of "):
            client.predict(image=handle_file(STORY), **wrong, api_name="/trust")
    with pytest.raises(AppError, match="photo"):
        client.predict(image=None, api_name="/trust")
    with pytest.raises(AppError, match="Hub"):
        client.predict(image=handle_file(STORY), model="car_single_room", target="further left", api_name="/trust")
