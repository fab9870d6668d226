"""How the program ends when it is told to: at any moment, with exit status 0, no stack trace, and nothing left behind."""

import atexit
import os
import signal
import sys
from contextlib import contextmanager, suppress
from threading import Timer

SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
]  # Windows has no SIGHUP
LAST_RESORT = 5  # seconds after which the process ends, whatever is still being cleared away

_postponed: list[bool] = []  # one entry while the end has to wait: whether it was asked for meanwhile


def on_request():
    """From now on SIGTERM, Ctrl-C and a closed terminal end the process. What it was started to ignore, as by nohup, it goes on ignoring.

    The handler ends the process itself. A KeyboardInterrupt in its place could come up in the middle of an import or a callback, where
    libraries catch it, report it or take it for a failure of their own. (The first process of a container would not hear SIGTERM otherwise.)
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _asked)


@contextmanager
def postponed():
    """Within it, what was begun is finished before the process ends."""
    _postponed.append(False)
    try:
        yield
    finally:
        if _postponed.pop():
            now(0)


def now(status: int):
    """End the process: what was registered with atexit is done, and no more.

    Python's own way out would tear down what threads at work stand on, and torch answers that with an abort.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C changes nothing
    last_resort = Timer(LAST_RESORT, os._exit, [status])
    last_resort.daemon = True
    last_resort.start()
    sys.unraisablehook = lambda _: (
        None
    )  # a library that was only half imported may have registered what cannot work yet
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # the terminal may be gone
            stream.flush()
    os._exit(status)


def _asked(number, frame):
    if _postponed:
        _postponed[-1] = True
    else:
        now(0)
