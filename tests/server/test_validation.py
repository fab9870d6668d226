"""Invalid requests to a live server: one sentence, no local file, no local address, nothing kept."""

import base64
import http.client
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from app_process import App, files_in
from live import ROOT, changed
from PIL import Image
from plain_http import FILE_DATA, STORY, USUAL, call, uploaded

from explorer.server.errors import BUSY

LEAKS = ("Traceback", "Error", "/", "gradio.", "File ", "line ")


@pytest.fixture(scope="module")
def server(app_url):
    with httpx.Client(base_url=app_url, timeout=60) as client:
        yield client


@pytest.fixture
def photo(server):
    """The story photo, uploaded, as an argument of a call."""
    return {"path": uploaded(server, STORY.read_bytes()), "meta": FILE_DATA}


@pytest.fixture
def folder(photo):
    """The server's upload folder."""
    return Path(photo["path"]).parents[1]


def check_refused(answer, *context):
    event, sentence = answer
    assert event == "error" and isinstance(sentence, str), (*context, str(answer)[:300])
    assert sentence[0].isupper() and sentence.endswith(".") and len(sentence) < 300 and "\n" not in sentence, (
        *context,
        sentence[:400],
    )
    said = sentence.replace("owner/name", "")  # how a repository of the Hub is called
    assert not any(leak in said for leak in LEAKS), (*context, sentence)


# Wrong kinds, wrong names, wrong sizes

WRONG = {
    "a number": 7, "a word": "nothing of the sort", "a list": ["embedded"], "a dictionary": {"path": "a"},
    "a long list": [0] * 1000, "a long word": "x" * 500_000,
    "a truth": True, "a photo": {"path": "a.jpg", "meta": FILE_DATA}, "an empty word": "",
}  # fmt: skip


def test_every_endpoint_is_covered(server):
    named = server.get("/gradio_api/info").json()["named_endpoints"]
    assert set(named) == {*USUAL, "/models"}
    for endpoint, usual in USUAL.items():
        assert len(named[endpoint]["parameters"]) == len(usual) + (endpoint != "/audit")


@pytest.mark.parametrize("endpoint", USUAL)
def test_an_invalid_value_is_one_sentence(server, photo, endpoint):
    usual = USUAL[endpoint] if endpoint == "/audit" else [photo, *USUAL[endpoint]]
    for at, right in enumerate(usual):
        for kind, wrong in WRONG.items():
            if wrong != right and (type(wrong) is not type(right) or isinstance(right, str)):
                check_refused(call(server, endpoint, [*usual[:at], wrong, *usual[at + 1 :]]), endpoint, at, kind)


@pytest.mark.parametrize("endpoint", USUAL)
def test_a_missing_value_is_one_sentence(server, photo, endpoint):
    usual = USUAL[endpoint] if endpoint == "/audit" else [photo, *USUAL[endpoint]]
    for at, right in enumerate(usual):
        if right is not None and not isinstance(right, bool):  # nothing is a good mask, and no wish to repaint
            check_refused(call(server, endpoint, [*usual[:at], None, *usual[at + 1 :]]), endpoint, at)
    check_refused(call(server, endpoint, []), endpoint)
    check_refused(call(server, endpoint, usual[:1]), endpoint)


@pytest.mark.parametrize(
    "percent",
    [-1, 0, 1e9, 100.001, float("nan"), float("inf"), "10", [10], True, 10**400, -(10**4000), 1e308, -0.0, 10**9 + 1],
)
def test_an_invalid_percentage(server, photo, percent):
    check_refused(call(server, "/what_if", [photo, *USUAL["/what_if"][:3], percent, *USUAL["/what_if"][4:]]))


@pytest.mark.parametrize(
    "colour",
    [
        "#zzzzzz",
        "#12345",
        "#1234567",
        "red; drop",
        "url(x)",
        "#" + "f" * 10**5,
        "x" * 1999,
        "\0",
        "красный",
        255,
        ["red"],
    ],
)
def test_an_invalid_colour(server, photo, colour):
    check_refused(call(server, "/what_if", [photo, *USUAL["/what_if"][:7], colour, *USUAL["/what_if"][8:]]))


# No file but those of the app


