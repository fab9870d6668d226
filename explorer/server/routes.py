"""Routes: which of Gradio's are open, and what each takes. Whatever the page, the clients and agents do not ask for is closed.

Some of the rest fetch for others, write files that nothing deletes, hold a stream open for nobody, or tell how the app is used.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from explorer.photos.formats import MAX_BYTES

from . import json_bodies as messages
from .errors import BY_STATUS, NOTHING, Refused

LONGEST_QUERY = 4000  # bytes: a link to a view takes 200
LONGEST_PART = 255  # bytes between two slashes, as long as a name on a disk can be
MOST_HEADERS = 16_000  # bytes: they wait in the line with the question
MAX_BODY = MAX_BYTES * 4 // 3 + 10**6  # bytes of an upload: the largest photo, and the rest of the form

API = "/gradio_api/"


@dataclass(frozen=True)
class Route:
    method: str
    path: str  # a regular expression
    takes: Callable | None = None  # of `messages`: makes of what was sent the message that Gradio gets
    most: int = messages.MOST_BYTES  # of what is sent there
    heard: bool = False  # the answer is a stream that tells a session what it asked
    whole: bool = False  # what is sent there is read as a whole, whatever it says


OPEN = (
    Route("GET", r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(static|assets)/.+"),
    Route("GET", rf"{API}(info/?|openapi\.json|app_id/?|startup-events|theme\.css|upload_progress|queue/status)"),
    Route("GET", rf"{API}heartbeat/(?P<session>[^/]+)"),
    Route("GET", rf"{API}file[=/](?!(?i:https?:)).+"),
    Route("GET", rf"{API}queue/data", heard=True),
    Route("GET", rf"{API}call/(v2/)?[^/]+/(?P<question>[^/]+)", heard=True),
    Route("GET", rf"{API}mcp(/|/http/?|/schema)?"),
    Route(
        "POST", rf"{API}mcp(/|/http/?)?", most=MAX_BODY, whole=True
    ),  # judged by `protocol`, in the protocol's own words
    Route("POST", rf"{API}upload", most=MAX_BODY),
    Route("POST", rf"{API}queue/join", messages.joined),
    Route("POST", rf"{API}(run|api)/(?P<handler>[^/]+)/?", messages.question),
    Route("POST", rf"{API}call/(?P<endpoint>[^/]+)/?", messages.question),
    Route("POST", rf"{API}call/v2/(?P<endpoint>[^/]+)/?", messages.arguments),
    Route("POST", rf"{API}cancel", messages.cancellation),
    Route("POST", rf"{API}reset", messages.nothing),
)


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route that is open there, and the names in the path. Raises Refused where there is none."""
    if not path.isprintable() or any(len(part.encode(errors="replace")) > LONGEST_PART for part in path.split("/")):
        raise Refused(404, NOTHING)
    found = {route: match.groupdict() for route in OPEN if (match := re.fullmatch(route.path, path))}
    if not found:
        raise Refused(404, NOTHING)
    for route, names in found.items():
        if route.method == ("GET" if method == "HEAD" else method):
            return route, names
    raise Refused(405, BY_STATUS[405], allow=", ".join(sorted({route.method for route in found})))
