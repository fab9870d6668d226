"""A Hub on this machine, and nothing remembered from earlier tests."""

import pickle

import pytest
import torch
from fake_hub import fake_hub  # noqa: F401 (a fixture)
from hub_repositories import repository

from potplants.hub import downloads, metadata


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    """No earlier requests, downloads or networks, and time limits that a busy machine does not exceed."""
    from classifiers import hub

    monkeypatch.setattr(metadata, "_requests", {})
    monkeypatch.setattr(downloads, "_downloads", {})
    monkeypatch.setattr(metadata, "PROBE_SECONDS", 60)
    monkeypatch.setattr(downloads, "STALL_SECONDS", 60)
    hub.use(hub.HubPolicy())
    yield
    hub.use(hub.HubPolicy())


@pytest.fixture
def nothing_is_run(monkeypatch):
    """Unpickling anything, or the library's import of a repository's modules, fails the test."""
    from transformers import dynamic_module_utils, image_processing_backends, modeling_utils  # before pickle is patched

    repository("vit"), repository("convnext", shards=4)
    assert image_processing_backends and modeling_utils

    def fail(*_, **__):
        raise AssertionError("something of the repository's was run")

    for owner, name in (
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (dynamic_module_utils, "get_class_from_dynamic_module"),
        (dynamic_module_utils, "get_class_in_module"),
    ):
        monkeypatch.setattr(owner, name, fail)
