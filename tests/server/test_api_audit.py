"""/audit through a live server and gradio_client, held against /explain and against what training wrote down."""

import csv
import json
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from tolerances import HEATMAP_TOLERANCE, same_logits

import potplants
from explorer.photos import examples

SHIPPED = json.loads(potplants.MODELS["embedded"].weights.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def client(app_url):
    return Client(app_url, verbose=False)


@pytest.fixture(scope="module")
def answer(client):
    return client.predict(compare="none", split="val", repaint=False, api_name="/audit")


def test_every_parameter_has_a_default(client):
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/audit"]
    assert [parameter["parameter_name"] for parameter in endpoint["parameters"]] == [
        "model",
        "compare",
        "split",
        "repaint",
    ]
    assert all(parameter["parameter_has_default"] and ":" in parameter["label"] for parameter in endpoint["parameters"])
    assert endpoint["description"] and len(endpoint["returns"]) == 4


def test_the_accuracy_equals_the_one_of_training(answer):
    report = answer[0]
    (model,) = report["models"]
    run = next(run for run in SHIPPED["runs"] if run["seed"] == SHIPPED["shipped seed"])
    assert model["splits"]["val"]["accuracy"] == pytest.approx(run["val"]["accuracy"], abs=1e-6)
    assert model["sha256"] == SHIPPED["weights"]["sha256"]
    low, high = model["splits"]["val"]["interval"]
    assert low < model["splits"]["val"]["accuracy"] < high
    assert model["repaint"] is None and report["differences"] is None and report["unreadable"] == []


def rows_of(table):
    with Path(table).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_equal_the_report(answer):
    report, table, file, page = answer
    assert json.loads(Path(file).read_text()) == report
    assert len(rows_of(table)) == report["photos"]["splits"]["val"]
    assert report["models"][0]["sha256"] in Path(page).read_text()


@pytest.mark.parametrize("key", ["val/0_000", "val/3_007"])
def test_the_logits_equal_those_of_explain(client, answer, key):
    _, explained = client.predict(
        image=handle_file(examples.embedded().every[key].file), model="embedded", api_name="/explain"
    )
    row = next(row for row in rows_of(answer[1]) if row["photo"] == key)
    assert row["said"] == explained["predicted"]
    same_logits(*zip(*((float(row[f"logit_{entry['name']}"]), entry["logit"]) for entry in explained["classes"])))
    peak = next(
        cell["peak"]
        for cell in explained["cells"]
        if (cell["target"], cell["layer"]) == (explained["predicted"], "conv_layers.6")
    )
    assert float(row["peak"]) == pytest.approx(peak, rel=HEATMAP_TOLERANCE)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "car_single_room"}, "answers with a number"),
        ({"compare": "car_single_room"}, "answers with a number"),
        ({"model": "pot_plant_classifier", "compare": "none"}, "Hub"),
        ({"split": "train"}, "no split of that name; choose one of both, val"),
        ({"model": "resnet"}, "no model 'resnet'; choose one of .*embedded"),
    ],
)
def test_an_invalid_audit_is_one_sentence(client, wrong, words):
    with pytest.raises(AppError, match=words) as refusal:
        client.predict(**{"split": "val", "repaint": False, **wrong}, api_name="/audit")
    sentence = str(refusal.value)
    assert "Traceback" not in sentence and "\n" not in sentence and len(sentence) < 300
