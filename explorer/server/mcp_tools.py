"""What agents get: the endpoints as tools of the Model Context Protocol, their pictures as pictures, their numbers as JSON."""

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

from .errors import EXPECTED
from .in_process import UNSAID, ask
from .mcp_messages import MOST_BYTES, Protocol
from .upload import Upload, decoded, save_for_download

HOW_TO_GIVE_A_PICTURE = (
    "Give a picture as an http(s) URL, as a data: URL (data:image/jpeg;base64,…) where the whole message stays "
    f"under {MOST_BYTES // 10**6} MB, or as what the tool upload_file_to_gradio returns, where there is one."
)
NO_PICTURE = "A picture is given as an address that begins with http, or as a data: URL; nothing else is opened here."
UNUSED = ("ListResources", "ListResourceTemplates", "ReadResource", "ListPrompts", "GetPrompt")

log = logging.getLogger(__name__)


def serve_tools(page: gr.Blocks, lifespan):
    """Serve the page's public endpoints as tools too, where the package `mcp` is installed. Gives the lifespan to launch with.

    launch(mcp_server=True) would make Gradio's own server in place of ours; without it, launch serves the one it finds.
    """
    if not hasattr(
        GradioMCPServer, "StreamableHTTPSessionManager"
    ):  # the last name that Gradio takes from `mcp`, if it can
        return lifespan
    tools = page.mcp_server_obj = Tools(page)

    @asynccontextmanager
    async def both(app):
        async with lifespan(app), tools.lifespan(app):
            yield

    return both


class Tools(GradioMCPServer):
    """Gradio's server of tools, asking the app in another way and handing over each output as what it is.

    Gradio's own calls the server over HTTP, waits 5 s for it, and keeps threads for each call; a picture sent as text it writes
    to a folder that it looks up too early; its errors repeat what was sent; and it makes one text in Python's notation of all
    outputs of a tool that has several, and of any gallery.
    """

    def create_mcp_server(self):
        server = super().create_mcp_server()
        for name in UNUSED:  # there are none, and to ask for one is answered with what was asked for
            del server.request_handlers[getattr(self.types, f"{name}Request")]
        server.request_handlers[self.types.CallToolRequest] = self._call
        return server

    def launch_mcp_on_sse(self, app, subpath, root_path):
        super().launch_mcp_on_sse(app, subpath, root_path)
        mounted = app.router.routes[-1]
        mounted.app = Protocol(mounted.app, self.types)

    def get_fn_description(self, block_fn, tool_name):
        """What the docstring says first, how to give a picture, and what comes back, a line for each output."""
        _, parameters = super().get_fn_description(block_fn, tool_name)
        _, pictures = self.get_input_schema(tool_name)
        what, _, returned = getdoc(block_fn.fn).partition("\n\nReturns:\n")
        lines = [what.partition("\n\nArgs:\n")[0]]
        if pictures:
            lines.append(HOW_TO_GIVE_A_PICTURE)
        if returned:
            outputs = re.split(r"\n\s*(?=\w+: )", returned)
            lines += ["Returns:", *("- " + " ".join(output.split()) for output in outputs)]
        return "\n".join(lines), parameters

    async def _call(self, asked):
        """The answer to a call of a tool, or one sentence."""
        try:
            content, wrong = await self._answer(asked.params.name, asked.params.arguments or {}), False
        except EXPECTED as error:
            content, wrong = [self._text(str(error))], True
        except Exception:  # the protocol's server would tell the agent of it in Python's words
            log.exception("A tool could not be answered")
            content, wrong = [self._text(UNSAID)], True
        return self.types.ServerResult(self.types.CallToolResult(content=content, isError=wrong))

    async def _answer(self, name, arguments):
        selected = self.get_selected_tools_from_request()
        if name not in self.tool_to_endpoint or (selected is not None and name not in selected):
            raise ValueError("There is no such tool here; tools/list names those there are.")
        endpoint = self.tool_to_endpoint[name]
        function = self.get_block_fn_from_endpoint_name(endpoint)
        parameters = self.api_info["named_endpoints"][endpoint]["parameters"]
        names = [parameter["parameter_name"] for parameter in parameters]
        if not arguments.keys() <= set(names):
            raise ValueError(f"The tool {name} has no such argument; it takes {', '.join(names) or 'none'}.")
        values = [await self._value(*pair, arguments) for pair in zip(function.inputs, parameters)]
        outputs = await ask(
            self.blocks.app, self.mcp_server.request_context.request.scope, function._id, values, self._telling()
        )
        return [part for output in outputs for part in await asyncio.to_thread(self._parts, output)]

    async def _value(self, component, parameter, arguments):
        """One value as the endpoint takes it; but for pictures, the door judges them all."""
        name = parameter["parameter_name"]
        if name not in arguments and not parameter["parameter_has_default"]:
            raise ValueError(f"The argument {name} is missing.")
        value = arguments.get(name, parameter.get("parameter_default"))
        return (
            await asyncio.to_thread(self._picture, value)
            if isinstance(component, Upload) and value is not None
            else value
        )

    def _picture(self, sent):
        """A picture's address, or its path in the upload folder, where what is sent as text is deleted with the uploads."""
        if not isinstance(sent, str) or not sent.startswith(("data:", "http://", "https://")):
            raise ValueError(NO_PICTURE)
        if sent.startswith("data:"):
            sent = save_for_download(decoded(sent), "photo", get_upload_folder())
            self.blocks.upload_file_set.add(sent)
        return {"path": sent, "meta": {"_type": "gradio.FileData"}}

    def _telling(self):
        """What sends on how far the work is, if the agent wants to know."""
        context = self.mcp_server.request_context
        token = context.meta and context.meta.progressToken
        if token is None:
            return None
        furthest = -1.0

        async def tell(part, task):
            nonlocal furthest
            if part > furthest:  # the protocol knows no way back
                furthest = part
                await context.session.send_progress_notification(token, part, 1.0, task, str(context.request_id))

        return tell

    def _parts(self, output):
        if is_file_obj_with_meta(output):
            return [self._file(output)]
        if _in_a_gallery(output):
            return [self._text(output["caption"] or ""), self._file(output["image"])]
        if _holds_files(output):
            return [part for value in output for part in self._parts(value)]
        return [self._text(json.dumps(output, ensure_ascii=False))]

    def _file(self, file):
        """A picture's own bytes, since encoding it again would change its colours; of any other file its address."""
        kind = mimetypes.guess_type(file["path"])[0] or ""
        if not kind.startswith("image/"):
            return self._text(file["url"])
        data = base64.b64encode(Path(file["path"]).read_bytes()).decode()
        return self.types.ImageContent(type="image", data=data, mimeType=kind)

    def _text(self, text):
        return self.types.TextContent(type="text", text=text)


def _in_a_gallery(output):
    return isinstance(output, dict) and is_file_obj_with_meta(output.get("image"))


def _holds_files(output):
    return isinstance(output, list) and any(
        is_file_obj_with_meta(value) or _in_a_gallery(value) or _holds_files(value) for value in output
    )
