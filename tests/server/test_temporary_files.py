"""No file outlives the run: uploads, data: URLs, fetched photos, tool arguments, results, partial uploads."""

import socket
import time
from urllib.parse import urlsplit

from app_process import STORY, App, files_in
from mcp_client import inline, needs_mcp
from plain_http import USUAL, press

from explorer.settings import View

# The app, with the test's own server treated as a public host.
PUBLIC = """
from explorer.photos import download as fetch
judged = fetch.public_ip
async def judge(host):
    return "127.0.0.1" if host == "photos.example" else await judged(host)
fetch.public_ip = judge
import app
app.main()
"""
PATIENCE = 60  # seconds; a bound for machines that do other work
THE_SAME = "the tool's address once more"
HALF = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="half.jpg"\r\n\r\n'
)


def use_a_tool(app, picture):
    message = {
        "method": "tools/call",
        "params": {"name": "heatmaps", "arguments": {"image": picture}},
        "jsonrpc": "2.0",
        "id": 1,
    }
    headers = {"Accept": "application/json, text/event-stream"}
    app.http.post("/gradio_api/mcp/", json=message, headers=headers).raise_for_status()


def begin_an_upload(app):
    """A connection with half an upload sent."""
    address = urlsplit(app.url)
    connection = socket.create_connection((address.hostname, address.port), PATIENCE)
    connection.sendall(HALF + bytes(100_000))
    return connection


SETTINGS = list(vars(View("embedded", layer="conv3")).values())  # of every control


def actions(app, port):
    """Name → an action that leaves a file on the server."""
    elsewhere = f"http://photos.example:{port}/photo"
    return {
        "an upload": lambda: app.photo,
        "the raw maps": lambda: app.ask("/heatmaps", app.photo, *USUAL["/heatmaps"]),
        "pictures": lambda: app.ask("/explain", app.photo, *USUAL["/explain"]),
        "the steps": lambda: app.ask("/step_by_step", app.photo, *USUAL["/step_by_step"]),
        "a changed photo": lambda: app.ask("/what_if", app.photo, *USUAL["/what_if"]),
        "a photo in a message": lambda: app.ask("/heatmaps", {"url": inline(STORY), "path": None}, *USUAL["/heatmaps"]),
        "no photo in a message": lambda: app.ask(
            "/heatmaps", {"url": "data:image/png;base64,QUJD", "path": None}, *USUAL["/heatmaps"]
        ),
        "an example": lambda: press(app, "pick", ["embedded"], {"index": 3}),
        "a zip": lambda: press(app, "save", [app.photo, "", *SETTINGS]),
        "an audit": lambda: app.ask("/audit", *USUAL["/audit"]),
        "a tool's photo": lambda: use_a_tool(app, inline(STORY).replace("/9j/", "/9k/", 1)),
        "a tool's address": lambda: use_a_tool(app, elsewhere),
        "an upload broken off": lambda: begin_an_upload(app).close(),
        THE_SAME: lambda: app.ask("/heatmaps", {"path": elsewhere}, *USUAL["/heatmaps"]),
    }


@needs_mcp
def test_no_file_outlives_the_run(tmp_path, photo_server):
    """Every file is in the run's directory and deleted with it, even at an end during an upload and an audit."""
    places = {name: tmp_path / name for name in ("TMPDIR", "HOME")}
    for place in places.values():
        place.mkdir()
    around = places["TMPDIR"]
    with App(
        tmp_path / "app",
        "--model",
        "embedded",
        program=PUBLIC,
        GRADIO_TEMP_DIR="",
        **{name: str(place) for name, place in places.items()},
    ) as app:
        (run,) = around.glob("gradio*/where-did-it-look-*")
        for name, act in actions(app, photo_server.server_port).items():
            before = files_in(run)
            act()
            until = time.monotonic() + PATIENCE
            while files_in(run) == before and name != THE_SAME and time.monotonic() < until:
                time.sleep(0.02)
            assert files_in(run) != before or name == THE_SAME, f"{name} leaves no file, so nothing is tested"
            assert files_in(around) == files_in(run), name
        before = files_in(run)
        app.begin("/audit", "debiased", "none", "both", True)
        connection = begin_an_upload(app)
        while files_in(run) == before:
            time.sleep(0.02)
        assert app.end() == 0
        connection.close()
        assert "Traceback" not in app.log, app.log
    (left,) = around.iterdir()  # the user's directory, empty
    assert left.name.startswith("gradio") and list(left.iterdir()) == []
    assert not any(
        path.suffix in (".jpg", ".png", ".npz") or STORY.read_bytes() == path.read_bytes()
        for path in files_in(places["HOME"])
    )
