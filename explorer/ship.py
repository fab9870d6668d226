"""Computes the answers that come with the app and are out of date, and removes those that nothing asks for any more.

    python -m explorer.ship

For whoever changes the engine, the weights or the example photos; tests/unit/explorer/test_ship.py says when it is due.
It takes minutes, and may be stopped: it goes on where it was. KernelSHAP among the costs needs captum and scikit-learn.
"""

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from explorer.answers.files import FOLDER
from explorer.explanation.service import ExplanationService
from explorer.photos import examples as photos
from explorer.photos.examples import Example, Examples
from explorer.settings import View
from explorer.tabs.audit.store import Audits, audit_request
from explorer.tabs.steps.strongest import Strongest
from explorer.tabs.trust.checks import Trust
from explorer.tabs.trust.costs import captums_kernel_shap
from explorer.tabs.trust.shipped import Answer, ship, shipped, shipped_file

AUDITED = (
    ("embedded", "debiased"),
    ("debiased", "none"),
)  # what the tab opens with, of the models that need no network
TRUSTED = ("embedded", "debiased")  # the models that are asked about each plant of the strip
METHOD = View().method


def main():
    """Ship what is missing, then remove the rest."""
    captums_kernel_shap()  # or the costs would ship without it
    service, examples = ExplanationService(), photos.embedded()
    kept = set()
    for file in chain(audits(service, examples), strongest(service, examples), trusts(service, examples)):
        print(file.name, file.stat().st_size, flush=True)  # noqa: T201 (the program's output)
        kept.add(file)
    for file in set(FOLDER.glob("*.zip")) - kept:
        file.unlink()


def audits(service: ExplanationService, examples: Examples, folder: Path = FOLDER) -> Iterator[Path]:
    """The files of the audits that ship, computed where they are missing."""
    store = Audits(service, examples)
    for model, compare in AUDITED:
        yield from store.ship(audit_request(model, compare), folder)


def strongest(service: ExplanationService, examples: Examples, folder: Path = FOLDER) -> Iterator[Path]:
    """The files of each layer's strongest photos, computed where they are missing."""
    store = Strongest(service, examples)
    for model in TRUSTED:
        yield from (store.ship(model, column, folder) for column in service.classifier(model).columns)


def trusts(service: ExplanationService, examples: Examples, folder: Path = FOLDER) -> Iterator[Path]:
    """The files of the checks that ship, computed where they are missing."""
    trust = Trust(service)
    for example, model in asked(examples):
        view, mask = View(model), example.mask
        tested = trust.tested(example.file, model, view.target, view.layer, mask)
        if shipped(tested, METHOD, folder) is None:
            checks = trust.checks(example.file, model, METHOD, view.target, view.layer, mask)
            measured = trust.measured(example.file, model, view.target, view.layer, mask)
            ship(Answer(checks, measured), example.key, folder)
        yield shipped_file(tested, METHOD, folder)


def asked(examples: Examples) -> list[tuple[Example, str]]:
    """Each example of the page with the models that it ships answers of."""
    return [(example, model) for example in examples.shown for model in ([example.asks] if example.asks else TRUSTED)]


if __name__ == "__main__":
    sys.exit(main())
