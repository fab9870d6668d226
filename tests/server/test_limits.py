"""Every route of the server, asked in every way that somebody thought of: a status below 500, and an error of one sentence in which nothing sent comes back."""

import asyncio
import json
import re
import socket
import urllib.request
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import gradio as gr
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
MARK = "zebra"  # in whatever is sent; no sentence of ours has it
LONGEST = 1000  # bytes of an error


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


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_gradio_route_is_open_or_closed(method, path):
    """A route that a new version of Gradio brings is neither: look what it does, then say so."""
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
    try:
        route_of(method, filled(path, "x"))
    except RequestError as refused:
        assert refused.status == 404 and (closed or path.endswith("reset/"))
    else:
        assert not closed


def ask(url, method, path, headers=(), body=None, wait=20) -> tuple[int, bytes]:
    """Ask in exactly these bytes, since a client would tidy them: status and body, of a stream its beginning."""
    address = urlsplit(url)
    named = {
        "Host": address.netloc,
        "Connection": "close",
        **({"Content-Length": str(len(body)), "Content-Type": "application/json"} if body is not None else {}),
        **dict(headers),
    }
    path = "".join(letter if "!" <= letter <= "~" else quote(letter) for letter in path)
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n"
    return answer_to(url, head.encode("latin-1") + (body or b""), wait)


def answer_to(url, sent, wait=20):
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), wait) as line:
        line.sendall(sent)
        heard = b""
        while b"text/event-stream" not in heard and len(heard) < 10**5:
            try:
                part = line.recv(10**5)
            except ConnectionResetError:  # refused and hung up, while we were still talking
                break
            if not part:
                break
            heard += part
    head, _, content = heard.partition(b"\r\n\r\n")
    return int(head.split()[1]), content


def check(found, *context):
    status, content = found
    assert 200 <= status < 500, (status, context, content[:200])
    if status >= 400:
        assert (
            len(content) < LONGEST
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


QUERIES = [f"page={MARK}", "page=%00", f"deep_link={MARK}", "deep_link=../../x", f"session_hash={MARK * 50}", "session_hash=", "session_hash=%00", f"a={MARK * 2000}", "%ff=%fe", f"__theme=<{MARK}>",
           f"all_endpoints=1&page={MARK}", "&&&===", f"tools={MARK}"]  # fmt: skip


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
    """Those that Gradio lets anybody ask directly; its status for what they refuse is 500."""
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
            status, content = found = ask(app_url, "POST", "/gradio_api/run/predict", body=json.dumps(body).encode())
            check(found, index, event, data[:1])
            if status != 200:
                told = json.loads(unchunked(content))
                assert status in (404, 422) and re.fullmatch(r"[A-Z].*\.", told.get("error") or told["detail"]), found


def unchunked(content):
    return content[content.index(b"{") : content.rindex(b"}") + 1]


HEADERS = [{"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=utf-16"}, {"Content-Type": "multipart/form-data"}, {"Content-Type": "multipart/form-data; boundary="},
           {"Content-Type": "multipart/form-data; boundary=" + MARK * 600}, {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Encoding": "gzip"}, {"Content-Type": ""}, {"Content-Length": "-1"},
           {"Content-Length": "9" * 30}, {"Content-Length": MARK}]  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_odd_content_headers(app_url, headers):
    for path in POSTS:
        check(ask(app_url, "POST", f"/gradio_api/{path}", headers, json.dumps(KNOWN).encode()), path, headers)


ODD = [{"Range": "bytes=1-2-3"}, {"Range": "bytes=\xb2-5"}, {"Range": "bytes=9-1"}, {"Range": "bytes=99999999999-"}, {"X-Forwarded-Host": "["}, {"X-Forwarded-Host": "a:99999999"}, {"X-Forwarded-Host": f"{MARK}\xff"},
       {"X-Forwarded-Proto": MARK}, {"X-Gradio-Server": "http://["}, {"Accept-Encoding": "\xff"}, {"Cookie": MARK * 4000}, {"Origin": "http://["}, {"Origin": "null"}, {"If-None-Match": "\xff"},
       {"If-Modified-Since": MARK}, {"X-Forwarded-For": MARK}, {"Authorization": f"Basic {MARK}"}, {"Host": "["}, {"Host": "a b"}, {"Host": ""}, {"Host": "a:99999"}, {"Accept": "text/event-stream"}]  # fmt: skip


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


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.0\r\nOrigin: http://a\r\n", b"GET / HTTP/1.1\r\n", b"GET // HTTP/1.1\r\nHost: x\r\n", b"GET http://zebra/ HTTP/1.1\r\nHost: x\r\n",
                                  b"OPTIONS * HTTP/1.1\r\nHost: x\r\n", b"GET /?\xff HTTP/1.1\r\nHost: x\r\n", b"zebra\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zebra\r\n"])  # fmt: skip
