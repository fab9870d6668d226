"""Every route with odd requests: a status below 500, and an error of one sentence that repeats nothing sent."""

import asyncio
import json
import re
import socket
import urllib.request
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import gradio as gr
import httpx
import pytest
from gradio.routes import App

from explorer.server import json_bodies, limits
from explorer.server.errors import RequestError
from explorer.server.limits import RequestLimits
from explorer.server.routes import MAX_BODY, route_of

CLOSED = [
    "component_server",
    "custom_component",
    "deep_link",
    "dev/reload",
    "login_check",
    "process_recording",
    "proxy=",
    "run-history",
    "runs",
    "stream",
    "token",
    "user",
    "vibe-edit",
    "undo-vibe-edit",
    "vibe-code",
    "vibe-starter-queries",
    "login",
    "logout",
    "monitoring",
    "openapi.json",
    "pwa_icon",
    "svelte",
]
OPEN = [
    "/",
    "/assets",
    "/config",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
    "/static",
    "/theme.css",
    "/gradio_api/api",
    "/gradio_api/app_id",
    "/gradio_api/call",
    "/gradio_api/cancel",
    "/gradio_api/file",
    "/gradio_api/heartbeat",
    "/gradio_api/info",
    "/gradio_api/openapi.json",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/queue/status",
    "/gradio_api/reset",
    "/gradio_api/run",
    "/gradio_api/startup-events",
    "/gradio_api/theme.css",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
]
MARK = "zebra"  # in every request, and in no sentence of ours
MAX_ERROR = 1000  # bytes


def every_route(routes):
    """(method, path) of Gradio's routes."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from every_route(route.original_router.routes)
        else:
            yield from ((method, route.path) for method in route.methods or ())


ROUTES = sorted(set(every_route(App.create_app(gr.Blocks()).routes)))
AGENTS = [
    ("POST", "/gradio_api/mcp/"),
    ("GET", "/gradio_api/mcp/"),
    ("GET", "/gradio_api/mcp/schema"),
    ("GET", "/gradio_api/mcp/sse"),
    ("POST", "/gradio_api/mcp/messages/"),
    ("DELETE", "/gradio_api/mcp"),
]


def filled(path, value):
    return re.sub(r"\{[^}]*\}", value, path)


def status_of(method, path):
    try:
        route_of(method, path)
    except RequestError as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_gradio_route_is_open_or_closed(method, path):
    """A new version's route is in neither list: read what it does, then add it to one."""
    name = re.split(r"/?\{|/$", path.removeprefix("/gradio_api/").removeprefix("/"))[0]
    closed = (
        any(name == one or name.startswith((one + "/", one + "=")) for one in CLOSED)
        and path != "/gradio_api/openapi.json"
    )
    known = closed or any(
        filled(path, "x").rstrip("/").removesuffix("=x") == one.rstrip("/") or path.startswith((one + "/", one + "="))
        for one in OPEN
    )
    assert known, "Gradio has a new route"
    status = status_of(method, filled(path, "x"))
    assert status == (404 if closed or path.endswith("reset/") else 200)


def ask(url, method, path, headers=(), body=None, wait=20) -> tuple[int, bytes]:
    """Send exactly these bytes, which a client would normalise: status and body, of a stream its start."""
    address = urlsplit(url)
    all_headers = {
        "Host": address.netloc,
        "Connection": "close",
        **({"Content-Length": str(len(body)), "Content-Type": "application/json"} if body is not None else {}),
        **dict(headers),
    }
    path = "".join(character if "!" <= character <= "~" else quote(character) for character in path)
    head = (
        f"{method} {path} HTTP/1.1\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
        + "\r\n"
    )
    return response_to(url, head.encode("latin-1") + (body or b""), wait)


def response_to(url, request, wait=20):
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), wait) as connection:
        connection.sendall(request)
        response = b""
        while b"text/event-stream" not in response and len(response) < 10**5:
            try:
                chunk = connection.recv(10**5)
            except ConnectionResetError:  # refused and closed while the request was being sent
                break
            if not chunk:
                break
            response += chunk
    head, _, content = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), content


