"""The reserved address: bound at once, or one sentence; no connection is accepted before `listen`."""

import errno
import socket
from contextlib import ExitStack, closing

import pytest

from explorer.server import sockets
from explorer.server.sockets import FIRST_PORT, reserve


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_port_0_is_any_free_port():
    with closing(reserve("127.0.0.1", "0", {})) as address:
        assert address.port > 0 and address.url == f"http://127.0.0.1:{address.port}/"
        with pytest.raises(ConnectionRefusedError):  # no client waits before there is a page
            socket.create_connection(("127.0.0.1", address.port))
        address.listen(5)
        socket.create_connection(("127.0.0.1", address.port)).close()


def test_arguments_take_precedence_over_variables(taken):
    variables = {"GRADIO_SERVER_NAME": "192.0.2.1", "GRADIO_SERVER_PORT": str(taken)}
    with closing(reserve("127.0.0.1", "0", variables)) as address:
        assert address.host == "127.0.0.1" and address.port != taken
    with pytest.raises(ValueError, match="in use"):
        reserve("127.0.0.1", None, variables)


def all_in_use_but(monkeypatch, free):
    """Every port but these is in use."""
    bind = sockets._bind

    def bind_if_free(host, port):
        if port in free:
            return bind(host, 0)
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(sockets, "_bind", bind_if_free)


def test_the_first_free_port_is_the_default(monkeypatch):
    all_in_use_but(monkeypatch, {FIRST_PORT + 2, FIRST_PORT + 3})
    with closing(reserve(variables={})) as address:
        assert address.alternatives[0] == FIRST_PORT + 3
    with pytest.raises(ValueError, match=f"The ports {FIRST_PORT} to {FIRST_PORT + 1} are all in use"):
        reserve(variables={"GRADIO_NUM_PORTS": "2"})
    with pytest.raises(ValueError, match=f"The port {FIRST_PORT} is in use"):
        reserve(variables={"GRADIO_NUM_PORTS": "1"})


def test_two_simultaneous_starts_get_different_ports():
    """Both may bind one, since neither listens yet: the second to listen tries the next port."""
    with ExitStack() as ends:
        first = ends.enter_context(closing(reserve("127.0.0.1", "0", {})))
        second = ends.enter_context(closing(reserve("127.0.0.1", str(first.port), {})))
        third = ends.enter_context(closing(reserve("127.0.0.1", str(first.port), {})))
        third.alternatives = [0]
        first.listen(5)
        with pytest.raises(ValueError, match="in use"):
            second.listen(5)
        third.listen(5)
        assert third.port != first.port
        socket.create_connection(("127.0.0.1", third.port)).close()


def test_a_name_with_several_addresses_is_bound_on_all_available(monkeypatch):
    """As localhost: 127.0.0.1 and ::1, of which a machine may lack the second."""
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    with closing(reserve("somewhere", "0", {})) as address:
        names = [sock.getsockname() for sock in address.sockets]
        assert names == [("127.0.0.1", address.port), ("127.0.0.2", address.port)]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/"),
        ("::", "http://[::1]:80/"),
        ("::1", "http://[::1]:80/"),
        ("localhost", "http://localhost:80/"),
    ],
)
def test_the_printed_url_can_be_opened(host, url):
    assert sockets.ReservedAddress(host, 80, []).url == url


def test_a_privileged_port_is_one_sentence():
    sentence = sockets._sentence(PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80)
    assert "may not be used by this user: choose one above 1023" in sentence
