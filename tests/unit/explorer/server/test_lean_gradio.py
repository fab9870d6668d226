"""Gradio without its interface files and matplotlib: components as before, and nothing written or imported."""

import json
import subprocess
import sys

import pytest
from live import ROOT

COMPONENT = "import gradio as gr\n\n\nclass Mine(gr.Image):\n    EVENTS = ['click']\n"
PROGRAM = """
import json, sys
from explorer.server import lean_gradio
if {lean}:
    lean_gradio.skip_interface_files()
import gradio as gr
if {lean}:
    assert not any(type(finder).__module__ == lean_gradio.__name__ for finder in sys.meta_path)
    lean_gradio.skip_matplotlib()
sys.path.insert(0, {folder!r})
import mine
with gr.utils.MatplotlibBackendMananger():
    pass
components = gr.components.base.Component.__subclasses__()
kinds = {{kind.__name__: [str(event) for event in kind.EVENTS] for kind in components}}
methods = [str(type(getattr(mine.Mine, event))) for event in mine.Mine.EVENTS]
print(json.dumps([kinds, methods, "matplotlib" in sys.modules]))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of a process with Gradio as it comes and one with it lean: what components there are, and what was written."""

    def run(lean):
        folder = tmp_path_factory.mktemp("lean" if lean else "usual")
        (folder / "mine.py").write_text(COMPONENT)
        program = PROGRAM.format(lean=lean, folder=str(folder))
        ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        return [*json.loads(ended.stdout), sorted(file.name for file in folder.glob("mine.py*"))]

    return run(False), run(True)


def test_no_interface_file_is_written(results):
    (usual_kinds, usual_methods, _, usual_files), (kinds, methods, _, files) = results
    assert usual_files == ["mine.py", "mine.pyi"] and files == ["mine.py"]
    assert len(kinds) > 30 and (kinds, methods) == (usual_kinds, usual_methods)


def test_matplotlib_is_not_imported(results):
    """Where it is installed: Gradio imports it at the first event."""
    assert results[1][2] is False