def test_malformed_requests(app_url, head):
    check(answer_to(app_url, head + b"Connection: close\r\n\r\n"), head)


def test_health_checks_in_http_1_0(app_url):
    """In HTTP/1.0, which needs no host; some proxies do."""
    for origin in (b"", b"Origin: http://a\r\n"):
        assert answer_to(app_url, b"GET /robots.txt HTTP/1.0\r\n" + origin + b"\r\n")[0] == 200


FORMS = [b"", b"zebra", b"--b--", b"--b\r\n\r\nx\r\n--b--\r\n", b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nzebra\r\n--b--\r\n', b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
         b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + b"zebra" * 2000 + b'"\r\n\r\nx\r\n--b--\r\n', b'--b\r\nContent-Disposition: form-data; name="files"; filename=".."\r\n\r\nx\r\n--b--\r\n',
         b'--b\r\nContent-Disposition: form-data; name="zebra"; filename="x"\r\n\r\nx\r\n--b--\r\n', b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\nhalf',
         b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\nx\r\n' * 17 + b"--b--", b'--b\r\nContent-Disposition: form-data; name="zebra"\r\n\r\nx\r\n' * 17 + b"--b--"]  # fmt: skip


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
    head = b"POST /gradio_api/call/explain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer_to(app_url, head + 11 * chunk)[0] == 413
    assert answer_to(app_url, head + chunk + b"0\r\n\r\n")[0] == 422


def test_none_of_these_requests_is_logged(app_url, tmp_path_factory):
    (log,) = tmp_path_factory.getbasetemp().glob("app0/app.log")
    assert "Traceback" not in log.read_text() and MARK not in log.read_text()


# The guard alone


def in_front_of(app):
    """The guard before an ASGI app, as it would be before Gradio's: `page` has what is asked of it."""
    page = SimpleNamespace(
        config={"page": {"": {}}},
        endpoints={"models": {}},
        handles=lambda name, index: True,
        _queue=SimpleNamespace(pending_messages_per_session={}),
    )
    return RequestLimits(app), SimpleNamespace(get_blocks=lambda: page)


async def post(middleware, app, *parts, path="/gradio_api/call/models", headers=(), scope=None):
    """Send the parts of a message: the status and the sentence, None where nobody answered."""
    heard, waiting = [], list(parts or [b""])

    async def receive():
        if not waiting:  # nothing more comes
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
        heard.append(message)

    asked = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *headers],
        "app": app,
        **(scope or {}),
    }
    await middleware(asked, receive, send)
    return (heard[0]["status"], json.loads(heard[1]["body"])["detail"]) if heard else None


async def takes_all(scope, receive, send):
    takes_all.got = (await receive())["body"], dict(scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"detail": "fine"}'})


def test_only_known_fields_reach_gradio():
    middleware, app = in_front_of(takes_all)
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
    body, headers = takes_all.got
    assert json.loads(body) == {"data": [1]} and headers == {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"x-kept": b"1",
    }
    assert middleware._buffered == 0


def test_an_unfinished_body_times_out(monkeypatch):
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.01)
    middleware, app = in_front_of(takes_all)
    status, sentence = asyncio.run(post(middleware, app, b"{"))
    assert status == 408 and sentence.endswith("send it again.") and middleware._buffered == 0


def test_a_disconnect_during_the_body_releases_its_bytes():
    middleware, app = in_front_of(takes_all)
    assert asyncio.run(post(middleware, app, b"{", "gone")) is None and middleware._buffered == 0


