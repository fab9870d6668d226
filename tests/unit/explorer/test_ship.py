"""Answers that come with the app: all are there for this code, none is left over, and they equal fresh ones."""

import json
import zipfile

import pytest
import torch

import potplants
from explorer import ship
from explorer.answers.files import FOLDER
from explorer.explanation.device import ignore_progress
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.audit import store
from explorer.tabs.audit.audit import predict
from explorer.tabs.audit.causal_test import in_every_pot
from explorer.tabs.audit.photo_reader import read
from explorer.tabs.audit.store import Audits, audit_request
from explorer.tabs.steps.strongest import Strongest, find
from explorer.tabs.trust import checks
from explorer.tabs.trust.checks import Trust
from explorer.tabs.trust.methods import DROP
from explorer.tabs.trust.shipped import shipped, shipped_file
from gradcam import Explainer

EXAMPLES = examples.embedded()
STALE = "answers that come with the app are out of date: run python -m explorer.ship"
ROUNDING = 1e-3  # of a logit or a probability: float32 in another order, on another processor


@pytest.fixture(scope="module")
def service():
    return ExplanationService()


@pytest.fixture(scope="module")
def audit(service):
    found = Audits(service, EXAMPLES).known(audit_request("embedded", "debiased"))
    assert found is not None, STALE
    return found


def wanted(service):
    trust, files = Trust(service), set()
    for example, model in ship.asked(EXAMPLES):
        tested = trust.tested(example.file, model, "predicted", "deepest", example.mask)
        files.add(shipped_file(tested, ship.METHOD))
    return files


def of_layers(service):
    for name in ship.TRUSTED:
        model = service.classifier(name)
        yield from (Strongest(service, EXAMPLES).file(model, column) for column in model.columns)


def test_every_answer_is_of_this_code_and_none_is_left_over(service):
    there = set(FOLDER.glob("*.zip"))
    names = "trust", "audit", "repaint", "strongest"
    kinds = {kind: {file for file in there if file.name.startswith(kind)} for kind in names}
    assert kinds["trust"] == wanted(service), STALE
    assert kinds["strongest"] == set(of_layers(service)), STALE
    assert {len(kinds["audit"]), len(kinds["repaint"])} == {2} and set.union(*kinds.values()) == there, STALE
    assert sum(file.stat().st_size for file in there) < 4e6


def test_an_audit_that_ships_equals_a_fresh_one(audit):
    """For every thirtieth photo, drawn by that rule before any was looked at."""
    assert audit.beforehand and len(audit.audits[0].predictions) == 240
    for kept in audit.audits:
        network, model = potplants.load(kept.model.name), kept.model
        explainer = Explainer(network, model.layers[-1].readable)
        sample = kept.predictions[::30]
        for photo, prediction in zip(read([one.example for one in sample], model).photos, sample):
            images = model.preprocessing.tensor(photo.frame.canvas, photo.frame.seen)
            explanation = explainer.explain(images)
            fresh = predict(model, photo, explanation.logits[0], explanation.heatmaps[0, 0, 0].numpy())
            assert (fresh.predicted, fresh.hottest) == (prediction.predicted, prediction.hottest), STALE
            assert fresh.logits == pytest.approx(prediction.logits, abs=ROUNDING), STALE
            assert fresh.peak == pytest.approx(prediction.peak, rel=ROUNDING), STALE
            assert fresh.heat == pytest.approx(prediction.heat, abs=ROUNDING), STALE
        painted = in_every_pot(network, model, [one.example for one in sample], lambda part: True)
        said = {(one.example.key, one.colour): one.predicted for one in audit.repainted[model.name]}
        assert all(said[one.example.key, one.colour] == one.predicted for one in painted), STALE


