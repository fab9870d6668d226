"""What the program hears of its environment: the variables named here, judged before any library reads them, and no others of Gradio's."""

import os
import re
from contextlib import contextmanager

PLACE = ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS")  # `explorer.server.sockets` judges them
HEARD = {*PLACE, "GRADIO_ROOT_PATH", "GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "GRADIO_SHARE_SERVER_ADDRESS"}
SECONDS = (
    "HF_HUB_ETAG_TIMEOUT",
    "HF_HUB_DOWNLOAD_TIMEOUT",
)  # which the Hub's library turns into numbers when it is imported
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

_PATH = r"(/[\w.~%!$&'()*+,;=:@-]*)*"
_ROOT = re.compile(rf"{_PATH}|https?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{{1,5}})?{_PATH}", re.ASCII)


def judge():
    """Raises ValueError, with one sentence, for a value that nothing can be done with; takes out what must not be heard.

    Gradio hears some forty variables of its own. Some open what is closed here (files of the machine, a reloader that runs code, workers
    beside the door), some end the start with a stack trace. Told that it runs on a Space it watches for new code, by a package that need not
    be there, and has every visitor's browser ask the platform and a host of fonts; the page is the same without.
    """
    variables = os.environ
    for name in SECONDS:
        if name in variables and not re.fullmatch(r"\s*\d+\s*", variables[name], re.ASCII):
            raise ValueError(f"The variable {name} must be a whole number of seconds: change it, or unset it.")
    if not _ROOT.fullmatch(variables.get("GRADIO_ROOT_PATH", "")):
        raise ValueError(
            "The variable GRADIO_ROOT_PATH must be a path such as /plants, or an address such as https://example.org/plants: change it, or unset it."
        )
    _judge_proxies()
    for name in [name for name in variables if name.startswith("GRADIO_") and name not in HEARD]:
        del variables[name]
    if variables.get("SYSTEM") == "spaces":
        del variables["SYSTEM"]


@contextmanager
def without_proxies():
    """Within it, requests of this process go straight to where they are sent: for those to itself, which no proxy would reach."""
    taken = {name: os.environ.pop(name) for name in _proxies()}
    try:
        yield
    finally:
        os.environ.update(taken)


def _judge_proxies():
    """Gradio cannot even be imported with an address that its library for requests does not understand; so the library is asked."""
    names = _proxies()
    if names:
        import httpx

        try:
            httpx.Client().close()
        except (ValueError, ImportError, httpx.InvalidURL):  # ImportError: SOCKS, which takes one more package
            raise ValueError(
                f"The proxy of {' or '.join(names)} cannot be used: give one as http://host:port, or unset the variable."
            ) from None


def _proxies():
    return [name for name in os.environ if name.lower() in PROXIES]
