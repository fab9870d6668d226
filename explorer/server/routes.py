"""Route allow-list: which of Gradio's routes are open, and what each accepts. All others are closed.

Some of those fetch URLs for others, write files that nothing deletes, hold a stream open without a listener, or report
usage.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from classifiers.photos.formats import MAX_BYTES

from . import json_bodies
from .errors import BY_STATUS, NOT_FOUND, RequestError

MAX_QUERY = 4000  # bytes: a link to a view takes 200
MAX_SEGMENT = 255  # bytes between two slashes, as long as a file name can be
MAX_HEADERS = 16_000  # bytes: they wait in the queue with the event
MAX_BODY = MAX_BYTES * 4 // 3 + 10**6  # bytes of an upload: the largest photo, and the rest of the form

API = "/gradio_api/"


@dataclass(frozen=True)
class Route:
    method: str
    path: str  # a regular expression
    validate: Callable | None = None  # of `json_bodies`: makes the body that Gradio gets
    max_bytes: int = json_bodies.MAX_BYTES  # of a request body
    stream: bool = False  # the response is a session's event stream
    buffered: bool = False  # the body is read whole before it goes on, unchanged


OPEN = (
    Route("GET", r"/share-card\.jpg"),  # ours, see frontend.py
    Route(
        "GET",
        r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(static|assets)/.+",
    ),
    Route("GET", rf"{API}(info/?|openapi\.json|app_id/?|startup-events|theme\.css|upload_progress|queue/status)"),
    Route("GET", rf"{API}heartbeat/(?P<session>[^/]+)"),
    Route("GET", rf"{API}file[=/](?!(?i:https?:)).+"),
    Route("GET", rf"{API}queue/data", stream=True),
    Route("GET", rf"{API}call/(v2/)?[^/]+/(?P<event>[^/]+)", stream=True),
    Route("GET", rf"{API}mcp(/|/http/?|/schema)?"),
    Route("POST", rf"{API}mcp(/|/http/?)?", max_bytes=MAX_BODY, buffered=True),  # validated by `mcp_messages`
    Route("POST", rf"{API}upload", max_bytes=MAX_BODY),
    Route("POST", rf"{API}queue/join", json_bodies.join_body),
    Route("POST", rf"{API}(run|api)/(?P<handler>[^/]+)/?", json_bodies.predict_body),
    Route("POST", rf"{API}call/(?P<endpoint>[^/]+)/?", json_bodies.predict_body),
    Route("POST", rf"{API}call/v2/(?P<endpoint>[^/]+)/?", json_bodies.named_arguments),
    Route("POST", rf"{API}cancel", json_bodies.cancel_body),
    Route("POST", rf"{API}reset", json_bodies.reset_body),
)


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The open route, and the named parts of the path. Raises RequestError where there is none."""
    if not path.isprintable() or any(len(part.encode(errors="replace")) > MAX_SEGMENT for part in path.split("/")):
        raise RequestError(404, NOT_FOUND)
    matching = {route: match.groupdict() for route in OPEN if (match := re.fullmatch(route.path, path))}
    if not matching:
        raise RequestError(404, NOT_FOUND)
    for route, names in matching.items():
        if route.method == ("GET" if method == "HEAD" else method):
            return route, names
    raise RequestError(405, BY_STATUS[405], allow=", ".join(sorted({route.method for route in matching})))