def test_its_sums_count_its_photos(audit):
    for kept in audit.audits:
        assert sum(mean.photos for mean in kept.means.values()) == 240
        chosen = {one.example.key for rule in (kept.worst, kept.random) for ones in rule.values() for one in ones}
        assert chosen == set(kept.shown)
        for key, explained in kept.shown.items():
            peak = next(one.peak for one in kept.predictions if one.example.key == key)
            assert explained.heat.max() == pytest.approx(peak, rel=1e-6)


def test_strongest_photos_that_ship_equal_fresh_ones(service):
    """A map's strongest photos are stronger than a sample of the others, and as strong as they say."""
    store = Strongest(service, EXAMPLES)
    model = service.classifier("embedded")
    kept = store.of("embedded", "conv3", ignore_progress)
    photos, layer = store.photos(model), model.layers[-1].readable
    sample = photos[::30]
    fresh = find(potplants.load("embedded"), layer, model, sample, ignore_progress)
    for k, of_map in enumerate(fresh):
        assert kept[k][0].value >= of_map[0].value * (1 - ROUNDING), STALE
    for strong in kept[0]:
        (again,) = find(potplants.load("embedded"), layer, model, [strong.example], ignore_progress)[0]
        assert (again.value, again.x, again.y) == pytest.approx((strong.value, strong.x, strong.y), rel=ROUNDING), STALE


def test_checks_that_ship_equal_fresh_ones(service):
    """The quick ones of the story photo in full, and the curves of one method."""
    story, trust = EXAMPLES.story, Trust(service)
    asked = story.file, "embedded", "predicted", "deepest", story.mask
    tested = trust.tested(*asked)
    kept = shipped(tested, ship.METHOD)
    assert kept is not None, STALE
    fresh = trust.checks(story.file, "embedded", ship.METHOD, *asked[2:])
    for one, other in zip(fresh.sanity.correlations, kept.checks.sanity.correlations, strict=True):
        assert one == pytest.approx(other, abs=0.02, nan_ok=True), STALE  # ranks of nearly equal pixels may swap
    assert (fresh.sanity.word, fresh.seeds.sentence) == (kept.checks.sanity.word, kept.checks.seeds.sentence), STALE
    assert fresh.seeds.correlations == pytest.approx(kept.checks.seeds.correlations, abs=0.02), STALE
    row, heat = kept.measured.comparison.row("Grad-CAM"), tested.explained.heat("baya", "conv3")
    assert row.heat.max() == pytest.approx(heat.max().item(), rel=ROUNDING), STALE
    assert (row.heat - heat).abs().mean() < heat.max() / 255, STALE
    ends = kept.measured.comparison.ends
    image = tested.explained.image[None]
    with torch.no_grad():
        network = potplants.load("embedded")
        photo, black = (
            network(each).softmax(1)[0, tested.question].item() for each in (image, torch.zeros_like(image))
        )
    assert (ends.photo, ends.black) == pytest.approx((photo, black), abs=ROUNDING), STALE
    assert ends.photo - ends.black > DROP


def test_each_file_says_what_it_answers():
    for file in FOLDER.glob("*.zip"):
        about = json.loads(zipfile.ZipFile(file).read("answer.json"))["about"]
        assert about["model"] in (*potplants.MODELS, "imagenet") and {"photo", "photos"} & set(about)


class ComputedError(Exception):
    """The work was begun."""


def begun(*arguments, **named):
    raise ComputedError


def test_whoever_calls_an_endpoint_has_it_computed(service, monkeypatch):
    """Though the same answers come with the app; as the endpoints call, see the tabs' api.py."""
    monkeypatch.setattr(store, "_WORK", {"audit": begun, "repaint": begun})
    audits = Audits(service, EXAMPLES)
    assert audits.known(audit_request("embedded", "debiased")).beforehand
    with pytest.raises(ComputedError):
        audits.of(audit_request("embedded", "debiased"), lambda part, task: None)
    monkeypatch.setattr(checks, "_check", begun)
    story = EXAMPLES.story
    with pytest.raises(ComputedError):
        Trust(service).checks(story.file, "embedded", ship.METHOD, "predicted", "deepest", story.mask)
