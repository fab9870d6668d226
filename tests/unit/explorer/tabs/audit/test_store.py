"""Audits are cached by content, their finished steps survive a stop, and wrong requests are refused with a sentence."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from audit_case import MODEL, pot_photo

import potplants
from explorer.explanation.coalescing import ResultCache
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.audit import store
from gradcam import Cancelled


@pytest.fixture
def few_examples(tmp_path):
    for number in range(3):
        pot_photo(tmp_path, f"0_{number}", (200, 30, 20 + number))
    return examples.from_folder(tmp_path)


def run(audits, request, stop_at=2.0):
    """The result, and the tasks that were reported."""
    tasks = []

    def progress(part, task):
        tasks.append(task)
        return part < stop_at

    return audits.of(request, progress), tasks


def test_same_request_about_the_same_bytes_is_cached(few_examples):
    kept, request = ResultCache(4), store.audit_request("embedded", repaint=False)
    audits = store.Audits(ExplanationService(), few_examples, kept)
    assert audits.known(request) is None
    first, tasks = run(audits, request)
    assert any("3 photos" in task for task in tasks)
    again, tasks = run(store.Audits(ExplanationService(), few_examples, kept), request)  # another visitor
    assert tasks == [] and again.audits[0] is first.audits[0]
    assert audits.known(request).photos == first.photos and audits.known(replace(request, repaint=True)) is None
    pot_photo(few_examples.story.file.parent.parent, "0_0", (9, 9, 9))
    assert audits.known(request) is None


@pytest.mark.parametrize("by", ["answering False", "raising Cancelled"])
def test_steps_finished_before_a_stop_stay_cached(few_examples, by):
    audits = store.Audits(ExplanationService(), few_examples, ResultCache(4))
    request = store.audit_request("embedded", repaint=True)

    def progress(part, task):
        if part >= 0.9 and by == "raising Cancelled":
            raise Cancelled("left")
        return part < 0.9

    with pytest.raises(Cancelled):
        audits.of(request, progress)
    assert audits.known(request) is None
    assert audits.known(replace(request, repaint=False)) is not None


def test_concurrent_requests_share_one_computation(few_examples):
    audits, request = store.Audits(ExplanationService(), few_examples), store.audit_request("embedded")
    with ThreadPoolExecutor(4) as pool:
        results = [result for result, _ in pool.map(lambda _: run(audits, request), range(4))]
    assert len({id(result.audits[0]) for result in results}) == 1
    assert len({id(result.repainted["embedded"]) for result in results}) == 1


def test_only_the_last_audits_stay_cached(few_examples):
    """The cache holds one, so an audit of other bytes evicts the first."""
    audits = store.Audits(ExplanationService(), few_examples, ResultCache(1))
    request, file = store.audit_request("embedded", repaint=False), few_examples.story.file
    before = file.read_bytes()
    run(audits, request)
    pot_photo(file.parent.parent, file.stem, (9, 9, 9))
    run(audits, request)
    assert audits.known(request) is not None
    file.write_bytes(before)
    assert audits.known(request) is None


def test_wrong_requests_are_refused_with_a_sentence(few_examples):
    for wrong in ({"model": "car_single_room"}, {"model": "embedded", "compare": "car_single_room"}):
        with pytest.raises(ValueError, match="car_single_room answers with a number"):
            store.audit_request(**wrong)
    with pytest.raises(ValueError, match="no model 'resnet'"):
        store.Audits(ExplanationService(), few_examples).known(store.audit_request("resnet"))
    with pytest.raises(ValueError, match="no photos of the split 'val'; choose one of test, both"):
        store.Audits(ExplanationService(), few_examples).known(store.audit_request("embedded", split="val"))
    assert store.audit_request("embedded", "embedded").models == ("embedded",)


def test_weights_hash_is_the_files():
    shipped = json.loads(potplants.MODELS["embedded"].weights.with_suffix(".json").read_text())["weights"]["sha256"]
    assert store._weights_sha256([MODEL]) == {"embedded": shipped}
