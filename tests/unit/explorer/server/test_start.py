"""The start: arguments and environment are judged before anything heavy is imported; the place to serve on is taken; a busy machine may be slow."""

import errno
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, closing, suppress
from types import SimpleNamespace

import httpx
import pytest
from live import ROOT

from explorer.server import environment, sockets
from explorer.server.http_server import Crowd, Server, ServingError
from explorer.server.sockets import FIRST_PORT, reserve

HELP_SECONDS = 0.3  # of the processor


def ended(*arguments, **variables):
    """What app.py printed and the status it ended with, by itself."""
    told = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert told.stdout == "", told.stdout
    return told.returncode, told.stderr


@pytest.fixture
def taken():
    """A port that another program serves on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


# Arguments and variables

WRONG = [
    (["--port", "many"], {}, "--port must be a whole number from 0 to 65535"),
    (["--port", "99999"], {}, "--port must be"),
    (["--port", "-1"], {}, "--port must be"),
    (["--port", "１２３"], {}, "--port must be"),  # digits, but not ours
    (["--port", ""], {}, "--port must be"),
    (["--host", "nonsense.invalid"], {}, "no machine called 'nonsense.invalid'"),
    (["--host", "x" * 70], {}, "no machine called"),  # longer than a name may be
    (["--host", "192.0.2.1"], {}, "no address of this machine"),
    (["--host", "::"], {"GRADIO_SERVER_PORT": "99999"}, "GRADIO_SERVER_PORT must be"),
    (["--model", "resnet"], {}, "invalid choice: 'resnet'"),
    (["--device", "abacus"], {}, "it is cpu, cuda, mps or auto"),
    (["--data", "/nowhere"], {}, "(No such file or directory): give one that holds photos named 0_*.jpg for rudo"),
    (["--data", "app.py"], {}, "(Not a directory)"),
    (["--data", "docs"], {}, "(No such file or directory)"),
    (["--nonsense"], {}, "unrecognized arguments"),
    ([], {"GRADIO_SERVER_PORT": "abc"}, "GRADIO_SERVER_PORT must be"),
    ([], {"GRADIO_SERVER_NAME": "nonsense.invalid"}, "no machine called"),
    ([], {"GRADIO_NUM_PORTS": "x"}, "GRADIO_NUM_PORTS must be a whole number from 1"),
    ([], {"GRADIO_NUM_PORTS": "0"}, "GRADIO_NUM_PORTS must be"),
    ([], {"GRADIO_ROOT_PATH": "plants"}, "GRADIO_ROOT_PATH must be a path such as"),
    ([], {"GRADIO_ROOT_PATH": "/<script>"}, "GRADIO_ROOT_PATH must be"),
    ([], {"HF_HUB_DOWNLOAD_TIMEOUT": "soon"}, "HF_HUB_DOWNLOAD_TIMEOUT must be a whole number of seconds"),
    ([], {"ALL_PROXY": "socks4://127.0.0.1:9"}, "proxy of ALL_PROXY cannot be used"),
    ([], {"https_proxy": "http://127.0.0.1:many"}, "proxy of https_proxy cannot be used"),
]


@pytest.mark.parametrize(("arguments", "variables", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(arguments, variables, words):
    status, told = ended(*arguments, **variables)
    assert status == 2 and words in told
    assert told.startswith("app.py: ") and told.endswith(".\n") and told.count("\n") == 1


def test_a_port_in_use_is_one_sentence(taken):
    for arguments, variables in ((["--port", str(taken)], {}), ([], {"GRADIO_SERVER_PORT": str(taken)})):
        status, told = ended(*arguments, **variables)
        assert (
            status == 2 and f"The port {taken} is in use: choose another with --port" in told and told.count("\n") == 1
        )


def test_help_costs_no_start():
    before = os.times()
    told = subprocess.run([sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    after = os.times()
    assert "--device" in told.stdout and "embedded_gap" in told.stdout
    assert after.children_user + after.children_system - before.children_user - before.children_system < HELP_SECONDS


def test_nothing_heavy_is_imported_before_the_arguments_are_judged():
    """Photos are looked at with Pillow and NumPy; torch, Gradio and the Hub's library have to wait."""
    code = """
import sys, app
from explorer.server import environment
from explorer.photos import examples
from explorer.server import run_directory as folder
from explorer.server import sockets
environment.judge(), examples.embedded()
print([name for name in ("torch", "gradio", "huggingface_hub", "cv2", "httpx") if name in sys.modules])"""
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


