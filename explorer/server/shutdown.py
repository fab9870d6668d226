"""Process shutdown on a signal: at any moment, with exit status 0, no stack trace, and nothing left behind."""

import atexit
import os
import signal
import sys
from contextlib import contextmanager, suppress
from threading import Timer

NAMES = ("SIGTERM", "SIGINT", "SIGHUP")  # Windows has no SIGHUP
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
LAST_RESORT = 5  # seconds after which the process ends, even if atexit callbacks are still running

# one per process, as signal handlers are: an entry while shutdown is postponed, whether it was requested meanwhile
_postponed: list[bool] = []


def on_request():
    """From now on SIGTERM, Ctrl-C and a closed terminal end the process.

    Signals ignored at the start, as by nohup, stay ignored.

    The handler ends the process itself. A KeyboardInterrupt in its place could be raised in the middle of an import or
    a callback, where libraries catch it, report it or treat it as an error of their own. (The first process of a
    container would otherwise not react to SIGTERM.)
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


@contextmanager
def postponed():
    """Within it, a requested shutdown waits until the block is finished."""
    _postponed.append(False)
    try:
        yield
    finally:
        if _postponed.pop():
            now(0)


def now(status: int):
    """End the process: the atexit callbacks run, and nothing else.

    Python's own finalization would destroy objects that worker threads still use, and torch answers that with an abort.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C changes nothing
    last_resort = Timer(LAST_RESORT, os._exit, [status])
    last_resort.daemon = True
    last_resort.start()
    sys.unraisablehook = _ignore  # a partly imported library may have registered a callback that cannot work yet
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # the terminal may be gone
            stream.flush()
    os._exit(status)


def _handle(number, frame):
    if _postponed:
        _postponed[-1] = True
    else:
        now(0)


def _ignore(unraisable):
    pass