@pytest.fixture
def private(tmp_path):
    """A local photo that was not uploaded, and that could be read if the path were followed."""
    Image.new("RGB", (64, 64), (9, 99, 199)).save(tmp_path / "private.png")
    return tmp_path / "private.png"


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in USUAL if endpoint != "/audit"])
def test_a_local_path_is_refused_as_photo(server, photo, folder, private, endpoint):
    link = folder / "a-link.png"
    link.symlink_to(private)
    around = f"{folder}/../{os.path.relpath(private, folder.parent)}"
    assert Path(around).is_file()
    own = str(ROOT / "examples/val/0_000.jpg")
    try:
        paths = [
            private,
            link,
            around,
            own,
            "examples/val/0_000.jpg",
            "/etc/passwd",
            "/proc/self/environ",
            "/dev/zero",
            f"file://{private}",
            "a\0b",
            "x" * 9000,
        ]
        for path in paths if endpoint == "/heatmaps" else paths[:1]:
            for said in (
                {"path": str(path)},
                {"path": str(path), "meta": FILE_DATA},
                {"path": str(path), "meta": FILE_DATA, "is_stream": True},
            ):
                check_refused(call(server, endpoint, [said, *USUAL[endpoint]]), said)
            check_refused(call(server, endpoint, [str(path), *USUAL[endpoint]]), path)
    finally:
        link.unlink()


def test_a_local_path_is_refused_as_mask(server, photo, private):
    for said in ({"path": str(private)}, {"path": str(private), "meta": FILE_DATA}):
        check_refused(
            call(
                server,
                "/what_if",
                [photo, "embedded", "Grad-CAM", "brush", 10, "predicted", "conv3", "fill", "red", said, "", 20],
            )
        )


def raw(server, path) -> tuple[int, bytes]:
    """Request a path exactly as written, which a client would normalise."""
    address = urlsplit(str(server.base_url))
    line = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    line.putrequest("GET", path)
    line.endheaders()
    answer = line.getresponse()
    response = answer.status, answer.read(10**6)
    line.close()
    return response


def test_no_other_file_of_the_machine_is_served(server, folder, private):
    link = folder / "another-link.png"
    link.symlink_to(private)
    secret, source = private.read_bytes(), (ROOT / "app.py").read_bytes()
    up = "../" * 12
    names = [
        *("/etc/passwd", "//etc/passwd", "/etc/./passwd", f"{up}etc/passwd", "/proc/self/environ",
        "/proc/self/cwd/app.py", "/proc/self/root/etc/passwd"),
        *("app.py", "./app.py", f"{ROOT}/app.py", f"{ROOT}/explorer/page.py", f"{ROOT}/.git/config",
        f"{ROOT}/examples/index.csv", f"{ROOT}/examples/val/0_000.png"),
        *(str(private), str(link), f"{folder}/../app.log", f"{folder}/{up}etc/passwd", "file:///etc/passwd",
        "/etc/passwd\0.png", "~/.bashrc"),
        f"{STORY}/../../../app.py",
    ]  # fmt: skip
    ways = [
        lambda name: name,
        quote,
        lambda name: quote(name, safe=""),
        lambda name: quote(quote(name, safe=""), safe=""),
        lambda name: name.replace("/", "\\").replace("\\", "%5c"),
    ]
    prefixes = [
        "/gradio_api/file=",
        "/gradio_api/file/",
        "/file=",
        "/static/",
        "/assets/",
        "/svelte/",
        "/gradio_api/custom_component/image/client/",
        "/gradio_api/stream/",
    ]
    try:
        for name in names:
            for way in ways:
                for prefix in prefixes if way is ways[0] else prefixes[:1]:
                    path = prefix + way(name).replace("\0", "%00").replace(" ", "%20")
                    status, body = raw(server, path)
                    assert status != 500 and b"root:" not in body and secret not in body and source not in body, (
                        path,
                        status,
                    )
                    assert status != 200 or body.startswith(b"<!doctype html>") or b"gradio" in body[:3000].lower(), (
                        path,
                        body[:80],
                    )
    finally:
        link.unlink()
    assert raw(server, f"/gradio_api/file={quote(str(STORY))}")[0] == 403
    shown = next(
        path for path in folder.rglob(STORY.name) if path.read_bytes() == STORY.read_bytes()
    )  # the page's copy, which is served
    assert raw(server, f"/gradio_api/file={quote(str(shown))}") == (200, STORY.read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "../../../evil.jpg",
        "..\\..\\evil.jpg",
        "/tmp/evil.jpg",
        "..",
        ".",
        "evil\0.jpg",
        "e" * 3000 + ".jpg",
        "evil\r\nX: y.jpg",
        "$(id).jpg",
        "évil\u202egpj.exe",
    ],
)
def test_an_upload_name_with_a_path_stays_in_the_upload_folder(server, folder, name):
    outside = set(folder.parent.iterdir())
    answer = server.post("/gradio_api/upload", files={"files": (name, STORY.read_bytes())})
    assert "Traceback" not in answer.text
    if answer.status_code == 200:
        (path,) = answer.json()
        assert Path(path).resolve().parents[1] == folder.resolve() and Path(path).is_file()
        assert call(server, "/heatmaps", [{"path": path, "meta": FILE_DATA}, "embedded", "Grad-CAM"])[0] == "complete"
    assert set(folder.parent.iterdir()) == outside and not Path("/tmp/evil.jpg").exists()


