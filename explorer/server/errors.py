"""What may go wrong by a visitor's doing, and how a caller hears of it: one sentence, in which nothing of what was sent comes back."""

import logging
import traceback
from contextlib import contextmanager

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from potplants import HubError, WeightsError

from .cancellation import TooLong
from .run_directory import FULL

EXPECTED = (
    ValueError,
    HubError,
    WeightsError,
    TooLong,
)  # PhotoError is a ValueError; each carries one sentence for the visitor

log = logging.getLogger("uvicorn.error")  # where the server's own words go

BUSY = "The server is busy just now; please try again in a minute."
NO_ROOM = "The server has no room for files just now; try again in an hour."
BROKEN = "Something went wrong on the server; please try again."
NOTHING = "There is nothing here."
NO_ENDPOINT = "There is no such endpoint; /gradio_api/info names those there are."
NO_FILE = "Send files as multipart/form-data, each in a field named files and with a file name."
AGAIN = {"retry_after": "60"}  # seconds, with what is refused for now only

BY_STATUS = {  # in place of what Gradio says, which may repeat a path or a name that was sent
    400: "This request cannot be read.",
    401: "Nobody is known here by name.",
    403: "There is no such file here, or it is not for visitors.",
    404: NOTHING,
    405: "This cannot be asked for in that way.",
    413: "This message is too large.",
    416: "The file has no such part.",
}


class Refused(Exception):
    """What a caller asked for is not done: a status, and one sentence that says why."""

    def __init__(self, status: int, sentence: str, **headers: str):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = (
            status,
            sentence,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


@contextmanager
def as_sentence():
    """Turn an expected failure into the one sentence a client sees in its error."""
    try:
        yield
    except gr.Error:  # which is a ValueError
        raise
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


def bare(error: Exception) -> gr.Error:
    """The same refusal, which holds on to nothing that was worked on; of any other error one sentence for the caller, and its trace in the log.

    An error holds the frames that it came through, and so the tensors of a forward pass. A future that an error came through, and Gradio's queue,
    are held by these frames and hold the error: circles, which Python's collector comes to when enough objects are new, whatever they weigh.
    Each refused question so kept 73 MB with `embedded_gap`.
    """
    if isinstance(error, gr.Error):
        kept = gr.Error(error.message, error.duration, error.visible, error.title, print_exception=False)
    else:
        traceback.print_exception(error)
        kept = gr.Error(BROKEN, print_exception=False)
    linked = [error]
    while linked:
        if (cause := linked.pop()) is not None:
            linked += [cause.__cause__, cause.__context__]
            cause.__cause__ = cause.__context__ = cause.__traceback__ = None
    return kept


async def _as_refused(request, error):
    return JSONResponse({"detail": error.sentence}, error.status, error.headers)


async def _as_status(request, error):
    """Answer what Gradio or the framework refuses."""
    if error.status_code == 503:  # Gradio's word for a line without a place
        return await _as_refused(request, Refused(429, BUSY, **AGAIN))
    return JSONResponse({"detail": BY_STATUS.get(error.status_code, BY_STATUS[400])}, error.status_code, error.headers)


async def _as_unread(request, error):
    """Answer a request that has not what its route asks for, or has it of another kind."""
    names = [
        str(wrong["loc"][-1]) for wrong in error.errors() if wrong["loc"][0] != "body"
    ]  # those of parameters, which are Gradio's
    sentence = f"{', '.join(names)}: missing here, or of a wrong kind." if names else BY_STATUS[400]
    return JSONResponse({"detail": sentence}, 422)


async def _as_no_room(request, error):
    """Answer an upload that could not be written."""
    if error.errno in FULL:
        return JSONResponse({"detail": NO_ROOM}, 503)
    raise error


async def _as_gone(request, error):
    """Whoever hangs up in the middle of a message hears nothing; what came of an upload is swept away with its age."""
    log.warning("A caller hung up in the middle of a message.")
    return JSONResponse({"detail": BY_STATUS[400]}, 400)


HANDLERS = {  # of what is raised on the way of a request, for launch
    Refused: _as_refused,
    HTTPException: _as_status,
    RequestValidationError: _as_unread,
    OSError: _as_no_room,
    ClientDisconnect: _as_gone,
}
