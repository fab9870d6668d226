"""The MCP tools, through the protocol's own client: descriptions, content types, errors."""

import base64
import json
import re
import urllib.request
from pathlib import Path

import gradio as gr
import pytest
from gradio.mcp import GradioMCPServer
from mcp_client import STORY, agent, inline, needs_mcp, pictures, texts  # noqa: F401 (agent is a fixture)

import potplants
from explorer.server import mcp_tools

ENDPOINTS = ["explain", "heatmaps", "models", "step_by_step", "what_if", "audit", "trust"]


@needs_mcp
def test_the_tools_are_the_described_endpoints(agent):  # noqa: F811 (the fixture)
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
# Gradio handles each in its own way
@pytest.mark.parametrize("with_progress", [False, True], ids=["without progress", "with progress"])
def test_pictures_are_image_content_and_reports_json(agent, with_progress):  # noqa: F811 (the fixture)
    async def progress(*_): ...

    answer = agent("explain", image=inline(STORY), base="photo", progress=progress if with_progress else None)
    assert not answer.isError
    *captions, report = texts(answer)
    assert [picture.size for picture in pictures(answer)] == [(256, 256)] * 20
    assert len(captions) == 20
    assert captions[0].startswith("Rudo · conv1") and captions[-1].startswith("Mixture · all layers")
    assert [part.type for part in answer.content[:2]] == ["text", "image"]  # the caption, then the picture
    report = json.loads(report)
    assert report["predicted"] == "baya" and len(report["cells"]) == 15
    assert all(isinstance(entry["logit"], float) for entry in report["classes"])


@needs_mcp
def test_single_pictures_lists_and_files(agent):  # noqa: F811 (the fixture)
    answer = agent("what_if", image=inline(STORY), region="pot", edit="repaint", colour="red")
    kinds = [part.type for part in answer.content]
    assert kinds == ["image", "text", "image", "text", "image", "text"] and answer.content[0].mimeType == "image/png"
    assert json.loads(texts(answer)[-1])["after"]["predicted"] == "rudo"
    assert [model["name"] for model in json.loads(texts(agent("models"))[0])] == [*potplants.MODELS, "imagenet"]
    (file,) = texts(agent("heatmaps", image=inline(STORY)))
    with urllib.request.urlopen(file) as evidence:
        assert evidence.read(2) == b"PK"  # an .npz is a zip


@needs_mcp
def test_pictures_are_not_encoded_again(agent, app_url):  # noqa: F811 (the fixture)
    """As Gradio's own MCP server would encode each JPEG."""
    from gradio_client import Client, handle_file

    gallery, _ = Client(app_url, verbose=False).predict(image=handle_file(STORY), api_name="/explain")
    sent = next(part for part in agent("explain", image=inline(STORY)).content if part.type == "image")
    assert base64.b64decode(sent.data) == Path(gallery[0]["image"]).read_bytes()


@needs_mcp
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"image": "data:image/jpeg;base64,AAAA"}, "not a photo"),
        ({"image": "/etc/hostname"}, "begins with http"),
        ({"image": "http://127.0.0.1:9/photo.jpg"}, "could not be fetched"),
        ({"image": inline(STORY), "model": "pot_plant_classifier"}, "Hub"),
        ({"image": inline(STORY), "method": "Grad-Cam"}, "Grad-CAM"),
        ({}, "image"),
    ],
)
def test_an_invalid_argument_is_one_sentence(agent, wrong, words):  # noqa: F811 (the fixture)
    answer = agent("explain", **wrong)
    assert answer.isError and words in texts(answer)[0] and "Traceback" not in texts(answer)[0]


def test_without_the_package_mcp_the_lifespan_is_unchanged(monkeypatch):
    # as Gradio is without `mcp`
    monkeypatch.delattr(GradioMCPServer, "StreamableHTTPSessionManager", raising=False)
    page, lifespan = gr.Blocks(), object()
    assert mcp_tools.serve_tools(page, lifespan) is lifespan and page.mcp_server_obj is None
