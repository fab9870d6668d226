"""docs/threats.md: each test that it leans on is there, by the name that it gives."""

import ast
import re

from live import ROOT


def test_every_test_that_is_named_is_there():
    named = re.findall(
        r"`((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?`", (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    )
    assert len(named) > 20
    for file, name in named:
        tree = ast.parse(_found(file).read_text(encoding="utf-8"))
        assert not name or name in {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }, (file, name)


def _found(file):
    (there,) = (ROOT / "tests").rglob(file)
    return there
