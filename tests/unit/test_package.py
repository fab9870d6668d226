"""`pip install .` gives gradcam to any other program, with its types and its licence, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile

from live import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_wheel_holds_gradcam_and_nothing_else(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        tmp_path,
    ]
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / "gradcam").symlink_to(ROOT / "gradcam")
    subprocess.run([*command, copy], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("gradcam-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    modules = {name for name in names if not name.startswith(f"gradcam-{PROJECT['version']}.dist-info/")}
    assert modules == {f"gradcam/{path.name}" for path in (ROOT / "gradcam").iterdir() if path.is_file()}
    assert "gradcam/py.typed" in modules and any(name.endswith("licenses/LICENSE") for name in names)


def test_the_version_is_in_the_changelog():
    assert f"## {PROJECT['version']} — 20" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_gradcam_needs_is_what_the_app_pins():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for needed in PROJECT["dependencies"]:
        assert needed.partition(">")[0] in pins
