"""The Hub's address, and the settings with which `huggingface_hub` sends requests to it."""

from __future__ import annotations

import os

from huggingface_hub import constants
from huggingface_hub.utils import set_client_factory
from huggingface_hub.utils._http import default_client_factory

# Two defaults of the library for which it has no argument; it looks both up each time they are used.
# It reads a body in pieces of 10 MB: over a slow line that is ten seconds without progress, and as much is lost
# when the connection breaks.
constants.DOWNLOAD_CHUNK_SIZE = 2**18
# Before its first request it asks the Hub how to recognise coding agents, to name them in its own telemetry, and
# waits up to 3 s for that: the whole time limit of the request itself.
constants.HF_HUB_DISABLE_TELEMETRY = True


class UnexpectedContentError(OSError):
    """The Hub's response differs from what it announced."""


def endpoint() -> str:
    """The Hub's present URL. `huggingface_hub` reads HF_ENDPOINT only once, when it is imported."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _uncompressed_client():
    """The library's own client, but without compression: a small compressed body could expand to any size."""
    client = default_client_factory()
    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks = {**client.event_hooks, "response": [_refuse_compressed]}
    return client


def _refuse_compressed(response):
    if response.is_success and response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnexpectedContentError("compressed, although no compression was accepted")


set_client_factory(_uncompressed_client)