def check(response, *context):
    status, content = response
    assert 200 <= status < 500, (status, context, content[:200])
    if status >= 400:
        assert (
            len(content) < MAX_ERROR
            and MARK.encode() not in content
            and b"Traceback" not in content
            and b"/home" not in content
        ), (context, content[:500])


@pytest.mark.parametrize(
    "value",
    [
        MARK,
        "0",
        "-1",
        "9" * 40,
        MARK * 60,
        MARK * 200,
        "..",
        "%2e%2e%2f",
        "%00" + MARK,
        "%0a",
        "%ff",
        f"<{MARK}>",
        "é",
        "explain",
        "predict",
    ],
)
def test_every_route_with_odd_paths(app_url, value):
    for method, path in {*ROUTES, *AGENTS}:
        if "{" in path or value == MARK:
            check(
                ask(app_url, method, filled(path, value), body=b"{}" if method == "POST" else None), method, path, value
            )


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", MARK.upper()])
def test_every_route_with_every_method(app_url, method):
    for path in {path for _, path in (*ROUTES, *AGENTS)}:
        check(
            ask(app_url, method, filled(path, MARK), body=b"" if method in ("POST", "PUT", "PATCH") else None),
            method,
            path,
        )


QUERIES = [
    f"page={MARK}",
    "page=%00",
    f"deep_link={MARK}",
    "deep_link=../../x",
    f"session_hash={MARK * 50}",
    "session_hash=",
    "session_hash=%00",
    f"a={MARK * 2000}",
    "%ff=%fe",
    f"__theme=<{MARK}>",
    f"all_endpoints=1&page={MARK}",
    "&&&===",
    f"tools={MARK}",
]


@pytest.mark.parametrize("query", QUERIES)
def test_every_route_with_odd_queries(app_url, query):
    for path in {
        path for method, path in (*ROUTES, *AGENTS) if method == "GET" and "upload_progress" not in path
    }:  # which waits three seconds for an upload to begin
        check(ask(app_url, "GET", f"{filled(path, 'x')}?{query}"), path, query)


POSTS = [
    "queue/join",
    "call/explain",
    "call/audit",
    "call/models",
    "call/v2/explain",
    "call/v2/models",
    "run/predict",
    "api/predict",
    f"run/{MARK}",
    "cancel",
    "reset",
    "upload",
    f"upload?upload_id={MARK}",
    "mcp/",
]
KNOWN = {"data": [], "fn_index": 0, "session_hash": "a"}
LONG = MARK * 180_000


def messages_of_all_kinds():
    yield from (
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{}",
        b"\xff\xfe",
        b"\x00",
        '{"data": []}'.encode("utf-16"),
        '{"data": []}'.encode("utf-16-le"),
        b"\xef\xbb\xbf" + json.dumps(KNOWN).encode(),
    )
    yield from (
        b"[" * 10**5,
        b'{"a":' * 10**5,
        b'{"data": [' + b"[" * 900 + b"]" * 900 + b"]}",
        b'{"data": [[' + b"{}," * 300_000 + b"{}]]}",
        b'{"data": [' + b"9" * 5000 + b"]}",
    )
    yield b'{"data": [], "data": [1], "data": [], "fn_index": 2, "session_hash": "a"}'
    yield b'{"data": [NaN, Infinity, -0, 1e999, -1e-999], "fn_index": 4, "session_hash": "a"}'
    yield json.dumps({**KNOWN, "data": [["deep"] * 9] * 99}).encode()
    for name in (
        "data",
        "fn_index",
        "session_hash",
        "trigger_id",
        "event_id",
        "event_data",
        "batched",
        "simple_format",
        "oauth_token",
        MARK,
        "id",
        "method",
        "params",
        "jsonrpc",
    ):
        for value in (
            7,
            -1,
            10**400,
            0.5,
            True,
            None,
            MARK,
            LONG,
            [],
            [MARK],
            [[[MARK]]],
            {},
            {MARK: MARK},
            {"path": MARK},
            "\ud800",
        ):
            if not (name == "data" and value == []):
                yield json.dumps({**KNOWN, name: value}).encode()
    for method in ("initialize", "tools/list", "ping", f"tools/{MARK}"):
        yield json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {MARK: LONG}}).encode()