@pytest.fixture
def variables(monkeypatch):
    """An environment of the test's own."""
    own = {}
    monkeypatch.setattr(environment, "os", SimpleNamespace(environ=own))
    return own


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/plants",
        "/a/b-c_d.e/",
        "https://example.org",
        "http://[::1]:7860/plants",
        "https://example.org:8443/a/b",
    ],
)
def test_a_path_behind_a_proxy_is_heard(variables, path):
    variables["GRADIO_ROOT_PATH"] = path
    environment.judge()
    assert variables == {"GRADIO_ROOT_PATH": path}


def test_what_would_open_or_break_the_app_is_not_heard(variables):
    variables |= {
        "GRADIO_ALLOWED_PATHS": "/",
        "GRADIO_DEBUG": "abc",
        "GRADIO_WATCH_DIRS": "/",
        "SYSTEM": "spaces",
        "SPACE_ID": "a/b",
    }
    variables |= (
        kept := {"GRADIO_SERVER_PORT": "1", "GRADIO_TEMP_DIR": "/x", "HF_HUB_ETAG_TIMEOUT": " 10 ", "HOME": "/root"}
    )
    environment.judge()
    assert variables == {**kept, "SPACE_ID": "a/b"}


def test_requests_to_itself_take_no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with environment.without_proxies():
        assert not environment._proxies()
    assert os.environ["http_proxy"] == os.environ["ALL_PROXY"] == "http://127.0.0.1:9"


# The place to serve on


def test_any_free_port():
    place = reserve("127.0.0.1", "0", {})
    with closing(place):
        assert place.port > 0 and place.url == f"http://127.0.0.1:{place.port}/"
        with pytest.raises(ConnectionRefusedError):  # nobody is made to wait before there is something to answer
            socket.create_connection(("127.0.0.1", place.port))
        place.open(5)
        socket.create_connection(("127.0.0.1", place.port)).close()


def test_arguments_go_before_variables(taken):
    variables = {"GRADIO_SERVER_NAME": "192.0.2.1", "GRADIO_SERVER_PORT": str(taken)}
    with closing(reserve("127.0.0.1", "0", variables)) as place:
        assert place.host == "127.0.0.1" and place.port != taken
    with pytest.raises(ValueError, match="in use"):
        reserve("127.0.0.1", None, variables)


def all_but(monkeypatch, free):
    """Let every port but these be in use."""
    bound = sockets._bound

    def busy(host, port):
        if port in free:
            return bound(host, 0)
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(sockets, "_bound", busy)


def test_the_first_free_port_where_none_is_asked_for(monkeypatch):
    all_but(monkeypatch, {FIRST_PORT + 2, FIRST_PORT + 3})
    with closing(reserve(variables={})) as place:
        assert list(place.others)[0] == FIRST_PORT + 3
    with pytest.raises(ValueError, match=f"The ports {FIRST_PORT} to {FIRST_PORT + 1} are all in use"):
        reserve(variables={"GRADIO_NUM_PORTS": "2"})
    with pytest.raises(ValueError, match=f"The port {FIRST_PORT} is in use"):
        reserve(variables={"GRADIO_NUM_PORTS": "1"})


def test_two_starts_at_once_do_not_get_the_same_port(monkeypatch):
    """Both may bind it, since neither listens yet: whoever comes second to listen goes on to the next."""
    with ExitStack() as ends:
        first = ends.enter_context(closing(reserve("127.0.0.1", "0", {})))
        second = ends.enter_context(closing(reserve("127.0.0.1", str(first.port), {})))
        third = ends.enter_context(closing(reserve("127.0.0.1", str(first.port), {})))
        third.others = [0]
        first.open(5)
        with pytest.raises(ValueError, match="in use"):
            second.open(5)
        third.open(5)
        assert third.port != first.port
        socket.create_connection(("127.0.0.1", third.port)).close()


