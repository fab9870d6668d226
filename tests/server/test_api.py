"""The endpoints through a live server and gradio_client: parameters, outputs, errors."""

import io
import json
import urllib.request

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from tolerances import same_heat, same_logits

import potplants
from explorer.photos import examples
from gradcam import Explainer
from potplants.dataset import as_input

STORY = examples.embedded().story.file


@pytest.fixture(scope="module")
def client(app_url):
    return Client(app_url, verbose=False)


def test_the_endpoints_and_their_parameters(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(named) == ["/explain", "/heatmaps", "/models", "/step_by_step", "/what_if", "/audit", "/trust"]
    parameters = [p["parameter_name"] for p in named["/explain"]["parameters"]]
    assert parameters == ["image", "model", "method", "base", "colormap", "scale"]
    assert [p["parameter_name"] for p in named["/heatmaps"]["parameters"]] == ["image", "model", "method"]
    for endpoint in named.values():
        assert endpoint["description"]
        for parameter in endpoint["parameters"]:
            assert parameter["parameter_has_default"] == (parameter["parameter_name"] != "image")
            assert ":" in parameter["label"] and parameter["python_type"]["type"]


def test_explain_returns_pictures_and_a_report(client):
    gallery, report = client.predict(image=handle_file(STORY), api_name="/explain")
    assert report["model"] == "embedded"
    assert [entry["name"] for entry in report["classes"]] == list(potplants.CLASSES)
    assert sum(entry["probability"] for entry in report["classes"]) == pytest.approx(1)
    assert report["predicted"] == max(report["classes"], key=lambda entry: entry["logit"])["name"]
    assert report["layers"] == ["conv_layers.0", "conv_layers.3", "conv_layers.6"]
    assert len(report["cells"]) == 5 * 3 and len(gallery) == 5 * 4
    for cell in report["cells"]:
        assert cell["empty"] == (cell["peak"] <= 0)
    captions = [item["caption"] for item in gallery]
    assert captions[0].startswith("Rudo · conv1") and captions[-1].startswith("Mixture · all layers")
    assert Image.open(gallery[0]["image"]).size == (256, 256)


def test_heatmaps_equal_the_modules(client):
    """The server's file against the module called directly on the same photo."""
    with np.load(
        client.predict(image=handle_file(STORY), model="embedded", method="Grad-CAM", api_name="/heatmaps")
    ) as arrays:
        heatmaps, logits = arrays["heatmaps"], arrays["logits"]
        assert heatmaps.dtype == np.float32 and heatmaps.shape == (5, 3, 256, 256)
        assert tuple(arrays["classes"]) == potplants.CLASSES and tuple(arrays["layers"])[-1] == "conv_layers.6"
    photo = torch.from_numpy(np.array(Image.open(STORY))).permute(2, 0, 1)[None]
    expected = Explainer(potplants.load("embedded")).explain(as_input(photo), [0, 1, 2, 3, "mixture"])
    same_heat(heatmaps, expected.heatmaps[0])
    same_logits(logits, expected.logits[0])


def test_cam_returns_the_one_layer_that_it_reads(client):
    """Pictures, cells and maps of it alone, and a note."""
    asked = {"image": handle_file(STORY), "model": "embedded_gap", "method": "CAM"}
    gallery, report = client.predict(**asked, api_name="/explain")
    assert [item["caption"].partition(" · peak")[0] for item in gallery] == [
        f"{name} · conv3" for name in ("Rudo", "Baya", "Greg", "Yuki", "Mixture")
    ]
    assert report["layers"] == ["conv_layers.5"] and len(report["cells"]) == 5
    assert "CAM reads only conv3 (conv_layers.5)" in report["note"]
    with np.load(client.predict(**asked, api_name="/heatmaps")) as arrays:
        assert arrays["heatmaps"].shape == (5, 1, 256, 256) and list(arrays["layers"]) == report["layers"]
        assert arrays["heatmaps"][:, 0].max((1, 2)) == pytest.approx([cell["peak"] for cell in report["cells"]])
    with pytest.raises(AppError, match="CAM needs a layer"):
        client.predict(**{**asked, "model": "embedded"}, api_name="/explain")


def test_models_lists_which_are_reachable(client):
    listing = {entry["name"]: entry for entry in client.predict(api_name="/models")}
    assert list(listing) == [*potplants.MODELS, "imagenet"]
    assert listing["embedded"]["reachable"] is True
    assert listing["pot_plant_classifier"]["reachable"] is False  # the tests' Hub refuses
    for name, model in potplants.MODELS.items():
        entry = listing[name]
        assert entry["origin"] and len(entry["layers"]) == 3 and entry["classes"] == list(model.classes)
    imagenet = listing["imagenet"]
    assert imagenet["reachable"] is True and len(imagenet["layers"]) == 4 and len(imagenet["classes"]) == 1000


def test_an_unreachable_model_is_one_sentence(client):
    with pytest.raises(AppError, match="Hub"):
        client.predict(image=handle_file(STORY), model="pot_plant_classifier", api_name="/explain")


def saved(image, path, **options):
    image.save(path, **options)
    return path


def bad_files(folder):
    story = STORY.read_bytes()
    yield "not an image", b"These are words, not a picture.", "note.jpg"
    yield "truncated JPEG", story[: len(story) // 2], "half.jpg"
    yield "empty", b"", "empty.png"
    yield "HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "phone.heic"
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "drawing.svg"
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    yield "30000 × 30000 PNG", bomb.getvalue(), "bomb.png"


def test_every_bad_file_is_one_sentence(client, tmp_path):
    for kind, content, name in bad_files(tmp_path):
        path = tmp_path / name
        path.write_bytes(content)
        for endpoint in ("/explain", "/heatmaps"):
            with pytest.raises(AppError) as refusal:
                client.predict(image=handle_file(path), api_name=endpoint)
            sentence = str(refusal.value)
            assert sentence.rstrip().endswith(".") and 20 < len(sentence) < 300, (kind, sentence)
            assert "Traceback" not in sentence and str(tmp_path) not in sentence and "/" not in sentence, (
                kind,
                sentence,
            )


def test_a_missing_photo_is_one_sentence(client):
    with pytest.raises(AppError, match="photo"):
        client.predict(image=None, api_name="/explain")


def odd_files(folder):
    story = Image.open(STORY)
    yield "CMYK", saved(story.convert("CMYK"), folder / "cmyk.jpg", quality=95)
    yield (
        "16-bit grey",
        saved(Image.fromarray(np.array(story.convert("L")).astype(np.uint16) * 257), folder / "deep.png"),
    )
    yield "grey", saved(story.convert("L"), folder / "grey.png")
    yield "palette GIF", saved(story.quantize(64), folder / "palette.gif")
    yield "RGBA", saved(story.convert("RGBA"), folder / "alpha.png")
    yield "EXIF-rotated", saved(story, folder / "turned.jpg", exif=_exif(6))
    yield "1 × 1", saved(Image.new("RGB", (1, 1), (9, 200, 30)), folder / "dot.png")
    yield "4000 × 300", saved(story.resize((4000, 300)), folder / "wide.png")


def _exif(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def test_unusual_image_formats_are_explained(client, tmp_path):
    for kind, path in odd_files(tmp_path):
        gallery, report = client.predict(image=handle_file(path), base="photo", api_name="/explain")
        assert len(gallery) == 20 and report["predicted"] in potplants.CLASSES, kind
        assert ("bars" in report["note"]) == (kind == "4000 × 300"), kind


@pytest.mark.parametrize(
    "wrong",
    [{"base": "photograph"}, {"colormap": "rainbow"}, {"scale": 7}, {"method": "Grad-Cam"}],
)
def test_unknown_names_list_the_choices(client, wrong):
    with pytest.raises(AppError) as refusal:
        client.predict(image=handle_file(STORY), **wrong, api_name="/explain")
    ((name, value),) = wrong.items()
    sentence = str(refusal.value)
    assert f"There is no {name} of that name; choose one of " in sentence and str(value) not in sentence


def test_info_over_plain_http(app_url):
    """As by curl, without a client library."""
    with urllib.request.urlopen(f"{app_url}/gradio_api/info") as answer:
        assert "/explain" in json.load(answer)["named_endpoints"]


def test_files_of_the_machine_are_not_served(app_url):
    for path in ("/etc/hostname", str(examples.EMBEDDED.parent / "requirements.txt")):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{app_url}/gradio_api/file={path}")
        assert refusal.value.code in (403, 404)


@pytest.mark.parametrize(
    ("file", "answers"),
    [
        ("coffee", {"espresso"}),
        ("camera", {"tripod"}),
        ("cat", {"tabby", "tiger cat", "Egyptian cat"}),  # three names for one cat
        ("flower", {"daisy"}),
        ("china", {"palace"}),
        ("rocket", {"missile"}),
    ],
)
def test_imagenet_knows_the_sample_photos(client, file, answers):
    photo = handle_file(examples.EMBEDDED / f"real/{file}.jpg")
    gallery, report = client.predict(image=photo, model="imagenet", api_name="/explain")
    assert report["predicted"] in answers and report["classes"][0]["name"] == report["predicted"]
    assert len(report["classes"]) == 5 and len(report["layers"]) == 4 and len(gallery) == 6 * 5