@pytest.mark.parametrize("path", POSTS)
def test_every_route_with_odd_bodies(app_url, path):
    for body in messages_of_all_kinds():
        check(
            ask(app_url, "POST", f"/gradio_api/{path}", {"Accept": "application/json, text/event-stream"}, body),
            path,
            body[:200],
        )


def test_handlers_refuse_invalid_events(app_url):
    """Called directly, as Gradio allows; its own status for their errors is 500."""
    with urllib.request.urlopen(f"{app_url}/config") as answer:
        functions = json.load(answer)["dependencies"]
    sent = [
        (event, [])
        for event in (
            None,
            {},
            {"index": 10**9},
            {"index": MARK},
            {"photo": 7},
            {"explained": MARK, "column": MARK},
            {"index": [MARK]},
        )
    ]
    sent += [(None, data) for data in ([MARK] * 15, [None] * 15, [{}] * 15, [7] * 15, [True] * 15)]
    for index in range(len(functions) + 1):
        for event, data in sent:
            body = {"data": data, "fn_index": index, "session_hash": "b", "event_data": event}
            status, content = response = ask(app_url, "POST", "/gradio_api/run/predict", body=json.dumps(body).encode())
            check(response, index, event, data[:1])
            if status != 200:
                error = json.loads(unchunked(content))
                assert status in (404, 422) and re.fullmatch(r"[A-Z].*\.", error.get("error") or error["detail"]), (
                    response
                )


def unchunked(content):
    return content[content.index(b"{") : content.rindex(b"}") + 1]


HEADERS = [
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "multipart/form-data; boundary="},
    {"Content-Type": "multipart/form-data; boundary=" + MARK * 600},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Encoding": "gzip"},
    {"Content-Type": ""},
    {"Content-Length": "-1"},
    {"Content-Length": "9" * 30},
    {"Content-Length": MARK},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_odd_content_headers(app_url, headers):
    for path in POSTS:
        check(ask(app_url, "POST", f"/gradio_api/{path}", headers, json.dumps(KNOWN).encode()), path, headers)


ODD = [
    {"Range": "bytes=1-2-3"},
    {"Range": "bytes=\xb2-5"},
    {"Range": "bytes=9-1"},
    {"Range": "bytes=99999999999-"},
    {"X-Forwarded-Host": "["},
    {"X-Forwarded-Host": "a:99999999"},
    {"X-Forwarded-Host": f"{MARK}\xff"},
    {"X-Forwarded-Proto": MARK},
    {"X-Gradio-Server": "http://["},
    {"Accept-Encoding": "\xff"},
    {"Cookie": MARK * 4000},
    {"Origin": "http://["},
    {"Origin": "null"},
    {"If-None-Match": "\xff"},
    {"If-Modified-Since": MARK},
    {"X-Forwarded-For": MARK},
    {"Authorization": f"Basic {MARK}"},
    {"Host": "["},
    {"Host": "a b"},
    {"Host": ""},
    {"Host": "a:99999"},
    {"Accept": "text/event-stream"},
]


@pytest.mark.parametrize("headers", ODD, ids=str)
def test_odd_headers(app_url, headers):
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/theme.css",
        "/gradio_api/queue/status",
        "/gradio_api/mcp/",
        "/gradio_api/mcp/schema",
        "/favicon.ico",
        "/manifest.json",
    ):
        check(ask(app_url, "GET", path, headers), path, headers)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/1.0\r\nOrigin: http://a\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET // HTTP/1.1\r\nHost: x\r\n",
        b"GET http://zebra/ HTTP/1.1\r\nHost: x\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n",
        b"GET /?\xff HTTP/1.1\r\nHost: x\r\n",
        b"zebra\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zebra\r\n",
    ],
)
def test_malformed_requests(app_url, head):
    check(response_to(app_url, head + b"Connection: close\r\n\r\n"), head)


