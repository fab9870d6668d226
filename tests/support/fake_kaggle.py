"""As much of Kaggle as a download of a dataset needs, on the loopback interface; it misbehaves on request."""

from __future__ import annotations

import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler

from loopback import LoopbackServer

CALL = "/v1/datasets.DatasetApiService/DownloadDataset"


class FakeKaggle(LoopbackServer):
    """Serves `archive` at version 1 of any dataset; `mode` is ok, hang, dribble, or a status."""

    def __init__(self, archive: bytes = b"", mode: str | int = "ok") -> None:
        self.archive, self.mode = archive, mode
        self.asked: list[dict] = []  # what came with each call, and "token"
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kaggle = property(lambda self: self.server.owner)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.kaggle.asked.append({**body, "token": self.headers.get("Authorization")})
        if self.kaggle.mode == "hang":
            self.kaggle.released.wait(60)
            self.close_connection = True
        elif isinstance(self.kaggle.mode, int) or self.path != CALL or body.get("datasetVersionNumber") != 1:
            status = self.kaggle.mode if isinstance(self.kaggle.mode, int) else 404
            self._send(status, {"Content-Type": "application/json"}, json.dumps({"message": "no"}).encode())
        else:  # Kaggle's archives lie elsewhere
            self._send(302, {"Location": f"{self.kaggle.url}/archive.zip"}, b"")

    def do_GET(self) -> None:
        content = self.kaggle.archive
        if self.kaggle.mode == "dribble":  # half of it, and no more
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.kaggle.released.wait(60)
            self.close_connection = True
        else:
            self._send(200, {"Content-Type": "application/zip"}, content)

    def log_message(self, *_) -> None:
        pass

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def archive(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return packed.getvalue()


def send_to(url: str) -> None:
    """From now on, kagglehub asks this URL; version 1.0.3 has no variable for it, only a table."""
    from kagglesdk import kaggle_env

    kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = url
