"""How the program ends when it is told to: SIGTERM and Ctrl-C alike, at rest and at work, with exit status 0 and no stack trace."""

import atexit
import os
import signal
import sys
from contextlib import contextmanager, suppress


@contextmanager
def on_request():
    """Within it, SIGTERM is a Ctrl-C, and a Ctrl-C ends what is within. (The first process of a container would not even hear SIGTERM otherwise.)

    The end of it is the end of the process: Python would tear down what threads at work stand on, and torch answers that with an abort.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
