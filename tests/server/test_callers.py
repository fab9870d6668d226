"""Callers other than gradio_client: agents over the Model Context Protocol, and whoever reads the OpenAPI description."""

import base64
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import gradio as gr
import pytest
from gradio.mcp import GradioMCPServer
from live import ROOT
from mcp_client import STORY, agent, inline, needs_mcp, pictures, texts  # noqa: F401 (a fixture)

import potplants
from explorer.server import mcp_tools as agents

ENDPOINTS = ["explain", "heatmaps", "models", "step_by_step", "what_if", "audit", "trust"]


@needs_mcp
def test_the_tools_are_the_endpoints_and_say_what_they_do(agent):
    tools = agent()
    assert [tool.name for tool in tools] == ENDPOINTS  # no event of the page is among them
    for tool in tools:
        assert re.match(r"[A-Z].{40,}\.(\n|$)", tool.description), tool.description
        assert "Args:" not in tool.description and not re.search(r",,|\. ?\.|, (and|with) *,", tool.description)
        assert ("data: URL" in tool.description) == ("image" in tool.inputSchema["properties"])
        for name, parameter in tool.inputSchema["properties"].items():
            assert len(parameter["description"]) > 10, (tool.name, name)
        assert tool.inputSchema.get("required", []) == (["image"] if "image" in tool.inputSchema["properties"] else [])
    described = {tool.name: tool.description for tool in tools}
    assert len(re.findall(r"^- \w+: ", described["what_if"], re.MULTILINE)) == 3  # photo, gallery, report


@needs_mcp
@pytest.mark.parametrize(
    "followed", [False, True], ids=["quietly", "with progress"]
)  # Gradio has a way of its own for each
def test_pictures_come_as_pictures_and_numbers_as_json(agent, followed):
    async def progress(*_): ...

    answer = agent("explain", image=inline(STORY), base="photo", progress=progress if followed else None)
    assert not answer.isError
    *captions, report = texts(answer)
    assert [picture.size for picture in pictures(answer)] == [(256, 256)] * 20
    assert (
        captions[0].startswith("Rudo · conv1")
        and captions[-1].startswith("Mixture · all layers")
        and len(captions) == 20
    )
    assert [part.type for part in answer.content[:2]] == ["text", "image"]  # what it is, then the picture
    report = json.loads(report)
    assert report["predicted"] == "baya" and len(report["cells"]) == 15
    assert all(isinstance(entry["logit"], float) for entry in report["classes"])


@needs_mcp
def test_a_picture_alone_a_list_and_a_file_come_as_what_they_are(agent):
    answer = agent("what_if", image=inline(STORY), region="pot", edit="repaint", colour="red")
    kinds = [part.type for part in answer.content]
    assert kinds == ["image", "text", "image", "text", "image", "text"] and answer.content[0].mimeType == "image/png"
    assert json.loads(texts(answer)[-1])["after"]["predicted"] == "rudo"
    assert [model["name"] for model in json.loads(texts(agent("models"))[0])] == list(potplants.MODELS)
    (file,) = texts(agent("heatmaps", image=inline(STORY)))
    with urllib.request.urlopen(file) as evidence:
        assert evidence.read(2) == b"PK"  # an .npz is a zip


@needs_mcp
def test_the_pictures_are_the_bytes_that_were_drawn(agent, app_url):
    """Gradio's way would encode each JPEG a second time."""
    from gradio_client import Client, handle_file

    gallery, _ = Client(app_url, verbose=False).predict(image=handle_file(STORY), api_name="/explain")
    sent = next(part for part in agent("explain", image=inline(STORY)).content if part.type == "image")
    assert base64.b64decode(sent.data) == Path(gallery[0]["image"]).read_bytes()


@needs_mcp
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"image": "data:image/jpeg;base64,AAAA"}, "not a photo"),
        ({"image": "/etc/hostname"}, "begins with http"),
        ({"image": "http://127.0.0.1:9/photo.jpg"}, "could not be fetched"),
        ({"image": inline(STORY), "model": "pot_plant_classifier"}, "Hub"),
        ({"image": inline(STORY), "method": "Grad-Cam"}, "Grad-CAM"),
        ({}, "image"),
    ],
)
def test_an_agents_mistake_is_told_in_a_sentence(agent, wrong, told):
    answer = agent("explain", **wrong)
    assert answer.isError and told in texts(answer)[0] and "Traceback" not in texts(answer)[0]


def test_without_the_package_the_page_is_served_as_it_is(monkeypatch):
    monkeypatch.delattr(
        GradioMCPServer, "StreamableHTTPSessionManager", raising=False
    )  # as Gradio leaves it without `mcp`
    page, lifespan = gr.Blocks(), object()
    assert agents.serve_tools(page, lifespan) is lifespan and page.mcp_server_obj is None


@pytest.fixture(scope="module")
def description(app_url):
    with urllib.request.urlopen(f"{app_url}/gradio_api/openapi.json") as answer:
        return json.load(answer)


def test_the_openapi_description_is_valid_and_whole(description):
    from openapi_spec_validator import validate

    validate(description)
    assert {f"/gradio_api/call/v2/{name}" for name in ENDPOINTS} < set(description["paths"])
    assert all(method["summary"] for path in description["paths"].values() for method in path.values())


def test_no_generated_request_brings_a_server_error(app_url):
    """Some seconds of Schemathesis; the README has the long run. Without /audit, where any good request keeps the shared server busy."""
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", ROOT / "tests/callers/schemathesis.toml"]
    command += ["run", f"{app_url}/gradio_api/openapi.json", "--url", app_url, "--checks", "not_a_server_error"]
    command += ["--include-method", "POST", "--exclude-path-regex", "audit", "--phases", "coverage,fuzzing"]
    command += [
        "--max-examples",
        "5",
        "--request-timeout",
        "60",
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--no-color",
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout[-4000:]
    assert int(re.search(r"(\d+) generated", found.stdout)[1]) > 100


@pytest.mark.parametrize(
    ("path", "sent", "status", "told"),
    [
        ("call/v2/explain", b"{}", 422, "image"),
        ("call/v2/models", b'{"nope": 1}', 422, "takes none"),
        ("call/v2/audit", b"[]", 422, "dictionary"),
        ("call/v2/nope", b"{}", 404, "no such endpoint"),
        ("call/nope", b'{"data": []}', 404, "no such endpoint"),
        ("run/nope", b'{"data": []}', 404, "no such endpoint"),
        ("queue/join", b'{"data": [], "fn_index": 9999, "session_hash": "s"}', 404, "no such endpoint"),
    ],
)
def test_a_request_that_cannot_be_read_is_the_callers_mistake(app_url, path, sent, status, told):
    request = urllib.request.Request(f"{app_url}/gradio_api/{path}", sent, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    assert refusal.value.code == status and told in str(json.load(refusal.value)["detail"])


def test_an_upload_without_a_file_is_the_callers_mistake(app_url):
    form = b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nwords\r\n--b--\r\n'
    request = urllib.request.Request(
        f"{app_url}/gradio_api/upload", form, {"Content-Type": "multipart/form-data; boundary=b"}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    assert refusal.value.code == 400 and "files" in json.load(refusal.value)["detail"]
