"""A small Hub on the loopback interface that misbehaves on request, with an empty cache for each test."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import struct
import time
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

import pytest
from huggingface_hub import constants
from loopback import LoopbackServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HTML = b"<!DOCTYPE html><html><body><p>Please log in to this network.</p></body></html>"

REFUSALS = {  # mode: status and X-Error-Code
    "no file": (404, "EntryNotFound"),
    "no repository": (404, "RepoNotFound"),
    "no revision": (404, "RevisionNotFound"),
    "nothing": (404, None),
    "gated": (401, "GatedRepo"),
    "locked": (401, None),
    "busy": (429, None),
    "broken": (500, None),
}
MODES = (
    "ok",
    "cut",  # ends the connection in the middle of the body, once
    "reset",  # resets it there, once
    "hang",  # accepts, never answers
    "hang body",  # answers HEAD, never GET
    "packed",  # GET answers with a gzip bomb in Content-Encoding, as long as HEAD announced, and does not end
    "endless",  # GET sends more than HEAD announced, and does not end
    "html",  # every URL answers with a web page, as a captive portal does
    *REFUSALS,
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str | None
    token: str | None = None  # what came as Authorization


class FakeHub(LoopbackServer):
    """Serves `files` ({repo}/{path} → content) as long as the `with` block lasts; `mode` says how.

    It answers for each repository of which it has a file, at any revision, always with the same commit.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.info: dict[str, dict] = {}  # repository → what its info says besides, {"gated": "auto"}
        self.announced: dict[str, int | None] = {}  # {repo}/{path} → its size in the info, where that is wrong
        self.private: set[str] = set()  # repositories that are there for whoever sends a token
        self.requests: list[Request] = []
        self.chunk_pause = 0.0  # seconds between the chunks of a body
        super().__init__(_Handler)
        self.mode = "ok"

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"no such mode: {mode!r}; choose one of {MODES}")
        self._mode = mode
        self.failures_left = 1 if mode in ("cut", "reset") else 0

    def got(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = property(lambda self: self.server.owner)

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_) -> None:
        pass

    def _answer(self) -> None:
        self.hub.requests.append(
            Request(self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"))
        )
        mode = self.hub.mode
        if mode == "hang" or (mode == "hang body" and self.command == "GET"):
            self.hub.released.wait()
            self.close_connection = True
        elif mode == "html":
            self._send(200, {"Content-Type": "text/html"}, HTML)
        elif mode in REFUSALS:
            status, code = REFUSALS[mode]
            self._send(status, {"X-Error-Code": code} if code else {}, b"")
        elif self._repository in self.hub.private and not self.headers.get("Authorization"):
            self._send(401, {"X-Error-Code": "RepoNotFound"}, b"")
        elif self.path.startswith("/api/models/"):
            self._send_info()
        else:
            self._send_file()

    @property
    def _repository(self) -> str:
        """owner/name of the request's path."""
        return "/".join(self.path.removeprefix("/api/models").partition("?")[0].split("/")[1:3])

    def _send_info(self) -> None:
        repo = self._repository
        files = {path: content for path, content in self.hub.files.items() if path.startswith(f"{repo}/")}
        if not files:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"")
            return
        siblings = [
            {"rfilename": path.removeprefix(f"{repo}/"), "size": self.hub.announced.get(path, len(content))}
            for path, content in files.items()
        ]
        told = {"id": repo, "sha": COMMIT, "gated": False, "private": repo in self.hub.private, "siblings": siblings}
        body = json.dumps({**told, **self.hub.info.get(repo, {})}).encode()
        self._send(200, {"Content-Type": "application/json"}, body)

    def _send_more(self, content: bytes) -> None:
        """More than HEAD announced, then nothing: only a client that stops at the announced size does not hang."""
        packed = self.hub.mode == "packed"
        body = zlib.compress(bytes(100 * len(content)), 9, wbits=31) if packed else content + bytes(2**20)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self._chunk(body)
        self.hub.released.wait(60)
        self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _send_file(self) -> None:
        repo_and_file = re.sub(r"/resolve/[^/]+/", "/", self.path.lstrip("/"), count=1)
        content = self.hub.files.get(repo_and_file)
        if content is None:
            self._send(404, {"X-Error-Code": "EntryNotFound"}, b"")
            return
        if self.hub.mode in ("packed", "endless") and self.command == "GET":
            self._send_more(content)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if start else 200, headers, content[start:])

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.failures_left:
            self.hub.failures_left -= 1
            self._break_off(body[: len(body) // 2])
        else:
            self._write(body)

    def _write(self, body: bytes) -> None:
        step = max(1, len(body) // 10) if self.hub.chunk_pause else max(1, len(body))
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            time.sleep(self.hub.chunk_pause)

    def _break_off(self, part: bytes) -> None:
        self.wfile.write(part)
        self.wfile.flush()
        if self.hub.mode == "reset":
            time.sleep(0.2)  # or the client might receive the reset before the data
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())  # the server would shut the connection down first
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


@pytest.fixture
def fake_hub(monkeypatch, tmp_path):
    """A running Hub that huggingface_hub is pointed to, with an empty cache."""
    with FakeHub() as hub:
        point_to(monkeypatch, hub.url, tmp_path / "cache")
        yield hub


def point_to(monkeypatch, url: str, cache) -> None:
    """Use the Hub at `url` and the folder `cache`. The library reads its environment on import, so set both."""
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


HELD_PORTS: list[socket.socket] = []


def refused_url() -> str:
    """The URL of a port without a listener: it stays held while the tests run, so that no other server is given it."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    HELD_PORTS.append(held)
    return f"http://127.0.0.1:{held.getsockname()[1]}"
