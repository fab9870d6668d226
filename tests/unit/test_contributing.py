"""CONTRIBUTING.md: its Python runs: a CAM method, a tab and a model are added to this process and used."""

import hashlib
import re
import sys
from types import ModuleType

import pytest
from live import ROOT

import gradcam.methods
import potplants
from explorer import page
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from gradcam import METHODS
from potplants import catalogue

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def snippets(heading):
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_every_snippet_is_run_here():
    counts = [len(snippets(heading)) for heading in ("Add a CAM method", "Add a tab", "Add a model")]
    assert counts == [2, 3, 1] and sum(counts) == TEXT.count("```python")


def test_the_method_passes_its_own_test(monkeypatch):
    definition, test = snippets("Add a CAM method")
    monkeypatch.setitem(METHODS, "My-CAM", None)  # so that the entry is removed afterwards
    exec(definition, dict(vars(gradcam.methods)))
    names = {}
    exec(test, names)
    names["test_my_cam_is_equation_3"]()


@pytest.fixture
def totals(monkeypatch):
    """The tab's package, made of the snippets."""
    package = ModuleType("explorer.tabs.totals")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, package.__name__, package)
    for name, code in zip(("totals", "tab", "api"), snippets("Add a tab"), strict=True):
        module = ModuleType(f"explorer.tabs.totals.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(code, module.__dict__)


@pytest.mark.usefixtures("totals")
def test_the_tab_is_on_the_page_and_an_endpoint(monkeypatch):
    monkeypatch.setattr(page, "TABS", (*page.TABS, "totals"))
    choice = potplants.choose("embedded")
    built = page.build(choice, examples.embedded(), ExplanationService())
    assert "Totals" in {block.label for block in built.blocks.values() if block.get_block_name() == "tabitem"}
    functions = {function.api_name: function.fn for function in built.fns.values()}
    answer = functions["totals"](str(examples.embedded().story.file))
    assert set(answer) == {*potplants.CLASSES, "mixture"} and all(len(row) == 3 for row in answer.values())


def test_the_model_explains_a_photo(monkeypatch):
    (entry,) = snippets("Add a model")
    file = potplants.MODELS["embedded"].weights.with_name("embedded-seed0.safetensors")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    model = eval(entry.replace("SHA256", digest), vars(catalogue))
    monkeypatch.setitem(potplants.MODELS, model.name, model)
    explained = ExplanationService().explain_file(examples.embedded().story.file, "second", "Grad-CAM")
    assert explained.predicted in potplants.CLASSES and explained.evidence.shape == (5, 3, 256, 256)
