"""The address to serve on, bound before anything heavy is imported, so that an unusable one is reported at once."""

import errno
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOST = "127.0.0.1"
FIRST_PORT, PORTS_TRIED = 7860, 100
LAST_PORT = 65535
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what to open in place of an address for all interfaces


@dataclass
class ReservedAddress:
    """A bound host and port.

    Connections are refused before `listen`, so that whoever waits for the port waits for the page.
    """

    host: str
    port: int
    sockets: list[socket.socket]
    alternatives: Sequence[int] = ()  # ports to try if this one is lost

    @property
    def url(self) -> str:
        """The page's URL on this machine."""
        host = LOOPBACK.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def listen(self, backlog: int):
        """Accept connections. Raises ValueError where another program had bound the port too and listened first."""
        try:
            for sock in self.sockets:
                sock.listen(backlog)
        except OSError as error:
            if not (error.errno == errno.EADDRINUSE and self.alternatives):
                raise ValueError(_sentence(error, self.host, self.port)) from None
            self.close()
            self.port, self.sockets, self.alternatives = _first_free(self.host, self.alternatives)
            self.listen(backlog)

    def close(self):
        for sock in self.sockets:
            sock.close()


def reserve(
    host: str | None = None, port: str | None = None, variables: Mapping[str, str] = os.environ
) -> ReservedAddress:
    """Bind the given host and port, else GRADIO_SERVER_NAME and _PORT, else the first free port from FIRST_PORT.

    Port 0 is any that is free. Raises ValueError, with one sentence, for an address that cannot be bound.
    """
    host = (host or variables.get("GRADIO_SERVER_NAME") or HOST).removeprefix("[").removesuffix("]")
    count = _integer("GRADIO_NUM_PORTS", variables.get("GRADIO_NUM_PORTS") or str(PORTS_TRIED), minimum=1)
    if port is not None:
        ports = [_integer("--port", port)]
    elif variables.get("GRADIO_SERVER_PORT"):
        ports = [_integer("GRADIO_SERVER_PORT", variables["GRADIO_SERVER_PORT"])]
    else:
        ports = range(FIRST_PORT, min(FIRST_PORT + count, LAST_PORT + 1))
    return ReservedAddress(host, *_first_free(host, ports))


def _integer(name, text, minimum=0):
    if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII) or not minimum <= int(text) <= LAST_PORT:
        raise ValueError(f"{name} must be a whole number from {minimum} to {LAST_PORT}.")
    return int(text)


def _first_free(host, ports):
    """The first port that can be bound, its sockets, and the ports not yet tried."""
    for index, port in enumerate(ports):
        try:
            sockets = _bind(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or len(ports) == 1:
                raise ValueError(_sentence(error, host, port)) from None
        else:
            return sockets[0].getsockname()[1], sockets, ports[index + 1 :]
    raise ValueError(f"The ports {ports[0]} to {ports[-1]} are all in use: choose another with --port.")


def _bind(host, port):
    """Sockets for all addresses of a name ("localhost" has one of each family). Raises OSError."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "no name") from None
    sockets, errors = [], []
    for family, kind, protocol, _, address in addresses:
        try:
            sockets.append(_socket(family, kind, protocol, (address[0], port or _chosen_port(sockets), *address[2:])))
        except OSError as error:
            errors.append(error)
    unusable = next((error for error in errors if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)), None)
    if unusable or not sockets:  # a machine without IPv6 still calls ::1 localhost
        for sock in sockets:
            sock.close()
        raise unusable or errors[0]
    return sockets


def _chosen_port(sockets):
    """The port that the system has chosen for the first of a name's addresses."""
    return sockets[0].getsockname()[1] if sockets else 0


def _socket(family, kind, protocol, address):
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # or a port would stay closed for a minute after a restart; elsewhere it would be shared
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _sentence(error, host, port):
    if isinstance(error, socket.gaierror):
        return (
            f"There is no machine called {host!r}: give an address of this one with --host, or 0.0.0.0 for all of them."
        )
    if error.errno == errno.EADDRINUSE:
        return f"The port {port} is in use: choose another with --port, or end the program that has it."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: give one that is with --host, or 0.0.0.0 for all of them."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"The port {port} may not be used by this user: choose one above 1023 with --port."
    return f"{host} cannot be served on ({error.strerror}): choose another address with --host."