def test_a_name_of_several_addresses_is_served_on_all_there_are(monkeypatch):
    """As localhost is: 127.0.0.1 and ::1, of which a machine may lack the second."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with closing(reserve("somewhere", "0", {})) as place:
        assert [one.getsockname() for one in place.sockets] == [("127.0.0.1", place.port), ("127.0.0.2", place.port)]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/"),
        ("::", "http://[::1]:80/"),
        ("::1", "http://[::1]:80/"),
        ("localhost", "http://localhost:80/"),
    ],
)
def test_the_address_printed_can_be_opened(host, url):
    assert sockets.Place(host, 80, []).url == url


def test_a_port_that_takes_more_rights():
    assert "may not be used by this user: choose one above 1023" in sockets._fault(
        PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80
    )


# The server


async def hello(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def serve():
    """Starts a server of a small app, which has room for so many connections."""
    with ExitStack() as ends:

        def start(app=hello, most=1000):
            server = Server(app, reserve("127.0.0.1", "0", {}))
            ends.callback(server._place.close)
            server.crowd.most = most
            server.start()
            ends.callback(server.close)
            return server, server._place

        yield start


def connected(ends, place, sent=b""):
    one = ends.enter_context(socket.create_connection(("127.0.0.1", place.port)))
    one.sendall(sent)
    return one


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: half-a-request\r\n"])
def test_those_that_ask_nothing_make_room(serve, capfd, sent):
    _, place = serve(most=5)
    with ExitStack() as ends:
        idle = [connected(ends, place, sent) for _ in range(40)]
        assert [httpx.get(place.url).text for _ in range(5)] == ["hello"] * 5
        with suppress(ConnectionResetError):
            assert idle[0].recv(100) == b""  # closed: it had waited longest
    assert capfd.readouterr().err.count("5 connections are open") == 1, "once, not forty times"


def test_where_all_are_answered_one_more_is_told_so(serve):
    _, place = serve(most=3)
    with ExitStack() as ends:
        for _ in range(3):
            assert b"begun" in read_until(connected(ends, place, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"), b"begun")
        told = httpx.get(place.url)
        assert told.status_code == 503 and "too many connections" in told.json()["detail"]
    assert poll(lambda: httpx.get(place.url).status_code == 200), "they have left"


def read_until(connection, words):
    read = b""
    while words not in read and (more := connection.recv(4096)):
        read += more
    return read


def poll(condition):
    """Whether it comes true within as long as a busy machine may take."""
    return any(condition() for _ in range(2000))


def test_connections_are_counted_as_they_come_and_go():
    class Connection:
        transport, closing = property(lambda self: self), False

        def shutdown(self):
            self.closing = True

        close = shutdown

        def is_closing(self):
            return self.closing

        def write(self, data):
            self.told = data

    crowd = Crowd(2)
    first, second, third, fourth = (Connection() for _ in range(4))
    assert crowd.admit(first, first) and crowd.admit(second, second)
    crowd.forget(second)
    assert crowd.admit(third, third) and not first.closing
    assert crowd.admit(fourth, fourth) and first.closing and not third.closing


LIMITED = "import explorer.server.http_server as s; n = s.connections_allowed(); print(n, s._limit(), s._open_files())"


@pytest.mark.parametrize("limit", [64, 256, 4096])
def test_connections_leave_files_for_everything_else(limit):
    resource = pytest.importorskip("resource")
    told = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit // 2, limit)),
    )
    most, now, used = map(int, told.stdout.split())
    assert now == limit, "raised as far as it may be"
    assert 1 <= most <= 2000 and most <= limit - used - min(200, (limit - used) // 2)


def test_a_server_that_cannot_come_up_is_a_sentence(serve):
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed"})

    with pytest.raises(ServingError, match=r"cannot be served \(SystemExit\)"):
        serve(broken)


def test_a_server_that_ends_by_itself_is_a_sentence(serve):
    server, _ = serve()
    server.should_exit = True
    with pytest.raises(ServingError, match="ended by itself"):
        server.wait()


def test_a_port_lost_meanwhile_is_a_sentence(serve):
    first, second = reserve("127.0.0.1", "0", {}), None
    with closing(first), closing(reserve("127.0.0.1", str(first.port), {})) as second:
        first.open(5)
        with pytest.raises(ServingError, match="in use"):
            Server(hello, second).start()
