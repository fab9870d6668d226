"""What may go wrong by a visitor's doing, and how a caller hears of it."""

import logging
import re
from contextlib import contextmanager

import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from potplants import HubError, WeightsError

from ..folder import FULL
from .patience import TooLong

EXPECTED = (ValueError, HubError, WeightsError, TooLong)  # PhotoError is a ValueError; each carries one sentence for the visitor

log = logging.getLogger("uvicorn.error")  # where the server's own words go

NO_ROOM = "The server has no room for files just now; try again in an hour."


@contextmanager
def as_sentence():
    """Turn an expected failure into the one sentence a client sees in its error."""
    try:
        yield
    except EXPECTED as error:
        raise gr.Error(str(error), print_exception=False) from None


@contextmanager
def room_for_files():
    """Tell a caller whose answer cannot be written; whatever Gradio wrote of it by half has no name that anybody was given."""
    try:
        yield
    except Exception as error:  # Gradio wraps what happens in a component
        if any(isinstance(cause, OSError) and cause.errno in FULL for cause in (error, error.__cause__)):
            raise gr.Error(NO_ROOM, print_exception=False) from None
        raise


_NO_ENDPOINT = "There is no such endpoint; /gradio_api/info names those there are."
_NO_FILE = "Send files as multipart/form-data, each in a field named files and with a file name."
_MISTAKES = (  # where, what Gradio 6.31 fails with when the caller is wrong, and what it is to be called instead of a bare 500
    (r"/gradio_api/call/v2/", TypeError, 422, None),  # a parameter is missing or unknown: Gradio's own sentence names it
    (r"/gradio_api/(call|run|queue)/", (KeyError, FnIndexInferError), 404, _NO_ENDPOINT),
    (r"/gradio_api/upload", (TypeError, AttributeError), 400, _NO_FILE),
)


async def _as_mistake(request, error):
    """Answer a request that Gradio could not read: the caller is mistaken, the server is not at fault."""
    for place, kind, status, sentence in _MISTAKES:
        if re.search(place, request.url.path) and isinstance(error, kind):
            return JSONResponse({"detail": sentence or _first_sentence(error)}, status)
    raise error


async def _as_no_room(request, error):
    """Answer an upload that could not be written."""
    if error.errno in FULL:
        return JSONResponse({"detail": NO_ROOM}, 503)
    raise error


async def _as_gone(request, error):
    """Nobody is there to be answered; what came of an upload is swept away with its age."""
    log.warning("A caller hung up in the middle of a message.")
    return Response(status_code=400)


def _first_sentence(error):
    return str(error).partition(". ")[0][:200].rstrip(".") + "."


UNREADABLE = dict.fromkeys((TypeError, KeyError, AttributeError, FnIndexInferError), _as_mistake)
UNREADABLE |= {OSError: _as_no_room, ClientDisconnect: _as_gone}  # launch's exception handlers
