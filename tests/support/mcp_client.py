"""An MCP client: the app's tools through the package `mcp`."""

import asyncio
import base64
import io
import re
from importlib.util import find_spec

import pytest
from live import ROOT
from PIL import Image

from explorer.photos import examples

CALLING = (ROOT / "docs/calling.md").read_text(encoding="utf-8")

STORY = examples.embedded().story.file


needs_mcp = pytest.mark.skipif(find_spec("mcp") is None, reason="the package mcp is not installed")


@pytest.fixture(scope="module")
def agent(app_url):
    """Calls the MCP server: `agent(tool, **arguments)`, or `agent()` for the list of tools."""
    address = re.search(r'"url": "(http://127\.0\.0\.1:7860/\S+)"', CALLING)[1].replace(
        "http://127.0.0.1:7860", app_url
    )

    async def ask(tool, arguments, progress):
        from mcp import ClientSession
        from mcp.client.streamable_http import streamable_http_client

        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            if tool is None:
                return (await session.list_tools()).tools
            return await session.call_tool(tool, arguments, progress_callback=progress)

    return lambda tool=None, progress=None, **arguments: asyncio.run(ask(tool, arguments, progress))


def inline(file):
    return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode()


def pictures(answer):
    return [Image.open(io.BytesIO(base64.b64decode(part.data))) for part in answer.content if part.type == "image"]


def texts(answer):
    return [part.text for part in answer.content if part.type == "text"]
