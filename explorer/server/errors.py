"""Errors a visitor may cause, and their responses: one sentence each, which repeats nothing of what was sent."""

import logging
import traceback
from contextlib import contextmanager

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from potplants import HubError, WeightsError

from .cancellation import RunTimeoutError
from .run_directory import DISK_FULL

EXPECTED = (ValueError, HubError, WeightsError, RunTimeoutError)  # PhotoError is a ValueError; each has one sentence

logger = logging.getLogger("uvicorn.error")  # the server's own log

BUSY = "The server is busy just now; please try again in a minute."
NO_ROOM = "The server has no room for files just now; try again in an hour."
INTERNAL_ERROR = "Something went wrong on the server; please try again."
NOT_FOUND = "There is nothing here."
NO_ENDPOINT = "There is no such endpoint; /gradio_api/info names those there are."
NO_FILE = "Send files as multipart/form-data, each in a field named files and with a file name."
RETRY_AFTER = {"retry_after": "60"}  # seconds; only for temporary errors

BY_STATUS = {  # in place of Gradio's own messages, which may repeat a path or a name that was sent
    400: "This request cannot be read.",
    401: "Nobody is known here by name.",
    403: "There is no such file here, or it is not for visitors.",
    404: NOT_FOUND,
    405: "This cannot be asked for in that way.",
    413: "This message is too large.",
    416: "The file has no such part.",
}


class RequestError(Exception):
    """A request is refused: a status, and one sentence that says why."""

    def __init__(self, status: int, sentence: str, **headers: str):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


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
def disk_full_as_sentence():
    """Turn a full disk into one sentence; a file that Gradio wrote in part has no name that any caller knows."""
    try:
        yield
    except Exception as error:  # Gradio wraps what happens in a component
        if any(isinstance(cause, OSError) and cause.errno in DISK_FULL for cause in (error, error.__cause__)):
            raise gr.Error(NO_ROOM, print_exception=False) from None
        raise


def without_frames(error: Exception) -> gr.Error:
    """A copy of a gr.Error without its stack frames; of any other error a general sentence, and its trace in the log.

    An error references the frames it came through, and so the tensors of a forward pass. A future that an error came
    through, and Gradio's queue, are referenced by these frames and reference the error: cycles, which Python's garbage
    collector frees when enough objects are new, whatever their size. Each refused request so kept 73 MB with
    `embedded_gap`.
    """
    if isinstance(error, gr.Error):
        copy = gr.Error(error.message, error.duration, error.visible, error.title, print_exception=False)
    else:
        traceback.print_exception(error)
        copy = gr.Error(INTERNAL_ERROR, print_exception=False)
    pending: list[BaseException | None] = [error]
    while pending:
        if (linked := pending.pop()) is not None:
            pending += [linked.__cause__, linked.__context__]
            linked.__cause__ = linked.__context__ = linked.__traceback__ = None
    return copy


async def _on_request_error(request, error):
    return JSONResponse({"detail": error.sentence}, error.status, error.headers)


async def _on_http_exception(request, error):
    """Respond to what Gradio or the framework refuses."""
    if error.status_code == 503:  # Gradio's status for a full queue
        return await _on_request_error(request, RequestError(429, BUSY, **RETRY_AFTER))
    return JSONResponse({"detail": BY_STATUS.get(error.status_code, BY_STATUS[400])}, error.status_code, error.headers)


async def _on_validation_error(request, error):
    """Respond to a request whose parameters are missing or of a wrong type."""
    # of the body no names are repeated; those of parameters are Gradio's
    names = [str(fault["loc"][-1]) for fault in error.errors() if fault["loc"][0] != "body"]
    sentence = f"{', '.join(names)}: missing here, or of a wrong kind." if names else BY_STATUS[400]
    return JSONResponse({"detail": sentence}, 422)


async def _on_os_error(request, error):
    """Respond to an upload for which the disk has no room."""
    if error.errno in DISK_FULL:
        return JSONResponse({"detail": NO_ROOM}, 503)
    raise error


async def _on_disconnect(request, error):
    """A client that disconnects during its upload gets no response; its partial file is swept later."""
    logger.warning("A caller hung up in the middle of a message.")
    return JSONResponse({"detail": BY_STATUS[400]}, 400)


HANDLERS = {  # exception class → handler, for launch
    RequestError: _on_request_error,
    HTTPException: _on_http_exception,
    RequestValidationError: _on_validation_error,
    OSError: _on_os_error,
    ClientDisconnect: _on_disconnect,
}
