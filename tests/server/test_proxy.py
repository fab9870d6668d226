"""Behind a proxy that strips a path prefix: page, pictures, results and tools have working URLs."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
from app_process import App
from browsing import PATIENCE, settle
from mcp_client import STORY, inline, needs_mcp

PREFIX = "/look"
pytestmark = pytest.mark.xdist_group("browser")  # one of the tests looks at the page, and all share an app
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade"}  # RFC 9110, section 7.6.1


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """The app's URL behind the proxy, "http://…/look"; every other path is a 404."""
    with App(tmp_path_factory.mktemp("proxied") / "app", "--model", "embedded", GRADIO_ROOT_PATH=PREFIX) as app:

        class Proxy(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self):
                if not self.path.startswith(f"{PREFIX}/"):
                    self.send_error(404)
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream = http.client.HTTPConnection("127.0.0.1", app.port, timeout=PATIENCE)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                upstream.request(self.command, self.path.removeprefix(PREFIX), body, headers)
                response = upstream.getresponse()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    while chunk := response.read1(65536):
                        self.wfile.write(chunk)
                        self.wfile.flush()
                except OSError:  # the client has disconnected
                    pass
                finally:
                    upstream.close()

            do_GET = do_POST = do_HEAD = _forward  # noqa: N815 (the names of http.server)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()
        server.server_close()


def test_a_client_behind_a_proxy_gets_the_pictures(behind):
    from gradio_client import Client, handle_file

    gallery, report = Client(f"{behind}/", verbose=False).predict(image=handle_file(STORY), api_name="/explain")
    assert len(gallery) == 20 and report["predicted"] == "baya"


@needs_mcp
def test_a_tools_file_urls_work_behind_a_proxy(behind):
    message = {
        "method": "tools/call",
        "params": {"name": "heatmaps", "arguments": {"image": inline(STORY)}},
        "jsonrpc": "2.0",
        "id": 1,
    }
    answer = httpx.post(
        f"{behind}/gradio_api/mcp/", json=message, headers={"Accept": "application/json, text/event-stream"}, timeout=60
    )
    address = answer.text.partition('"text":"')[2].partition('"')[0]
    assert address.startswith(f"{behind}/gradio_api/file=") and httpx.get(address).content.startswith(b"PK")


def test_the_page_works_behind_a_proxy(behind, browser):
    context = browser.new_context()
    page, urls = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("request", lambda request: urls.append(request.url) if request.url.startswith("http") else None)
    page.goto(f"{behind}/?layer=conv2")
    settle(page)
    page.click("#examples button:has-text('Rudo, old red pot')")
    page.wait_for_function("location.search.includes('example=val')")
    settle(page)
    assert urlsplit(page.url).path == f"{PREFIX}/" and "layer=conv2" in page.url
    assert page.locator("#grid img").count() == 20
    context.close()
    assert [url for url in urls if not url.startswith(f"{behind}/")] == []
