"""The place to serve on, taken before anything heavy is imported: whoever asks for one that cannot be had is told at once."""

import errno
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"
FIRST_PORT, TRIED = 7860, 100
LAST_PORT = 65535
EVERYWHERE = {
    "0.0.0.0": "127.0.0.1",
    "::": "::1",
}  # an address for all interfaces is none to open: what to open in its place


@dataclass
class Place:
    """An address and a port that are this program's. Nobody is answered before `open`, so that whoever waits for the port waits for the page."""

    host: str
    port: int
    sockets: list[socket.socket]
    others: Iterable[int] = ()  # ports that will do as well

    @property
    def url(self) -> str:
        """Where this machine finds the page."""
        host = EVERYWHERE.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def open(self, backlog: int):
        """Let callers come. Raises ValueError where another program was quicker, which had the port as well and opened it first."""
        try:
            self._listen(backlog)
        except OSError as error:
            if not (error.errno == errno.EADDRINUSE and self.others):
                raise ValueError(_fault(error, self.host, self.port)) from None
            self.close()
            self.port, self.sockets, self.others = _first_free(self.host, self.others)
            self.open(backlog)

    def close(self):
        for one in self.sockets:
            one.close()

    def _listen(self, backlog):
        for one in self.sockets:
            one.listen(backlog)


def reserve(host: str | None = None, port: str | None = None, variables: Mapping[str, str] = os.environ) -> Place:
    """The place asked for: by arguments, else by GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, else the first free port from FIRST_PORT.

    Port 0 is any that is free. Raises ValueError, with one sentence, for a place that cannot be had.
    """
    host = (host or variables.get("GRADIO_SERVER_NAME") or HOST).removeprefix("[").removesuffix("]")
    tried = _number("GRADIO_NUM_PORTS", variables.get("GRADIO_NUM_PORTS") or str(TRIED), least=1)
    if port is not None:
        ports = [_number("--port", port)]
    elif variables.get("GRADIO_SERVER_PORT"):
        ports = [_number("GRADIO_SERVER_PORT", variables["GRADIO_SERVER_PORT"])]
    else:
        ports = range(FIRST_PORT, min(FIRST_PORT + tried, LAST_PORT + 1))
    return Place(host, *_first_free(host, ports))


def _number(name, text, least=0):
    if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII) or not least <= int(text) <= LAST_PORT:
        raise ValueError(f"{name} must be a whole number from {least} to {LAST_PORT}.")
    return int(text)


def _first_free(host, ports):
    """The first port that can be had, its sockets, and the ports not yet tried."""
    for index, port in enumerate(ports):
        try:
            sockets = _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or len(ports) == 1:
                raise ValueError(_fault(error, host, port)) from None
        else:
            return sockets[0].getsockname()[1], sockets, ports[index + 1 :]
    raise ValueError(f"The ports {ports[0]} to {ports[-1]} are all in use: choose another with --port.")


def _bound(host, port):
    """Sockets for all addresses of a name ("localhost" has one of each family). Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "no name") from None
    sockets, faults = [], []
    for family, kind, protocol, _, address in found:
        try:
            sockets.append(_socket(family, kind, protocol, (address[0], port or _taken(sockets), *address[2:])))
        except OSError as error:
            faults.append(error)
    unusable = next((error for error in faults if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)), None)
    if unusable or not sockets:  # a machine without IPv6 still calls ::1 localhost
        for one in sockets:
            one.close()
        raise unusable or faults[0]
    return sockets


def _taken(sockets):
    """The port that the system chose for the first of a name's addresses."""
    return sockets[0].getsockname()[1] if sockets else 0


def _socket(family, kind, protocol, address):
    one = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # or a port would stay closed for a minute after a restart; elsewhere it would be shared
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except BaseException:
        one.close()
        raise
    return one


def _fault(error, host, port):
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
