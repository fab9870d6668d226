"""Functions run in daemon threads, with their result as a Future."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future


def in_background(function: Callable, *args) -> Future:
    """Run in a daemon thread. A ThreadPoolExecutor's threads would keep the process from ending."""
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=f"hub-{function.__name__.strip('_')}", daemon=True).start()
    return future
