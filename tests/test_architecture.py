"""The rooms and the doors between them: imports run one way, and each public door is the one that was promised."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {  # room → rooms of this house it may know
    "gradcam": set(),
    "potplants": set(),
    "explorer": {"gradcam", "potplants"},
    "maker": set(),
    "app": {"explorer", "potplants"},
}
NOT_FOR = {  # room → libraries it must do without
    "gradcam": {"gradio", "huggingface_hub", "PIL", "safetensors"},
    "potplants": {"gradio"},
    "explorer": {"huggingface_hub"},
    "app": {"torch"},
}


def files(room):
    return [ROOT / "app.py"] if room == "app" else sorted((ROOT / room).rglob("*.py"))


def imported(file):
    """The top-level names a file imports absolutely; relative imports stay in the room."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_one_way(room):
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[room] - {room} | NOT_FOR.get(room, set())
    assert files(room)
    for file in files(room):
        assert not imported(file) & forbidden, file


def test_gradio_is_known_to_the_page_and_its_tabs_only():
    knows = {str(file.relative_to(ROOT / "explorer")) for file in files("explorer") if "gradio" in imported(file)}
    assert knows and all(name == "page.py" or name.startswith("tabs/") for name in knows)


@pytest.mark.parametrize(
    ("room", "strangers"),
    [("gradcam", ["gradio", "potplants", "explorer", "huggingface_hub"]), ("potplants", ["gradio", "gradcam", "explorer"])],
)
def test_a_room_imported_alone_brings_no_stranger(room, strangers):
    code = f"import sys, {room}; print([name for name in {strangers} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_first_heatmap_imports_no_compiler():
    """Torch would import its own, a second's work, for any dispatch mode that does not decline; the mode is there for large Linears."""
    code = "import sys, torch, potplants, gradcam; model = potplants.CNN(); assert any(p.numel() >= 1 << 20 for p in model.parameters());"
    code += "gradcam.Explainer(model).explain(torch.rand(1, 3, 256, 256), [0, 1]); print('torch._dynamo' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_what_gradcam_offers():
    import gradcam

    assert set(gradcam.__all__) == {
        *("Explainer", "Explanation", "METHODS", "Cancelled", "suggest_layers", "Suggestion"),
        *("Anatomy", "take_apart", "guided_backpropagation", "guided_grad_cam"),
        *("combine_rescaled", "combine_evidence", "peaks", "empty"),
        *("overlay", "colour_table", "COLORMAPS", "SCALES", "edge_map"),
        *("faithfulness", "cascading_randomisation", "occlusion"),
    }
    assert all(hasattr(gradcam, name) for name in gradcam.__all__)


def test_what_potplants_offers():
    import potplants

    assert {"load", "CLASSES", "CNN", "CNNWithGAP", "MODELS", "choose", "availability"} <= set(potplants.__all__)
    assert all(hasattr(potplants, name) for name in potplants.__all__)
    assert potplants.CLASSES == ("rudo", "baya", "greg", "yuki")


def test_every_file_says_what_it_holds():
    for room in MAY_IMPORT:
        for file in files(room):
            assert ast.get_docstring(ast.parse(file.read_text())), file
