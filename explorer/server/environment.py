"""Environment variables: an allow-list, validated before any library reads them; other GRADIO_ ones are removed."""

import os
import re
from contextlib import contextmanager

ADDRESS = ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS")  # validated by `explorer.server.sockets`
ALLOWED = {*ADDRESS, "GRADIO_ROOT_PATH", "GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "GRADIO_SHARE_SERVER_ADDRESS"}
TIMEOUTS = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")  # huggingface_hub parses them when it is imported
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

_PATH = r"(/[\w.~%!$&'()*+,;=:@-]*)*"
_ROOT = re.compile(rf"{_PATH}|https?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{{1,5}})?{_PATH}", re.ASCII)


def validate():
    """Remove the variables that are not allowed. Raises ValueError, with one sentence, for a value that cannot be used.

    Gradio reads some forty variables. Some open what is closed here (files of the machine, a reloader that runs code,
    workers that bypass the middleware), some end the start with a stack trace. With SYSTEM=spaces it watches for new
    code, by a package that need not be installed, and has every visitor's browser contact the platform and a host of
    fonts; the page is the same without.
    """
    variables = os.environ
    for name in TIMEOUTS:
        if name in variables and not re.fullmatch(r"\s*\d+\s*", variables[name], re.ASCII):
            raise ValueError(f"The variable {name} must be a whole number of seconds: change it, or unset it.")
    if not _ROOT.fullmatch(variables.get("GRADIO_ROOT_PATH", "")):
        raise ValueError(
            "The variable GRADIO_ROOT_PATH must be a path such as /plants, "
            "or an address such as https://example.org/plants: change it, or unset it."
        )
    _validate_proxies()
    for name in [name for name in variables if name.startswith("GRADIO_") and name not in ALLOWED]:
        del variables[name]
    if variables.get("SYSTEM") == "spaces":
        del variables["SYSTEM"]


@contextmanager
def without_proxies():
    """Within it, this process sends requests directly: those to itself, which no proxy would reach."""
    removed = {name: os.environ.pop(name) for name in _proxy_variables()}
    try:
        yield
    finally:
        os.environ.update(removed)


def _validate_proxies():
    """Importing Gradio fails with a proxy address that httpx does not understand, so httpx is tried first."""
    names = _proxy_variables()
    if names:
        import httpx

        try:
            httpx.Client().close()
        except (ValueError, ImportError, httpx.InvalidURL):  # ImportError: SOCKS, which takes one more package
            raise ValueError(
                f"The proxy of {' or '.join(names)} cannot be used: "
                "give one as http://host:port, or unset the variable."
            ) from None


def _proxy_variables():
    return [name for name in os.environ if name.lower() in PROXIES]