# No request to this machine


def test_no_local_address_is_fetched(server, photo, photo_server):
    port = photo_server.server_port
    addresses = [
        f"http://{host}:{port}/photo"
        for host in ("127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "a@127.0.0.1")
    ]
    addresses += [f"HTTP://127.0.0.1:{port}/photo", f"//127.0.0.1:{port}/photo", f"ftp://127.0.0.1:{port}/photo"]
    for address in addresses:
        for said in (
            {"path": address},
            {"path": address, "meta": FILE_DATA},
            {"path": None, "url": address},
            {"url": address, "meta": FILE_DATA, "path": ""},
            address,
        ):
            check_refused(call(server, "/heatmaps", [said, "embedded", "Grad-CAM"]), said)
        check_refused(call(server, "/heatmaps", [photo, {"path": address, "meta": FILE_DATA}, "Grad-CAM"]))
        check_refused(
            call(
                server,
                "/what_if",
                [
                    photo,
                    *USUAL["/what_if"][:2],
                    "brush",
                    10,
                    "predicted",
                    "conv3",
                    "fill",
                    "red",
                    {"path": address, "meta": FILE_DATA},
                    *USUAL["/what_if"][9:],
                ],
            )
        )
        for entrance in ("file=", "file/", "proxy=", "FILE="):
            assert raw(server, f"/gradio_api/{entrance}{address}")[0] in (400, 403, 404)
    assert photo_server.requests == []


def test_a_data_url_as_photo(server, folder):
    inline = {"url": "data:image/jpeg;base64," + base64.b64encode(STORY.read_bytes()).decode(), "path": None}
    assert call(server, "/heatmaps", [inline, "embedded", "Grad-CAM"])[0] == "complete"
    for url in (
        "data:",
        "data:image/png;base64,????",
        "data:image/png,plain",
        "data:text/html;base64,PGI+",
        "data:;base64," + "A" * 900_000,
    ):
        check_refused(call(server, "/heatmaps", [{"url": url, "path": "a"}, "embedded", "Grad-CAM"]), url[:40])


def test_a_data_url_too_large(server):
    """It is uploaded; the message then only names it."""
    status, sentence = call(
        server, "/heatmaps", [{"url": "data:;base64," + "A" * 10**6, "path": None}, "embedded", "Grad-CAM"]
    )
    assert status == 413 and "/gradio_api/upload" in sentence


# Bounds on what is taken in


def test_a_large_upload_is_refused(server):
    assert server.post("/gradio_api/upload", files={"files": ("a.jpg", bytes(20 * 1024**2 + 1))}).status_code == 413


# Nobody keeps others from being served


def test_events_without_listeners_do_not_delay_others(server, photo):
    for _ in range(65):
        assert server.post("/gradio_api/call/v2/audit", json={"split": "val", "repaint": False}).status_code == 200
        assert server.post("/gradio_api/call/v2/explain", json={"image": photo}).status_code == 200
    assert (
        server.get("/gradio_api/queue/status").json()["queue_size"] == 0
    )  # nothing of it is worked on, nobody waits behind it
    assert call(server, "/models", [])[0] == "complete"
    assert call(server, "/explain", [photo, *USUAL["/explain"]])[0] == "complete"


def test_an_event_is_processed_once_somebody_listens(server, photo):
    event = server.post("/gradio_api/call/heatmaps", json={"data": [photo, *USUAL["/heatmaps"]]}).json()["event_id"]
    assert server.get("/gradio_api/queue/status").json()["queue_size"] == 0
    assert server.get(f"/gradio_api/call/heatmaps/{event}").text.startswith("event: complete")
    assert server.get(f"/gradio_api/call/heatmaps/{event}").status_code == 404  # sent once


def test_a_session_that_fills_its_queue_is_refused_and_others_are_served(server, photo):
    """A session with more events than its queue has places is refused as busy; another client is served."""
    index = next(fn["id"] for fn in server.get("/config").json()["dependencies"] if fn["api_name"] == "audit")
    long = ["embedded_gap", "debiased", "both", True]  # no other test asks for it, so its answer is not there already
    body = {"data": long, "fn_index": index, "session_hash": "hog"}
    assert server.post("/gradio_api/queue/join", json=body).status_code == 200
    with server.stream("GET", "/gradio_api/queue/data", params={"session_hash": "hog"}) as stream:
        assert {server.post("/gradio_api/queue/join", json=body).status_code for _ in range(80)} <= {200, 429}
        assert any(BUSY in line for line in stream.iter_lines())
        assert call(server, "/explain", [photo, *USUAL["/explain"]])[0] == "complete"


# Nothing stays


SHORT_LIVED = changed(
    "from explorer import page; from explorer.server import launch; launch.SWEEP = (1, 4); page.QUEUE_LENGTH = 1"
)


@pytest.fixture(scope="module")
def short_lived(tmp_path_factory):
    """The app, deleting files after four seconds, with one place in each queue."""
    home = tmp_path_factory.mktemp("short_lived")
    home.joinpath("tmp").mkdir()
    with App(home, program=SHORT_LIVED, TMPDIR=str(home / "tmp")) as app:
        yield app.http, home


def test_uploads_and_results_are_deleted(short_lived):
    client, home = short_lived
    before = files_in(home / "gradio")  # the photo that the page opens with
    for endpoint in ("/heatmaps", "/explain", "/what_if"):
        sent = uploaded(client, STORY.read_bytes(), f"for {endpoint[1:]}.jpg")
        assert call(client, endpoint, [{"path": sent, "meta": FILE_DATA}, *USUAL[endpoint]])[0] == "complete"
    inline = {"url": "data:image/png;base64," + base64.b64encode(b"no photo at all").decode(), "path": None}
    check_refused(call(client, "/heatmaps", [inline, *USUAL["/heatmaps"]]))
    break_off(client)
    there = files_in(home / "gradio") - before
    assert (
        Path(sent) in there
        and any(path.suffix == ".npz" for path in there)
        and any(path.name.startswith("tmp") for path in there)
    )
    until = time.monotonic() + 30
    while files_in(home / "gradio") - before and time.monotonic() < until:
        time.sleep(0.2)
    assert files_in(home / "gradio") - before == set()
    assert files_in(home / "tmp") == set()
    assert client.get(f"/gradio_api/file={sent}").status_code == 403


def break_off(client):
    """Disconnect during an upload."""
    address = urlsplit(str(client.base_url))
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999\r\n\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="files"; filename="half.jpg"\r\n\r\n'
    with socket.create_connection((address.hostname, address.port), 20) as line:
        line.sendall((head + part).encode() + bytes(100_000))
        time.sleep(0.3)


def test_a_full_queue_is_one_sentence(short_lived):
    """One place in each queue: of twelve simultaneous clients, some are refused as busy."""
    client, _ = short_lived
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: call(client, "/audit", ["embedded", "none", "both", False]), range(12)))
    assert {(kind, result if kind != "complete" else None) for kind, result in answers} <= {
        ("complete", None),
        ("error", BUSY),
        (429, BUSY),
    }
    assert len({kind for kind, _ in answers}) > 1
    assert call(client, "/models", [])[0] == "complete"
