"""An HTTP server of photos that stands for a host on the public internet."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def photo_server():
    """Records the requested paths: /photo, /large (100 MB), /slow (1 s), /gone (404), /to/<URL> (redirect)."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
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
            except OSError:  # the client closed the connection
                pass

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.requests, server.url = requests, f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()
