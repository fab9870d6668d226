"""/what_if through a live server: the story photo, defaults, a mask, and one sentence for each invalid request."""

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from explorer.photos import examples
from explorer.photos.masks import part, read_mask

STORY = examples.embedded().story


@pytest.fixture(scope="module")
def client(app_url):
    return Client(app_url, verbose=False)


def predict(client, **arguments):
    return client.predict(**{"image": handle_file(STORY.file), "api_name": "/what_if", **arguments})


def test_all_but_the_image_has_a_default(client):
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/what_if"]
    assert [parameter["parameter_name"] for parameter in endpoint["parameters"]] == [
        *("image", "model", "method", "region", "percent", "target", "layer", "edit", "colour", "mask"),
        *("points", "tolerance"),
    ]
    for parameter in endpoint["parameters"]:
        assert parameter["parameter_has_default"] == (parameter["parameter_name"] != "image")
        assert parameter["label"].startswith(parameter["parameter_name"] + ": ")
    assert endpoint["description"]


def test_a_red_pot_changes_the_prediction_to_rudo(client):
    photo, gallery, report = predict(client, region="pot")
    assert (report["before"]["predicted"], report["after"]["predicted"]) == ("baya", "rudo")
    changed, original = (np.array(Image.open(file).convert("RGB")).astype(int) for file in (photo, STORY.file))
    pot = part(read_mask(STORY.mask), "pot")
    assert changed.shape == (256, 256, 3)
    assert changed[pot][:, 0].mean() > 2 * changed[pot][:, 2].mean()  # red
    assert original[pot][:, 2].mean() > 2 * original[pot][:, 0].mean()  # blue
    assert (changed != original).any(-1).mean() * 100 == pytest.approx(report["changed_percent"])
    assert report["region"] == {"kind": "pot", "percent": pytest.approx(100 * pot.mean())}
    assert [item["caption"].split(":")[0] for item in gallery] == ["Before", "After"]
    assert all("Baya · conv3" in item["caption"] for item in gallery)
    assert Image.open(gallery[0]["image"]).size == (256, 256)


def test_the_defaults_repaint_the_hottest_tenth(client):
    report = predict(client)[2]
    assert report["region"] == {"kind": "hottest", "percent": pytest.approx(10, abs=0.01)}
    assert (report["edit"], report["colour"], report["layer"], report["target"]) == ("repaint", "red", "conv3", "baya")


def test_points_grow_a_region(client):
    _, _, report = predict(client, region="click", points="100,180")
    assert report["region"]["kind"] == "click" and report["after"]["predicted"] == "rudo"
    pot = part(read_mask(STORY.mask), "pot")
    assert 0.5 * pot.mean() < report["region"]["percent"] / 100 < 1.5 * pot.mean()
    narrow = predict(client, region="click", points="100,180", tolerance=8)[2]
    assert narrow["region"]["percent"] < report["region"]["percent"]
    with pytest.raises(AppError, match="needs points of the photo: name at least one, such as 120,80"):
        predict(client, region="click")


def test_a_mask_is_the_brush(client, tmp_path):
    mask = Image.new("1", (256, 256))
    mask.paste(1, (0, 0, 64, 128))
    mask.save(tmp_path / "mask.png")
    photo, _, report = predict(
        client, region="brush", mask=handle_file(tmp_path / "mask.png"), edit="fill", target="rudo", layer="conv1"
    )
    assert report["region"] == {"kind": "brush", "percent": 12.5} and report["colour"] is None
    changed, original = (np.array(Image.open(file).convert("RGB")).astype(int) for file in (photo, STORY.file))
    assert (changed[:100, 80:] == original[:100, 80:]).all()
    rest = original[~np.array(mask)].mean(0)
    assert changed[60, 30] == pytest.approx(rest, abs=1)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"region": "shelf"}, "soil"),
        ({"region": "soil"}, "cannot be seen"),
        ({"region": "brush"}, "needs a mask"),
        ({"mask": handle_file(STORY.file)}, "region brush"),
        ({"percent": 0}, "above 0"),
        ({"percent": None}, "above 0"),
        ({"colour": "mauve"}, "terracotta"),
        ({"colour": ""}, "terracotta"),
        ({"edit": "erase"}, "blur"),
        ({"layer": "conv9"}, "conv3"),
        ({"layer": "conv2", "method": "CAM", "model": "embedded_gap"}, "no map at conv2; choose conv3"),
        ({"target": "fern"}, "yuki"),
        ({"target": "further left"}, "yuki"),  # what only a number can be asked
        ({"image": None}, "photo"),
    ],
)
def test_an_invalid_question_is_one_sentence(client, wrong, word):
    with pytest.raises(AppError, match=word) as refusal:
        predict(client, **wrong)
    assert "Traceback" not in str(refusal.value) and "/" not in str(refusal.value)


def test_cam_is_read_at_the_deepest_layer(client):
    gallery, report = predict(client, model="embedded_gap", method="CAM")[1:]
    assert report["layer"] == "conv3" and [item["caption"].split(" · ")[1] for item in gallery] == ["conv3", "conv3"]


def test_an_uploaded_photo_has_no_mpredict(client, tmp_path):
    Image.open(STORY.file).save(tmp_path / "mine.png")
    with pytest.raises(AppError, match="hottest part"):
        predict(client, image=handle_file(tmp_path / "mine.png"), region="pot")
    assert predict(client, image=handle_file(tmp_path / "mine.png"))[2]["before"]["predicted"] == "baya"