def test_health_checks_in_http_1_0(app_url):
    """As some proxies send them: HTTP/1.0 needs no Host."""
    for origin in (b"", b"Origin: http://a\r\n"):
        assert response_to(app_url, b"GET /robots.txt HTTP/1.0\r\n" + origin + b"\r\n")[0] == 200


PART = b"--b\r\nContent-Disposition: form-data"
FORMS = [
    b"",
    b"zebra",
    b"--b--",
    b"--b\r\n\r\nx\r\n--b--\r\n",
    PART + b'; name="files"\r\n\r\nzebra\r\n--b--\r\n',
    PART + b"\r\n\r\nx\r\n--b--",
    PART + b'; name="files"; filename="' + b"zebra" * 2000 + b'"\r\n\r\nx\r\n--b--\r\n',
    PART + b'; name="files"; filename=".."\r\n\r\nx\r\n--b--\r\n',
    PART + b'; name="zebra"; filename="x"\r\n\r\nx\r\n--b--\r\n',
    PART + b'; name="files"; filename="x"\r\n\r\nhalf',
    (PART + b'; name="files"; filename="x"\r\n\r\nx\r\n') * 17 + b"--b--",
    (PART + b'; name="zebra"\r\n\r\nx\r\n') * 17 + b"--b--",
]


@pytest.mark.parametrize("query", ["", "?upload_id=zebra"])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "multipart/form-data; boundary=b; charset=zebra"])
def test_invalid_uploads(app_url, kind, query):
    for form in FORMS:
        status, content = ask(app_url, "POST", f"/gradio_api/upload{query}", {"Content-Type": kind}, form)
        check((status, content), form[:100])
        assert status in (400, 413) and json.loads(unchunked(content))["detail"].endswith("."), (status, form[:100])


def test_a_large_content_length_is_refused(app_url):
    for path in POSTS:
        most = MAX_BODY if path.startswith(("upload", "mcp")) else json_bodies.MAX_BYTES
        for length in (most + 1, 10**15):
            status, content = ask(app_url, "POST", f"/gradio_api/{path}", {"Content-Length": str(length)}, b"")
            assert status == 413 and str(most // 10**6).encode() in content, path


def test_a_chunked_body_is_counted(app_url):
    chunk = f"{10**5:x}\r\n".encode() + b" " * 10**5 + b"\r\n"
    head = b"POST /gradio_api/call/explain HTTP/1.1\r\nHost: x\r\n"
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert response_to(app_url, head + 11 * chunk)[0] == 413
    assert response_to(app_url, head + chunk + b"0\r\n\r\n")[0] == 422


def test_none_of_these_requests_is_logged(app_url, tmp_path_factory):
    (log,) = tmp_path_factory.getbasetemp().glob("app0/app.log")
    assert "Traceback" not in log.read_text() and MARK not in log.read_text()


# The middleware alone


def around(app):
    """RequestLimits around an ASGI app, with a page that has the attributes it uses."""
    page = SimpleNamespace(
        config={"page": {"": {}}},
        endpoints={"models": {}},
        handles=lambda name, index: True,
        _queue=SimpleNamespace(pending_messages_per_session={}, just_answered=lambda session: False),
    )
    return RequestLimits(app), SimpleNamespace(get_blocks=lambda: page)


async def post(middleware, app, *parts, path="/gradio_api/call/models", headers=(), scope=None):
    """Send a body in chunks: the status and the sentence, None without a response."""
    responses, waiting = [], list(parts or [b""])

    async def receive():
        if not waiting:  # no further message
            await asyncio.Event().wait()
        part = waiting.pop(0)
        return (
            {"type": "http.disconnect"}
            if part == "gone"
            else {
                "type": "http.request",
                "body": part,
                "more_body": bool(waiting) or (part.startswith(b"{") and not part.rstrip().endswith(b"}")),
            }
        )

    async def send(message):
        responses.append(message)

    http_scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
        "app": app,
        **(scope or {}),
    }
    await middleware(http_scope, receive, send)
    return (responses[0]["status"], json.loads(responses[1]["body"])["detail"]) if responses else None


