"""What agents get: the endpoints as tools of the Model Context Protocol, their pictures as pictures, their numbers as JSON."""

import base64
import json
import mimetypes
import re
from contextlib import asynccontextmanager
from inspect import getdoc
from pathlib import Path

import gradio as gr
from gradio.mcp import GradioMCPServer
from gradio.processing_utils import add_root_url
from gradio_client.utils import is_file_obj_with_meta

HOW_TO_GIVE_A_PICTURE = (
    "Give a picture as an http(s) URL, as a data: URL (data:image/jpeg;base64,…), "
    "or as what the tool upload_file_to_gradio returns, where there is one."
)


def invite(page: gr.Blocks, lifespan):
    """Serve the page's public endpoints as tools too, where the package `mcp` is installed. Gives the lifespan to launch with.

    launch(mcp_server=True) would make Gradio's own server in place of ours; without it, launch serves the one it finds.
    """
    if not hasattr(GradioMCPServer, "StreamableHTTPSessionManager"):  # the last name that Gradio takes from `mcp`, if it can
        return lifespan
    tools = page.mcp_server_obj = Tools(page)

    @asynccontextmanager
    async def both(app):
        async with lifespan(app), tools.lifespan(app):
            yield

    return both


class Tools(GradioMCPServer):
    """Gradio's server of tools, handing over each output as what it is.

    Gradio's own makes one text in Python's notation of all outputs of a tool that has several, and of any gallery.
    """

    def postprocess_output_data(self, data, root_url):
        return [part for output in add_root_url(data, root_url, None) for part in self._parts(output)]

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

    def convert_strings_to_filedata(self, value, filedata_positions):
        """Gradio writes a picture sent as text to a file, and forgets it; what uploads are deleted with deletes this too."""
        taken = super().convert_strings_to_filedata(value, filedata_positions)
        inline = [name for name, sent in value.items() if isinstance(sent, str) and sent.startswith("data:")]
        self.blocks.upload_file_set.update(taken[name]["path"] for name in inline if is_file_obj_with_meta(taken[name]))
        return taken

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
    return isinstance(output, list) and any(is_file_obj_with_meta(value) or _in_a_gallery(value) or _holds_files(value) for value in output)