def test_buffered_bodies_are_bounded(monkeypatch):
    """Those that are whole, until they are answered: whoever comes then is told that it is busy."""
    monkeypatch.setattr(limits, "MAX_BUFFERED", 1000)
    inner = {}

    async def app_that_is_slow(scope, receive, send):
        if not inner:
            inner["second"] = await post(middleware, app, b" " * 600)
        await takes_all(scope, receive, send)

    middleware, app = in_front_of(app_that_is_slow)
    assert asyncio.run(post(middleware, app, b'{"data": []}' + b" " * 600))[0] == 200
    assert inner["second"][0] == 429 and middleware._buffered == 0
    assert asyncio.run(post(middleware, app, b" " * 1001))[0] == 429


def test_an_mcp_body_is_counted_and_unchanged(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BUFFERED", 1000)
    middleware, app = in_front_of(takes_all)
    assert asyncio.run(post(middleware, app, b'{"id": 1, ', b'"method": 2}', path="/gradio_api/mcp/"))[0] == 200
    assert takes_all.got[0] == b'{"id": 1, "method": 2}' and middleware._buffered == 0
    assert asyncio.run(post(middleware, app, b" " * 1001, path="/gradio_api/mcp/"))[0] == 429
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.01)
    assert asyncio.run(post(middleware, app, b"{", path="/gradio_api/mcp"))[0] == 408


def test_slow_bodies_are_aborted_in_favour_of_new_ones(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BUFFERED", 1000)
    middleware, app = in_front_of(takes_all)

    async def drip():
        dripping = [asyncio.create_task(post(middleware, app, b"{" + b" " * 499)) for _ in range(2)]
        await asyncio.sleep(0)
        assert middleware._buffered == 1000
        assert await post(middleware, app, b'{"data": []}' + b" " * 400) == (200, "fine")
        assert (await dripping[0])[0] == 408 and not dripping[1].done()  # the one that has been coming for longest
        dripping[1].cancel()
        await asyncio.wait(dripping)
        assert middleware._buffered == 0 and not middleware._receiving

    asyncio.run(drip())


def test_a_full_disk_refuses_posts(monkeypatch):
    middleware, app = in_front_of(takes_all)
    monkeypatch.setattr(limits, "MIN_FREE_DISK", 10**18)
    assert asyncio.run(post(middleware, app, b'{"data": []}'))[0] == 503
    assert asyncio.run(post(middleware, app, scope={"method": "GET", "path": "/config"}))[0] == 200


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"path": "/gradio_api/nothing"}, 404), ({"path": "/gradio_api/call/" + "a" * 256}, 404), ({"path": "/static/a\nb", "method": "GET"}, 404), ({"method": "PUT"}, 405),
        ({"query_string": b"a" * 4001}, 414), ({"headers": [(b"cookie", b"a" * 16_000)]}, 431), ({"headers": []}, 415), ({"headers": [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]}, 415),
        ({"path": "/gradio_api/call/unknown"}, 404), ({"query_string": b"page=x"}, 404), ({"path": "/gradio_api/heartbeat/" + "a" * 65, "method": "GET"}, 422),
        ({"path": "/gradio_api/queue/data", "method": "GET"}, 422), ({"path": "/gradio_api/queue/data", "method": "GET", "query_string": b"session_hash=" + b"a" * 65}, 422),
    ],
)  # fmt: skip
def test_refused_requests(scope, status):
    middleware, app = in_front_of(takes_all)
    told, sentence = asyncio.run(post(middleware, app, b'{"data": []}', scope=scope))
    assert told == status and sentence[0].isupper() and sentence.endswith(".")


def test_a_root_path():
    middleware, app = in_front_of(takes_all)
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
    """A page then begins anew, as after a restart; by plain HTTP there is a status."""
    middleware, app = in_front_of(takes_all)
    app.get_blocks()._queue.session_of = lambda question: None
    heard = []

    async def send(message):
        heard.append(message)

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
        heard[0]["status"] == 200 and json.loads(heard[1]["body"].removeprefix(b"data: "))["session_not_found"] is True
    )
    assert asyncio.run(post(middleware, app, scope={"method": "GET", "path": "/gradio_api/call/models/abc"}))[0] == 404


def test_a_stream_registers_its_listener():
    listened = []

    @contextmanager
    def listening(session):
        listened.append(session)
        yield
        listened.append("over")

    async def stream(scope, receive, send):
        listened.append("stream")
        await takes_all(scope, receive, send)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    middleware, app = in_front_of(stream)
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