async def accept(scope, receive, send):
    accept.received = (await receive())["body"], dict(scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"detail": "fine"}'})


def test_only_known_fields_reach_gradio():
    middleware, app = around(accept)
    sent = json.dumps({"data": [1], "fn_index": 3, "oauth_token": "x", "more": "y" * 1000}).encode()
    assert asyncio.run(
        post(
            middleware,
            app,
            sent[:10],
            sent[10:],
            headers=[(b"transfer-encoding", b"chunked"), (b"range", b"x"), (b"x-kept", b"1")],
        )
    ) == (200, "fine")
    body, headers = accept.received
    assert json.loads(body) == {"data": [1]} and headers == {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"x-kept": b"1",
    }
    assert middleware._buffered == 0


def test_an_unfinished_body_times_out(monkeypatch):
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.01)
    middleware, app = around(accept)
    status, sentence = asyncio.run(post(middleware, app, b"{"))
    assert status == 408 and sentence.endswith("send it again.") and middleware._buffered == 0


def test_a_disconnect_during_the_body_releases_its_bytes():
    middleware, app = around(accept)
    assert asyncio.run(post(middleware, app, b"{", "gone")) is None and middleware._buffered == 0


def test_buffered_bodies_are_bounded(monkeypatch):
    """Until they are answered: a further request is refused as busy."""
    monkeypatch.setattr(limits, "MAX_BUFFERED", 1000)
    inner = {}

    async def slow_app(scope, receive, send):
        if not inner:
            inner["second"] = await post(middleware, app, b" " * 600)
        await accept(scope, receive, send)

    middleware, app = around(slow_app)
    assert asyncio.run(post(middleware, app, b'{"data": []}' + b" " * 600))[0] == 200
    assert inner["second"][0] == 429 and middleware._buffered == 0
    assert asyncio.run(post(middleware, app, b" " * 1001))[0] == 429


def test_an_mcp_body_is_counted_and_unchanged(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BUFFERED", 1000)
    middleware, app = around(accept)
    assert asyncio.run(post(middleware, app, b'{"id": 1, ', b'"method": 2}', path="/gradio_api/mcp/"))[0] == 200
    assert accept.received[0] == b'{"id": 1, "method": 2}' and middleware._buffered == 0
    assert asyncio.run(post(middleware, app, b" " * 1001, path="/gradio_api/mcp/"))[0] == 429
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.01)
    assert asyncio.run(post(middleware, app, b"{", path="/gradio_api/mcp"))[0] == 408


