"""What is relied on inside Gradio is as it was when it was read: explorer/server/GRADIO.md says what that is, and why."""

import hashlib
import importlib
import inspect
import re

import gradio
import pytest
from live import ROOT

TABLE = (ROOT / "explorer/server/GRADIO.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(gradio[\w.]*)` \| `(\w{8})` \| ([\w., ]+) \|", TABLE, re.MULTILINE)


def found(name):
    """A module, or what is in one."""
    parts = name.split(".")
    try:
        return importlib.import_module(name)
    except ImportError:
        return getattr(found(".".join(parts[:-1])), parts[-1])


def test_it_is_about_the_version_that_is_here():
    assert f"Gradio {gradio.__version__}" in TABLE and f"gradio=={gradio.__version__}" in (
        ROOT / "requirements.txt"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "digest"), [row[:2] for row in ROWS])
def test_it_is_as_it_was_read(name, digest):
    source = inspect.getsource(found(name))
    assert hashlib.sha256(source.encode()).hexdigest()[:8] == digest, (
        f"{name} has changed: read it again, see that what {TABLE.splitlines()[0][2:]} says of it holds, and write the new digest there"
    )


def test_each_is_relied_on_where_it_is_said_to_be():
    assert len(ROWS) == TABLE.count("\n| `")
    for name, _, files in ROWS:
        for file in files.split(", "):
            assert (ROOT / "explorer/server" / file).is_file(), (name, file)


def test_what_is_imported_from_inside_is_named():
    """By the modules that stand between strangers and Gradio."""
    for module in ("errors", "limits", "multipart", "queue", "routes", "sessions", "validation", "values"):
        text = (ROOT / f"explorer/server/{module}.py").read_text(encoding="utf-8")
        for source, names in re.findall(r"^from (gradio\.[\w.]+) import (.+)$", text, re.MULTILINE):
            for name in names.split(", "):
                known = {f"{source}.{name}", source} & {row[0] for row in ROWS}
                assert known or name == "get_upload_folder", (module, source, name)
