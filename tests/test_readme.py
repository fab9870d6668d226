"""The README keeps its word: its Python runs as it stands, its head is a Space's configuration."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_the_snippets_run(number, app_url, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(SNIPPETS[number].replace("http://127.0.0.1:7860", app_url), f"README snippet {number}", "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    for said in re.findall(r"# (\w+(?: → \w+)?)(?: —|:)", SNIPPETS[number]):  # what the snippet's comments say is printed
        assert said in printed


def test_there_are_snippets():
    assert len(SNIPPETS) >= 3


def test_the_head_configures_a_space():
    head = yaml.safe_load(README.split("---")[1])
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().split() if "==" in line)
    assert head["sdk"] == "gradio" and head["app_file"] == "app.py"
    assert head["sdk_version"] == pins["gradio"]
    assert (ROOT / head["app_file"]).is_file()
    assert len(head["short_description"]) <= 60
    assert all(entry.split()[0] in head["models"] for entry in head["preload_from_hub"])


def test_every_package_is_named_with_its_reason():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.split("[=<>]", line)[0]
        assert re.search(rf"^\| {name}\b.* \| \S", README, re.MULTILINE), name
