"""A server of photos that counts as one of the public internet."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def elsewhere():
    """A server that notes who came: /photo, /large without end, /slow, and /to/<address>, which sends one on."""
    came = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            came.append(self.path)
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            self.send_response(404 if self.path == "/gone" else 200)
            self.end_headers()
            if self.path == "/slow":
                time.sleep(1)
            try:
                for _ in range(100 if self.path == "/large" else 1):
                    self.wfile.write(b"photo" if self.path != "/large" else bytes(10**6))
            except OSError:  # the caller has had enough
                pass

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.came, server.url = came, f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()
