"""uvicorn in a thread of its own, with a connection limit below the limit of open files, and a bounded shutdown."""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import uvicorn

from .sockets import ReservedAddress

try:
    import resource
except ImportError:  # Windows: no such limit
    resource = None

MAX_CONNECTIONS = 2000  # at a time: two for each of the remembered sessions
WANTED_FILES = 65536  # open files, where the system allows as many
RESERVED_FILES = 200  # that uploads, responses and tools' own requests may open besides
ACCEPT_BATCH = 8  # connections accepted in one turn of the loop, before any can be refused
BACKLOG = 2048  # connections that may wait in the kernel meanwhile
SHUTDOWN_SECONDS = 1.0  # for responses under way at shutdown
LOG_INTERVAL = 60  # seconds between two warnings about the connection limit

RESPONSE_503 = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s"
)
TOO_MANY = b'{"detail": "The server has too many connections just now; please try again in a minute."}'

logger = logging.getLogger("uvicorn.error")


class ServingError(Exception):
    """The page cannot be served. The message is one sentence for whoever started it."""


class Server(uvicorn.Server):
    """uvicorn in a thread of its own, on sockets that are bound already."""

    def __init__(self, app, address: ReservedAddress):
        config = uvicorn.Config(app, log_level="warning", backlog=ACCEPT_BATCH, workers=1)
        config.load()
        self.connections = ConnectionLimit(max_connections())
        config.http_protocol_class = _limited(config.http_protocol_class, self.connections)
        super().__init__(config)
        self._address = address
        self._thread = Thread(target=self._run, name="server", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: str | None = None

    def start(self):
        """Return once requests are served, however long that takes. Raises ServingError where they cannot be."""
        try:
            self._address.listen(BACKLOG)
        except ValueError as error:
            raise ServingError(str(error)) from None
        self._thread.start()
        while not self.started and self._thread.is_alive():
            time.sleep(0.01)
        if not self.started:
            raise ServingError(f"The page cannot be served ({self._failure}): see what was said above.")
        for sock in self._address.sockets:
            sock.listen(BACKLOG)  # asyncio has set it to ACCEPT_BATCH

    def wait(self):
        """Block until the server ends. Raises ServingError, since a requested shutdown ends the whole process."""
        while self._thread.is_alive():
            self._thread.join(1)  # with a timeout, so that signals are handled on every system
        raise ServingError(f"The server has ended by itself ({self._failure}): start again.")

    def call_soon(self, callback):
        """Schedule `callback()` in the server's thread."""
        assert self._loop is not None, "the server has been started"
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(callback)

    def close(self):
        """Stop accepting, let responses finish for SHUTDOWN_SECONDS, and abandon the rest."""
        self.should_exit = True
        self._thread.join(SHUTDOWN_SECONDS)

    async def serve(self, sockets=None):
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def _run(self):
        try:
            self.run(self._address.sockets)
        except BaseException as error:  # uvicorn raises SystemExit where the app does not start, and has logged why
            self._failure = type(error).__name__


class ConnectionLimit:
    """The open connections. Above the limit an idle one is closed; if none is idle, the new one gets a 503."""

    def __init__(self, limit: int):
        self.limit = limit
        self._open = {}  # protocol → None, in the order of arrival
        self._last_logged = -LOG_INTERVAL

    def admit(self, protocol, transport) -> bool:
        """Whether the connection may stay."""
        self._open[protocol] = None
        if len(self._open) <= self.limit:
            return True
        self._log()
        return self._close_idle(protocol) or self._refuse(protocol, transport)

    def remove(self, protocol):
        self._open.pop(protocol, None)

    def _close_idle(self, newest):
        for protocol in self._open:
            if protocol is newest:
                break
            protocol.shutdown()  # uvicorn's: at once where it is idle, else after the response
            if protocol.transport.is_closing():
                self.remove(protocol)
                return True
        return False

    def _refuse(self, protocol, transport):
        self.remove(protocol)
        transport.write(RESPONSE_503 % (len(TOO_MANY), TOO_MANY))
        transport.close()
        return False

    def _log(self):
        now = time.monotonic()
        if now - self._last_logged >= LOG_INTERVAL:
            self._last_logged = now
            logger.warning(
                "%d connections are open, the most there may be: those that ask nothing are closed. "
                "The limit of open files (ulimit -n) is %s.",
                self.limit,
                _file_limit(),
            )


def max_connections() -> int:
    """How many connections leave enough files for everything else, the limit of open files being raised if possible."""
    if resource is None:
        return MAX_CONNECTIONS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if _file_limit() < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    free = _file_limit() - _open_files()
    return max(1, min(MAX_CONNECTIONS, free - min(RESERVED_FILES, free * 2 // 3)))


def _file_limit():
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource else MAX_CONNECTIONS
    return WANTED_FILES if resource and soft == resource.RLIM_INFINITY else soft


def _open_files():
    try:
        return len(list(Path("/dev/fd").iterdir()))
    except OSError:
        return 64  # more than a start opens


def _limited(protocol_class, connections):
    """uvicorn's protocol class, with its connections counted."""

    class Limited(protocol_class):
        def connection_made(self, transport):
            super().connection_made(transport)
            connections.admit(self, transport)

        def connection_lost(self, error):
            connections.remove(self)
            super().connection_lost(error)

    return Limited
