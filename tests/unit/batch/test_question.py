"""Targets and layers from words; what there is not is refused with what there is."""

import pytest
import torch
from torch import nn

from batch import Options, Refused
from batch import question as asking
from batch.question import ask, weights_sha256
from classifiers import Classifier, Layer, Preprocessing


def test_targets_and_layers_from_words():
    assert ask(Options()).targets == (("rank", 0),) and ask(Options()).layers[0].name == "conv_layers.6"
    assert ask(Options(targets="all")).targets == (0, 1, 2, 3)
    assert ask(Options(targets="top5")).targets == tuple(("rank", place) for place in range(4))
    assert ask(Options("imagenet", targets="top5")).targets == tuple(("rank", place) for place in range(5))
    assert ask(Options(targets="yuki, baya,yuki")).targets == (3, 1)
    assert [layer.column for layer in ask(Options(layers="all")).layers] == ["conv1", "conv2", "conv3"]
    assert [layer.name for layer in ask(Options(layers="conv2,conv_layers.0")).layers] == [
        "conv_layers.3",
        "conv_layers.0",
    ]
    assert ask(Options(targets="all", layers="all")).rows_per_photo == 12


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options("nobody"), "no model 'nobody'"),
        (Options(method="Grad"), "no method 'Grad'; choose one of Grad-CAM"),
        (Options(targets="rosa"), "no class 'rosa'; choose from rudo, baya, greg, yuki"),
        (Options(layers="conv9"), "no layer 'conv9'; choose from conv_layers.0"),
        (Options("someone/..something"), "expected a repository"),
    ],
)
def test_what_there_is_not_is_refused(options, words):
    with pytest.raises(Refused, match=words):
        ask(options)


def test_answers_of_a_class_are_its_rank_and_probability():
    logits = torch.tensor([0.0, 2.0, 1.0, 2.0])
    first, second, named = ask(Options(targets="all")).answers(logits, [("rank", 0), ("rank", 1), 2])
    assert (first["target"], first["rank"], second["target"], second["rank"]) == ("baya", 1, "yuki", 2), "ties in order"
    assert (named["target"], named["rank"], named["logit"], named["predicted"]) == ("greg", 3, 1.0, "baya")
    powers = [1, 7.38905609893065, 2.718281828459045, 7.38905609893065]
    assert named["probability"] == pytest.approx(powers[2] / sum(powers))


def steering():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
    ).eval()
    return Classifier(
        *("steering", ("position",), (Layer("0", "conv1"),), Preprocessing(32, 32)),
        *(lambda progress: network, "here", "a car"),
        answers="number",
    )


def test_a_network_that_gives_a_number_has_one_target_without_a_probability(monkeypatch, run, photos):
    monkeypatch.setattr(asking, "load", lambda name: steering())
    rows = run(photos, model="steering")
    assert len(rows) == 5 and {row["target"] for row in rows} == {"position"}
    assert all(row["probability"] is None and row["rank"] is None and row["logit"] is not None for row in rows)
    for words in ("top5", "left"):
        with pytest.raises(Refused, match="answers with a number, so its only target is position"):
            ask(Options("steering", targets=words))


def test_the_weights_hash_notices_one_changed_weight():
    one, other = steering().network, steering().network
    before = weights_sha256(one)
    assert before == weights_sha256(other)
    with torch.no_grad():
        other[4].bias += 1e-6
    assert weights_sha256(other) != before


def test_a_folder_of_a_repository_is_a_model(tmp_path):
    pytest.importorskip("transformers")
    from hub_repositories import repository

    for name, content in repository("resnet").items():
        (tmp_path / name).write_bytes(content)
    question = ask(Options(str(tmp_path), layers="all", targets="top5"))
    assert len(question.targets) == 5 and question.layers and question.revision().startswith("sha256:")
    (tmp_path / "config.json").unlink()
    asking.load.cache_clear()
    with pytest.raises(Refused, match=r"no config\.json"):
        ask(Options(str(tmp_path)))
