"""README and docs: the Python, JavaScript and curl examples run as printed, the head configures a Space."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from live import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = [
    README,
    *(
        (ROOT / "docs" / name).read_text(encoding="utf-8")
        for name in ("calling.md", "classifiers.md", "using-gradcam.md")
    ),
]
CALLERS = ROOT / "tests/callers"


def snippets(language):
    return list(
        dict.fromkeys(code for text in SHOWN for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))
    )


SNIPPETS = snippets("python")


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_snippets_run(number, app_url, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(SNIPPETS[number].replace("http://127.0.0.1:7860", app_url), f"README snippet {number}", "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    for announced in re.findall(r"# (\w+(?: → \w+)?)(?: —|:)", SNIPPETS[number]):  # in the snippet's comments
        assert announced in printed


def test_there_are_snippets():
    assert len(SNIPPETS) >= 3


def run(command, **options):
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def npm_packages():
    """node_modules with the package, installed once, in the version that tests/callers pins."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(
            "no node and npm on this machine: install Debian's packages nodejs and npm to run the README's JavaScript"
        )
    wanted = json.loads((CALLERS / "package.json").read_text())["dependencies"]["@gradio/client"]
    there = CALLERS / "node_modules/@gradio/client/package.json"
    if not there.is_file() or json.loads(there.read_text())["version"] != wanted:
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
        process = subprocess.run(["npm", "install", *options], cwd=CALLERS, capture_output=True, text=True, check=False)
        if process.returncode:
            pytest.skip(f"npm could not fetch @gradio/client: {process.stderr.strip()[:200]}")
    return CALLERS / "node_modules"


def test_the_javascript_runs(app_url, npm_packages, tmp_path):
    (script,) = snippets("javascript")
    (tmp_path / "node_modules").symlink_to(npm_packages)
    (tmp_path / "ask.mjs").write_text(script.replace("http://127.0.0.1:7860", app_url))
    predicted, picture = run(["node", tmp_path / "ask.mjs"]).splitlines()
    assert predicted == re.search(r"report\.predicted\);\s+// (\w+)", script)[1]
    assert re.fullmatch(rf"Baya · conv3 · peak \S+ {app_url}/\S+/baya-conv3\.jpg", picture)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine: install Debian's package curl")
def test_the_curl_commands_run(app_url):
    (script,) = [block for block in snippets("bash") if "curl" in block]
    event, data = (
        run(["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:7860", app_url)]).strip().splitlines()
    )
    gallery, report = json.loads(data.removeprefix("data: "))
    assert event == "event: complete" and len(gallery) == 20 and report["predicted"] == "baya"


def test_the_readmes_head_configures_a_space():
    head = yaml.safe_load(README.split("---")[1])
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().split() if "==" in line)
    assert head["sdk"] == "gradio" and head["app_file"] == "app.py"
    assert head["sdk_version"] == pins["gradio"]
    assert head["python_version"] in ("3.10", "3.12")  # ZeroGPU documents no other
    assert pins["torch"] in ("2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.1", "2.13.0")  # nor others than these
    assert (ROOT / head["app_file"]).is_file()
    assert len(head["short_description"]) <= 60
    assert all(entry.split()[0] in head["models"] for entry in head["preload_from_hub"])


def test_every_package_is_named_with_its_reason():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.split("[=<>]", line)[0]
        assert re.search(rf"^\| {name}\b.* \| \S", README, re.MULTILINE), name


def test_the_readme_is_short_and_no_line_is_long():
    assert README.count("\n") <= 150
    for text in (
        *SHOWN,
        (ROOT / "docs/deploying.md").read_text(encoding="utf-8"),
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    ):
        assert [line for line in text.splitlines() if len(line) > 120] == []
