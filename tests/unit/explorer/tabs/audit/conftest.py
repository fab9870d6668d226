"""Fixtures of the audit's tests."""

from dataclasses import replace

import pytest
from audit_case import EXAMPLES

import potplants
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.audit import store


@pytest.fixture(scope="package")
def two_per_class():
    """Two photos of each class and split."""
    every = {key: example for key, example in EXAMPLES.every.items() if key[-3:] in ("000", "001")}
    return replace(EXAMPLES, every=every)


@pytest.fixture(scope="package")
def result(two_per_class):
    """One model under two names, so that two columns stand side by side."""
    potplants.MODELS["twin"] = replace(potplants.MODELS["embedded"], name="twin")
    try:
        request = store.audit_request("embedded", "twin")
        return store.Audits(ExplanationService(), two_per_class).of(request, lambda part, task: True)
    finally:
        del potplants.MODELS["twin"]


@pytest.fixture
def maskless(tmp_path):
    """The audit of a folder without masks, with markup in the file names and one damaged photo."""
    (tmp_path / "test").mkdir()
    for label in range(4):
        file = EXAMPLES.every[f"test/{label}_000"].file
        (tmp_path / "test" / f"{label}_<b>.jpg").write_bytes(file.read_bytes())
    (tmp_path / "test" / "0_cut.jpg").write_bytes(b"\xff\xd8\xff")
    audits = store.Audits(ExplanationService(), examples.from_folder(tmp_path))
    return audits.of(store.audit_request("embedded"), lambda part, task: True)


@pytest.fixture(scope="package")
def val_only(two_per_class):
    """The audit of one split, without the causal test."""
    request = store.audit_request("embedded", split="val", repaint=False)
    return store.Audits(ExplanationService(), two_per_class).of(request, lambda part, task: True)
