"""MCP server: the endpoints as tools of the Model Context Protocol, images as image content, numbers as JSON."""

import asyncio
import base64
import json
import logging
import mimetypes
import re
from contextlib import asynccontextmanager
from inspect import getdoc
from pathlib import Path

import gradio as gr
from gradio.mcp import GradioMCPServer
from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj_with_meta
from starlette.routing import Mount

from .errors import EXPECTED
from .in_process import UNANSWERED, call
from .mcp_messages import MAX_BYTES, MessageValidation
from .upload import Upload, decoded, save_for_download

PICTURE_HELP = (
    "Give a picture as an http(s) URL, as a data: URL (data:image/jpeg;base64,…) where the whole message stays "
    f"under {MAX_BYTES // 10**6} MB, or as what the tool upload_file_to_gradio returns, where there is one."
)
NOT_A_PICTURE = (
    "A picture is given as an address that begins with http, or as a data: URL; nothing else is opened here."
)
UNUSED_REQUESTS = ("ListResources", "ListResourceTemplates", "ReadResource", "ListPrompts", "GetPrompt")

logger = logging.getLogger(__name__)


def serve_tools(page: gr.Blocks, lifespan):
    """Serve the page's public endpoints as MCP tools too, if the package `mcp` is installed.

    Returns the lifespan for launch.

    launch(mcp_server=True) would make Gradio's own server in place of ours; without it, launch serves
    `page.mcp_server_obj`.
    """
    # the last name that Gradio imports from `mcp`, if it can
    if not hasattr(GradioMCPServer, "StreamableHTTPSessionManager"):
        return lifespan
    tools = page.mcp_server_obj = Tools(page)

    @asynccontextmanager
    async def combined(app):
        async with lifespan(app), tools.lifespan(app):
            yield

    return combined


class Tools(GradioMCPServer):
    """Gradio's MCP server, calling the app in process and returning each output as content of its type.

    Gradio's own calls the server over HTTP, waits 5 s for it, and keeps threads for each call; a picture sent as text
    it writes to a folder that it looks up too early; its errors repeat what was sent; and it makes one text in Python's
    notation of all outputs of a tool that has several, and of any gallery.
    """

    def create_mcp_server(self):
        server = super().create_mcp_server()
        for name in UNUSED_REQUESTS:  # there are none, and the error for one repeats what was requested
            del server.request_handlers[getattr(self.types, f"{name}Request")]
        server.request_handlers[self.types.CallToolRequest] = self._call
        return server

    def launch_mcp_on_sse(self, app, subpath, root_path):
        super().launch_mcp_on_sse(app, subpath, root_path)
        mount = app.router.routes[-1]
        assert isinstance(mount, Mount)
        mount.app = MessageValidation(mount.app, self.types)

    def get_fn_description(self, block_fn, tool_name):
        """The docstring's first part, how to give a picture, and the outputs, a line for each."""
        _, parameters = super().get_fn_description(block_fn, tool_name)
        _, pictures = self.get_input_schema(tool_name)
        summary, _, returned = (getdoc(block_fn.fn) or "").partition("\n\nReturns:\n")
        lines = [summary.partition("\n\nArgs:\n")[0]]
        if pictures:
            lines.append(PICTURE_HELP)
        if returned:
            outputs = re.split(r"\n\s*(?=\w+: )", returned)
            lines += ["Returns:", *("- " + " ".join(output.split()) for output in outputs)]
        return "\n".join(lines), parameters

    async def _call(self, request):
        """The result of a tool call, or one sentence."""
        try:
            content, is_error = await self._content(request.params.name, request.params.arguments or {}), False
        except EXPECTED as error:
            content, is_error = [self._text(str(error))], True
        except Exception:  # the package's server would send the agent Python's message
            logger.exception("A tool call failed")
            content, is_error = [self._text(UNANSWERED)], True
        return self.types.ServerResult(self.types.CallToolResult(content=content, isError=is_error))

    async def _content(self, name, arguments):
        selected = self.get_selected_tools_from_request()
        if name not in self.tool_to_endpoint or (selected is not None and name not in selected):
            raise ValueError("There is no such tool here; tools/list names those there are.")
        endpoint = self.tool_to_endpoint[name]
        function = self.get_block_fn_from_endpoint_name(endpoint)
        request = self.mcp_server.request_context.request
        assert function is not None  # the tool is known
        assert request is not None  # and was called over HTTP
        parameters = self.api_info["named_endpoints"][endpoint]["parameters"]
        names = [parameter["parameter_name"] for parameter in parameters]
        if not arguments.keys() <= set(names):
            raise ValueError(f"The tool {name} has no such argument; it takes {', '.join(names) or 'none'}.")
        values = [await self._value(*pair, arguments) for pair in zip(function.inputs, parameters)]
        outputs = await call(self.blocks.app, request.scope, function._id, values, self._progress_report())
        return [part for output in outputs for part in await asyncio.to_thread(self._parts, output)]

    async def _value(self, component, parameter, arguments):
        """One value as the endpoint takes it; all but pictures are validated there."""
        name = parameter["parameter_name"]
        if name not in arguments and not parameter["parameter_has_default"]:
            raise ValueError(f"The argument {name} is missing.")
        value = arguments.get(name, parameter.get("parameter_default"))
        if isinstance(component, Upload) and value is not None:
            return await asyncio.to_thread(self._picture, value)
        return value

    def _picture(self, sent):
        """A picture's URL, or for a data: URL the path of its file, which is deleted with the uploads."""
        if not isinstance(sent, str) or not sent.startswith(("data:", "http://", "https://")):
            raise ValueError(NOT_A_PICTURE)
        if sent.startswith("data:"):
            sent = save_for_download(decoded(sent), "photo", get_upload_folder())
            self.blocks.upload_file_set.add(sent)
        return {"path": sent, "meta": {"_type": "gradio.FileData"}}

    def _progress_report(self):
        """A callback that sends progress notifications, if the agent wants them."""
        context = self.mcp_server.request_context
        token = context.meta and context.meta.progressToken
        if token is None:
            return None
        largest = -1.0

        async def report(fraction, task):
            nonlocal largest
            if fraction > largest:  # the protocol requires increasing values
                largest = fraction
                await context.session.send_progress_notification(token, fraction, 1.0, task, str(context.request_id))

        return report

    def _parts(self, output):
        """An output as MCP content."""
        if is_file_obj_with_meta(output):
            return [self._file(output)]
        if _is_gallery_item(output):
            return [self._text(output["caption"] or ""), self._file(output["image"])]
        if _holds_files(output):
            return [part for value in output for part in self._parts(value)]
        return [self._text(json.dumps(output, ensure_ascii=False))]

    def _file(self, file):
        """A picture's own bytes, since encoding it again would change its colours; any other file's URL."""
        mime_type = mimetypes.guess_type(file["path"])[0] or ""
        if not mime_type.startswith("image/"):
            return self._text(file["url"])
        data = base64.b64encode(Path(file["path"]).read_bytes()).decode()
        return self.types.ImageContent(type="image", data=data, mimeType=mime_type)

    def _text(self, text):
        return self.types.TextContent(type="text", text=text)


def _is_gallery_item(output):
    return isinstance(output, dict) and is_file_obj_with_meta(output.get("image"))


def _holds_files(output):
    return isinstance(output, list) and any(
        is_file_obj_with_meta(value) or _is_gallery_item(value) or _holds_files(value) for value in output
    )
