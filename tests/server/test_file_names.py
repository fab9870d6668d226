"""Unusual files and names in the folder of --data: unreadable ones are left out and named, names are escaped."""

import os
import re
import shutil
import socket
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import pytest
from app_process import App
from plain_http import press

from explorer.controls import examples_strip
from explorer.deep_links import Link, link_of, query
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.server.upload import upload
from explorer.settings import View
from explorer.tabs.audit import store
from explorer.tabs.audit.report import ReportFiles
from explorer.tabs.audit.view import document, shown

posix = pytest.mark.skipif(os.name != "posix", reason="such names and files exist on POSIX only")
PHOTO = examples.EMBEDDED / "test" / "0_000.jpg"
GOOD = [
    "0_plain.jpg", "1_<img src=x onerror=alert(1)>.jpg", "2_two\nlines.jpg", "3_" + "x" * 249 + ".jpg",
    "0_tab\there\x1b[31m.jpg",
    "1_\u202egpj.jpg", "2_a'b\"c&d%20#e?;f=g.jpg", "3_ümlaut 🪴.jpg",
]  # fmt: skip
BAD = ["0_\\udcff\\udcfe.jpg", "1_folder.jpg", "2_dangling.jpg", "3_pipe.jpg", "0_socket.jpg"]


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "<b>photos</b>" / "test"
    place.mkdir(parents=True)
    for name in GOOD:
        shutil.copy(PHOTO, place / name)
    shutil.copy(PHOTO, os.fsencode(place) + b"/0_\xff\xfe.jpg")
    (place / "1_folder.jpg").mkdir()
    (place / "2_dangling.jpg").symlink_to(place / "nowhere")
    os.mkfifo(place / "3_pipe.jpg")
    here = Path.cwd()
    os.chdir(place)  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("0_socket.jpg")
    finally:
        os.chdir(here)
    return place.parent


def within(seconds, work):
    """The result of work(); reading a pipe without a writer would never end."""
    done = SimpleNamespace()

    def run():
        done.result = work()

    worker = Thread(target=run, daemon=True)
    worker.start()
    worker.join(seconds)
    return done.result


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.names = set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.names |= {tag, *(name for name, _ in attributes)}


@posix
def test_unreadable_files_are_left_out_and_named(folder):
    loaded = within(60, lambda: examples.from_folder(folder))
    assert {example.file.name for example in loaded.every.values()} == set(GOOD)
    for name in BAD:
        assert name in loaded.origin
    assert loaded.origin.isprintable() and all(example.caption.isprintable() for example in loaded.every.values())
    assert within(60, lambda: loaded.known(PHOTO)).file.name in GOOD
    for example in loaded.every.values():
        assert link_of(
            dict(parse_qsl(query(Link(example.key)).removeprefix("?"))), loaded, ["explain"], "embedded"
        ) == (
            Link(example.key),
            (),
        )


@posix
def test_file_names_are_escaped_and_end_no_audit(folder):
    loaded = examples.from_folder(folder)
    buttons = examples_strip(loaded)
    (folder / "test" / "0_plain.jpg").unlink()  # and one goes meanwhile
    request = store.audit_request("embedded")
    result = within(
        120,
        lambda: store.Audits(ExplanationService(), loaded).of(request, lambda part, task: True),
    )
    assert [fault.key for fault in result.unreadable] == ["test/0_plain"]
    assert len(result.audits[0].predictions) == len(GOOD) - 1
    for html in (buttons, shown(result, View()), document(result, View())):
        assert (
            not Elements(html).names & {"onerror", "b>photos<", "script"}
            and "<b>photos" not in html
            and "<img src=x" not in html
        )
    shelf = ReportFiles()
    files = shelf.files(result, View())
    assert "ümlaut" in files.table.read_text(encoding="utf-8") and "ümlaut" in files.page.read_text(encoding="utf-8")


def test_a_deleted_photo_is_one_sentence(tmp_path):
    with gr.Blocks(), pytest.raises(gr.Error, match="not there any more"):
        upload().postprocess(str(tmp_path / "gone.jpg"))


@posix
def test_no_readable_photo_is_one_sentence(tmp_path):
    (tmp_path / "test").mkdir()
    os.mkfifo(tmp_path / "test" / "0_pipe.jpg")
    with pytest.raises(ValueError, match="None of the 1 example photos can be read, 0_pipe.jpg among them"):
        examples.from_folder(tmp_path)


def test_many_unreadable_files_are_counted(tmp_path):
    (tmp_path / "test").mkdir()
    shutil.copy(PHOTO, tmp_path / "test" / "0_good.jpg")
    for number in range(100):
        (tmp_path / "test" / f"1_{number:03}.jpg").mkdir()
    origin = examples.from_folder(tmp_path).origin
    assert "1_011.jpg and 88 more cannot be read" in origin and len(origin) < 300


@posix
def test_the_page_in_an_ascii_locale(folder, tmp_path):
    """Its file names are bytes to this process, and its output has ASCII only."""
    with App(tmp_path / "app", "--model", "embedded", "--data", str(folder), LC_ALL="C", PYTHONUTF8="0") as app:
        assert app.http.get("/").status_code == 200
        assert "0_\\udcff\\udcfe.jpg" in app.log and "3_\\udcc3" in app.log
        for index in range(6):
            photo, _ = press(app, "pick", ["embedded"], {"index": index})
            assert app.http.get(photo["url"]).content == PHOTO.read_bytes()
        kind, (report, *files) = app.ask("/audit", "embedded", "none", "test", False)
        assert kind == "complete" and report["photos"]["splits"] == {
            "test": len([name for name in GOOD if name.isascii()])
        }
        assert all(app.http.get(file["url"]).status_code == 200 for file in files)
        assert re.search("^Open http", app.log, re.MULTILINE) and "Traceback" not in app.log