def test_slow_bodies_are_aborted_in_favour_of_new_ones(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BUFFERED", 1000)
    middleware, app = around(accept)

    async def send_slowly():
        slow = [asyncio.create_task(post(middleware, app, b"{" + b" " * 499)) for _ in range(2)]
        await asyncio.sleep(0)
        assert middleware._buffered == 1000
        assert await post(middleware, app, b'{"data": []}' + b" " * 400) == (200, "fine")
        assert (await slow[0])[0] == 408 and not slow[1].done()  # the oldest
        slow[1].cancel()
        await asyncio.wait(slow)
        assert middleware._buffered == 0 and not middleware._receiving

    asyncio.run(send_slowly())


def test_a_full_disk_refuses_posts(monkeypatch):
    middleware, app = around(accept)
    monkeypatch.setattr(limits, "MIN_FREE_DISK", 10**18)
    assert asyncio.run(post(middleware, app, b'{"data": []}'))[0] == 503
    assert asyncio.run(post(middleware, app, scope={"method": "GET", "path": "/config"}))[0] == 200


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"path": "/gradio_api/nothing"}, 404), ({"path": "/gradio_api/call/" + "a" * 256}, 404),
        ({"path": "/static/a\nb", "method": "GET"}, 404), ({"method": "PUT"}, 405),
        ({"query_string": b"a" * 4001}, 414), ({"headers": [(b"cookie", b"a" * 16_000)]}, 431), ({"headers": []}, 415),
        ({"headers": [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]}, 415),
        ({"path": "/gradio_api/call/unknown"}, 404), ({"query_string": b"page=x"}, 404),
        ({"path": "/gradio_api/heartbeat/" + "a" * 65, "method": "GET"}, 422),
        ({"path": "/gradio_api/queue/data", "method": "GET"}, 422),
        ({"path": "/gradio_api/queue/data", "method": "GET", "query_string": b"session_hash=" + b"a" * 65}, 422),
    ],
)  # fmt: skip
def test_refused_requests(scope, status):
    middleware, app = around(accept)
    response_status, sentence = asyncio.run(post(middleware, app, b'{"data": []}', scope=scope))
    assert response_status == status and sentence[0].isupper() and sentence.endswith(".")


def test_a_root_path():
    middleware, app = around(accept)
    assert (
        asyncio.run(
            post(middleware, app, b'{"data": []}', path="/app/gradio_api/call/models", scope={"root_path": "/app"})
        )[0]
        == 200
    )
    assert (
        asyncio.run(
            post(middleware, app, b'{"data": []}', path="/app/gradio_api/vibe-edit", scope={"root_path": "/app"})
        )[0]
        == 404
    )


def test_a_stream_of_an_unknown_session():
    """A page then starts a new session, as after a restart; plain HTTP has a status."""
    middleware, app = around(accept)
    app.get_blocks()._queue.session_of = lambda event: None
    responses = []

    async def send(message):
        responses.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/gradio_api/queue/data",
        "query_string": b"session_hash=a",
        "headers": [],
        "app": app,
    }
    asyncio.run(middleware(scope, None, send))
    assert (
        responses[0]["status"] == 200
        and json.loads(responses[1]["body"].removeprefix(b"data: "))["session_not_found"] is True
    )
    assert asyncio.run(post(middleware, app, scope={"method": "GET", "path": "/gradio_api/call/models/abc"}))[0] == 404


def test_a_session_that_has_got_every_answer_is_told_so(app_url):
    """A page asks once more where an answer overtakes its question's confirmation; that is no error."""
    with httpx.Client(base_url=app_url, timeout=60) as client:
        asked = {"data": ["embedded"], "session_hash": "quick"}
        number = next(fn["id"] for fn in client.get("/config").json()["dependencies"] if fn["api_name"] == "models")
        client.post("/gradio_api/queue/join", json={**asked, "fn_index": number}).raise_for_status()
        streams = [client.get("/gradio_api/queue/data", params={"session_hash": "quick"}).text for _ in range(2)]
    assert "process_completed" in streams[0]
    assert [json.loads(line[6:])["msg"] for line in streams[1].splitlines() if line] == ["close_stream"]


def test_a_stream_registers_its_listener():
    listened = []

    @contextmanager
    def listening(session):
        listened.append(session)
        yield
        listened.append("over")

    async def stream(scope, receive, send):
        listened.append("stream")
        await accept(scope, receive, send)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    middleware, app = around(stream)
    app.get_blocks()._queue = SimpleNamespace(
        pending_messages_per_session={"s": 1}, session_of={"q": "s"}.get, listening=listening
    )

    async def ignore(message): ...

    for path, query in (
        ("/gradio_api/queue/data", b"session_hash=s"),
        ("/gradio_api/call/models/q", b""),
        ("/gradio_api/call/v2/models/q", b""),
    ):
        asyncio.run(
            middleware(
                {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "app": app},
                receive,
                ignore,
            )
        )
    assert listened == ["s", "stream", "over"] * 3
