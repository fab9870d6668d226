"""Fixtures for What if?: the opening photo, and the intervention that repaints its pot red."""

import pytest

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.what_if.intervention import Change, intervene

EXAMPLE = examples.embedded().story


@pytest.fixture(scope="module")
def service():
    return ExplanationService()


@pytest.fixture(scope="module")
def before(service):
    return service.explain_file(EXAMPLE.file, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def red_pot(service, before):
    return intervene(service, before, Change(region="pot", edit="repaint", colour="red"), EXAMPLE)
