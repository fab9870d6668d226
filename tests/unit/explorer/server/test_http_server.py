"""The server in its thread: the connection limit, and errors at the start and at the end."""

import socket
import subprocess
import sys
from contextlib import ExitStack, closing, suppress

import httpx
import pytest
from live import ROOT

from explorer.server.http_server import ConnectionLimit, Server, ServingError
from explorer.server.sockets import reserve


async def hello(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def serve():
    """Starts a server of a small app, with a connection limit."""
    with ExitStack() as stack:

        def start(app=hello, limit=1000):
            server = Server(app, reserve("127.0.0.1", "0", {}))
            stack.callback(server._address.close)
            server.connections.limit = limit
            server.start()
            stack.callback(server.close)
            return server, server._address

        yield start


def connect(stack, address, request=b""):
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", address.port)))
    connection.sendall(request)
    return connection


@pytest.mark.parametrize("request_bytes", [b"", b"GET / HTTP/1.1\r\nHost: half-a-request\r\n"])
def test_idle_connections_are_closed_above_the_limit(serve, capfd, request_bytes):
    _, address = serve(limit=5)
    with ExitStack() as stack:
        idle = [connect(stack, address, request_bytes) for _ in range(40)]
        assert [httpx.get(address.url).text for _ in range(5)] == ["hello"] * 5
        with suppress(ConnectionResetError):
            assert idle[0].recv(100) == b""  # closed: it was the oldest
    assert capfd.readouterr().err.count("5 connections are open") == 1, "logged once, not forty times"


def test_above_the_limit_of_busy_connections_a_new_one_gets_503(serve):
    _, address = serve(limit=3)
    with ExitStack() as stack:
        for _ in range(3):
            stream = connect(stack, address, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"begun" in read_until(stream, b"begun")
        response = httpx.get(address.url)
        assert response.status_code == 503 and "too many connections" in response.json()["detail"]
    assert poll(lambda: httpx.get(address.url).status_code == 200), "they are closed"


def read_until(connection, words):
    read = b""
    while words not in read and (more := connection.recv(4096)):
        read += more
    return read


def poll(condition):
    """Whether the condition becomes true, with patience for a busy machine."""
    return any(condition() for _ in range(2000))


def test_connections_are_counted():
    class Connection:
        transport, closing = property(lambda self: self), False

        def shutdown(self):
            self.closing = True

        close = shutdown

        def is_closing(self):
            return self.closing

        def write(self, data):
            self.written = data

    connections = ConnectionLimit(2)
    first, second, third, fourth = (Connection() for _ in range(4))
    assert connections.admit(first, first) and connections.admit(second, second)
    connections.remove(second)
    assert connections.admit(third, third) and not first.closing
    assert connections.admit(fourth, fourth) and first.closing and not third.closing


PRINT_LIMITS = (
    "import explorer.server.http_server as s; n = s.max_connections(); print(n, s._file_limit(), s._open_files())"
)


@pytest.mark.parametrize("limit", [64, 256, 4096])
def test_the_connection_limit_leaves_files_for_everything_else(limit):
    resource = pytest.importorskip("resource")
    process = subprocess.run(
        [sys.executable, "-c", PRINT_LIMITS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit // 2, limit)),
    )
    connections, file_limit, used = map(int, process.stdout.split())
    assert file_limit == limit, "raised to the hard limit"
    assert 1 <= connections <= 2000 and connections <= limit - used - min(200, (limit - used) // 2)


def test_a_failed_startup_is_a_sentence(serve):
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed"})

    with pytest.raises(ServingError, match=r"cannot be served \(SystemExit\)"):
        serve(broken)


def test_an_unrequested_shutdown_is_a_sentence(serve):
    server, _ = serve()
    server.should_exit = True
    with pytest.raises(ServingError, match="ended by itself"):
        server.wait()


def test_a_port_lost_between_bind_and_listen_is_a_sentence():
    with closing(reserve("127.0.0.1", "0", {})) as first, closing(reserve("127.0.0.1", str(first.port), {})) as second:
        first.listen(5)
        with pytest.raises(ServingError, match="in use"):
            Server(hello, second).start()
