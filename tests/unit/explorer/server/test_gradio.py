"""Contract tests of Gradio's internals, which explorer/server/GRADIO.md lists with version, digest and reason."""

import ast
import hashlib
import importlib
import inspect
import re
from importlib.metadata import version
from typing import NamedTuple

import pytest
from live import ROOT

SERVER = ROOT / "explorer/server"
TABLE = (SERVER / "GRADIO.md").read_text(encoding="utf-8")
PUBLIC = "gradio.themes"  # documented
NOT_GRADIO = {"_exit", "_run_exitfuncs"}  # of os and atexit


class Row(NamedTuple):
    name: str
    version: str
    digest: str
    files: list[str]
    reason: str
    test: str


def table_rows():
    for section in TABLE.split("\n## ")[1:]:
        name, facts, *reason, test = (" ".join(part.split()) for part in section.strip().split("\n\n"))
        number, digest, files = re.fullmatch(r"Version (\S+), digest (\S+), used in (.+)\.", facts).groups()
        test = test.removeprefix("Test: ").strip("`")
        yield Row(name.strip("`"), number, digest.strip("`"), files.split(", "), " ".join(reason), test)


ROWS = list(table_rows())


def resolve(name):
    """A module, or an object in one."""
    try:
        return importlib.import_module(name)
    except ImportError:
        parent, _, last = name.rpartition(".")
        return getattr(resolve(parent), last)


def by_name(rows):
    return [pytest.param(row, id=row.name) for row in rows]


@pytest.mark.parametrize("row", by_name(ROWS))
def test_the_version_is_the_installed_one(row):
    assert row.version == version(row.name.split(".")[0])
    assert f"gradio=={version('gradio')}" in (ROOT / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", by_name(row for row in ROWS if row.digest != "–"))
def test_source_is_unchanged(row):
    digest = hashlib.sha256(inspect.getsource(resolve(row.name)).encode()).hexdigest()[:8]
    assert digest == row.digest, (
        f"{row.name} has changed: read it again, see that what GRADIO.md says of it holds "
        f"({row.test} tests it), and write the new digest {digest} there"
    )


@pytest.mark.parametrize("row", by_name(row for row in ROWS if row.digest == "–"))
def test_objects_without_source_exist(row):
    with pytest.raises(TypeError):
        inspect.getsource(resolve(row.name))


@pytest.mark.parametrize("row", by_name(ROWS))
def test_the_behaviour_test_exists(row):
    file, _, name = row.test.partition("::")
    (path,) = (ROOT / "tests").rglob(file)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, functions)}


@pytest.mark.parametrize("row", by_name(ROWS))
def test_the_files_exist(row):
    assert all((SERVER / file).is_file() for file in row.files)


def imported_internals(tree):
    """What a module imports from Gradio's submodules, by full name: gradio.utils.LRUCache, gradio.routes.templates."""
    names, modules = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("gradio.", "gradio_client")):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "gradio":
            modules |= {alias.asname or alias.name: f"gradio.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith(("gradio.", "gradio_client"))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            names.add(f"{modules[node.value.id]}.{node.attr}")
    return {name for name in names if not name.startswith(PUBLIC)}


def private_attributes(tree):
    """The private attributes that a module uses and does not define itself."""
    used, defined = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            defined.add(node.attr)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
    return {name for name in used - defined - NOT_GRADIO if re.match("_[a-z]", name)}


@pytest.mark.parametrize("path", sorted(SERVER.glob("*.py")), ids=lambda path: path.name)
def test_every_internal_that_is_used_is_listed(path):
    rows = [row for row in ROWS if path.name in row.files]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name in imported_internals(tree):
        listed = {row.name for row in rows}
        assert {name, name.rpartition(".")[0]} & listed, f"{name} is not listed for {path.name}"
    for attribute in private_attributes(tree):
        assert any(re.search(rf"\b{attribute}`", row.reason) for row in rows), (
            f"{attribute} is not listed for {path.name}"
        )


def test_an_internal_that_is_not_listed_is_noticed():
    tree = ast.parse(
        "import gradio.wasm\nfrom gradio import routes, utils as u\nroutes.a; u.b\nx._secret\nself._own = 1"
    )
    assert imported_internals(tree) == {"gradio.wasm", "gradio.routes.a", "gradio.utils.b"}
    assert private_attributes(tree) == {"_secret"}
