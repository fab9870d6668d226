"""The server in its thread: it takes no more connections than there are files to be opened, and ends when it is told to."""

import asyncio
import logging
import os
import time
from contextlib import suppress
from threading import Thread

import uvicorn

from .sockets import Place

try:
    import resource
except ImportError:  # Windows: no such limit
    resource = None

MOST = 2000  # connections at a time: two for each of the sessions that are remembered
WANTED = 65536  # open files, where the system allows as many
RESERVED = 200  # files that uploads, answers and tools' own requests may open besides
AT_ONCE = 8  # connections taken in one turn of the loop, before any can be turned away
WAITING = 2048  # who may wait in the kernel meanwhile
GRACE = 1.0  # seconds for answers under way to end once the program shall
PAUSE = 60  # seconds between two lines of the log on crowds

FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
CROWDED = b'{"detail": "The server has too many connections just now; please try again in a minute."}'

logger = logging.getLogger("uvicorn.error")


class ServingError(Exception):
    """The page cannot be served. The message is one sentence for whoever started it."""


class Server(uvicorn.Server):
    """uvicorn in a thread of its own, on sockets that are taken already."""

    def __init__(self, app, place: Place):
        config = uvicorn.Config(app, log_level="warning", backlog=AT_ONCE, workers=1)
        config.load()
        self.crowd = Crowd(connections_allowed())
        config.http_protocol_class = _counted(config.http_protocol_class, self.crowd)
        super().__init__(config)
        self._place = place
        self._thread = Thread(target=self._run, name="server", daemon=True)
        self._loop, self._fault = None, None

    def start(self):
        """Returns once callers are served, however long a busy machine takes for it. Raises ServingError where they cannot be."""
        try:
            self._place.open(WAITING)
        except ValueError as error:
            raise ServingError(str(error)) from None
        self._thread.start()
        while not self.started and self._thread.is_alive():
            time.sleep(0.01)
        if not self.started:
            raise ServingError(f"The page cannot be served ({self._fault}): see what was said above.")
        for one in self._place.sockets:
            one.listen(WAITING)  # asyncio has made it AT_ONCE

    def wait(self):
        """Until it ends. Raises ServingError, since nobody asked it to: whoever does ends the whole process."""
        while self._thread.is_alive():
            self._thread.join(1)  # in pieces, between which signals are heard on every system
        raise ServingError(f"The server has ended by itself ({self._fault}): start again.")

    def soon(self, work):
        """Have `work()` done in the server's thread."""
        with suppress(RuntimeError):  # that has ended already
            self._loop.call_soon_threadsafe(work)

    def close(self):
        """Take no more callers, let answers end that are about to, and leave the rest after GRACE seconds."""
        self.should_exit = True
        self._thread.join(GRACE)

    async def serve(self, sockets=None):
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def _run(self):
        try:
            self.run(self._place.sockets)
        except (
            BaseException
        ) as error:  # uvicorn ends with SystemExit where the app does not come up, and has logged why
            self._fault = type(error).__name__


class Crowd:
    """The connections there are. Where one more would be too many, one that waits without asking makes room; if all are being answered, the new one is told."""

    def __init__(self, most: int):
        self.most = most
        self._open = {}  # protocol → None, in the order of arrival
        self._told = -PAUSE

    def admit(self, protocol, transport) -> bool:
        """Whether the connection may stay."""
        self._open[protocol] = None
        if len(self._open) <= self.most:
            return True
        self._tell()
        return self._make_room(protocol) or self._turn_away(protocol, transport)

    def forget(self, protocol):
        self._open.pop(protocol, None)

    def _make_room(self, newest):
        for protocol in self._open:
            if protocol is newest:
                return False
            protocol.shutdown()  # uvicorn's: at once where nothing is asked, else after the answer
            if protocol.transport.is_closing():
                self.forget(protocol)
                return True

    def _turn_away(self, protocol, transport):
        self.forget(protocol)
        transport.write(FULL % (len(CROWDED), CROWDED))
        transport.close()
        return False

    def _tell(self):
        now = time.monotonic()
        if now - self._told >= PAUSE:
            self._told = now
            logger.warning(
                "%d connections are open, the most there may be: those that ask nothing are closed. The limit of open files (ulimit -n) is %s.",
                self.most,
                _limit(),
            )


def connections_allowed() -> int:
    """How many connections leave enough files for everything else, with the limit raised as far as it may be."""
    if resource is None:
        return MOST
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if _limit() < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    free = _limit() - _open_files()
    return max(1, min(MOST, free - min(RESERVED, free * 2 // 3)))


def _limit():
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource else MOST
    return WANTED if resource and soft == resource.RLIM_INFINITY else soft


def _open_files():
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return 64  # more than a start opens


def _counted(protocol_class, crowd):
    """uvicorn's protocol, whose connections the crowd counts."""

    class Counted(protocol_class):
        def connection_made(self, transport):
            super().connection_made(transport)
            crowd.admit(self, transport)

        def connection_lost(self, error):
            crowd.forget(self)
            super().connection_lost(error)

    return Counted
