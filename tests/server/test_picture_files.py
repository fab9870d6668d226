"""Picture files are complete, however many clients request the same at once: existing files are not overwritten."""

import asyncio
import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from app_process import files_in
from gradio import processing_utils
from plain_http import FILE_DATA, STORY, USUAL, call, uploaded

from explorer.server.picture_files import sent_pictures
from explorer.server.upload import save_for_download, save_together, sent_file

CALLERS = 8
MARK = b"\0a mark that the test put here"


def files_of(answer):
    """Every file an answer names."""
    if isinstance(answer, dict):
        if "path" in answer and "url" in answer:
            return [answer]
        return [file for value in answer.values() for file in files_of(value)]
    return [file for value in answer for file in files_of(value)] if isinstance(answer, list) else []


@pytest.fixture(scope="module")
def server(app_url):
    with httpx.Client(base_url=app_url, timeout=120) as client:
        yield client


@pytest.mark.parametrize("endpoint", ["/explain", "/heatmaps", "/step_by_step", "/what_if", "/audit"])
def test_files_requested_by_many_clients_are_not_overwritten(server, endpoint):
    """A picture being overwritten is incomplete or empty for a client that fetches it just then."""
    sent = [{"path": uploaded(server, STORY.read_bytes()), "meta": FILE_DATA}] if endpoint != "/audit" else []
    values = json.loads(json.dumps([*sent, *USUAL[endpoint]]))

    def download(_):
        kind, answer = call(server, endpoint, values)
        assert kind == "complete", answer
        return {file["path"]: server.get(file["url"]).content for file in files_of(answer)}

    first = download(None)
    assert len(first) >= 1 and all(first.values())
    for path in first:
        with Path(path).open("ab") as file:
            file.write(MARK)
    try:
        with ThreadPoolExecutor(CALLERS) as pool:
            for files in pool.map(download, range(2 * CALLERS)):
                assert files == {path: whole + MARK for path, whole in first.items()}
    finally:
        for path in first:
            Path(path).unlink()
    assert download(None) == first


def test_saving_again_resets_the_age(tmp_path):
    """Or it would be deleted although a client has just been given its URL."""
    path = Path(save_for_download(b"a picture", "picture.png", str(tmp_path)))
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a clock may tick slowly
        assert save_for_download(b"a picture", "picture.png", str(tmp_path)) == str(path)
    assert path.stat().st_ino == before.st_ino and path.read_bytes() == b"a picture"
    assert files_in(tmp_path) == {path}


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)


def as_gradio_sends(component, value):
    return asyncio.run(processing_utils.async_move_files_to_cache(component.postprocess(value), component, True))


def test_a_gallery_is_sent_as_gradio_sends_it(tmp_path):
    gallery = gr.Gallery()
    gallery.GRADIO_CACHE = str(tmp_path)
    names = ["rudo-conv1", "CD player-7 × 7", "ümlaut 🪴%20#?&-conv1", *map(str, range(17))]
    sent = sent_pictures(zip(names, PIXELS, map(str.upper, names)), gallery)
    paths = [one["image"]["path"] for one in sent]
    assert sent == as_gradio_sends(gallery, list(zip(paths, map(str.upper, names))))
    assert gallery.temp_files == set(paths) and files_in(tmp_path) == set(map(Path, paths))
    assert Path(paths[1]).name == "CD-player-7-×-7.jpg"


def test_a_file_is_sent_as_gradio_sends_it(tmp_path):
    component = gr.File()
    component.GRADIO_CACHE = str(tmp_path)
    path = save_for_download(b"numbers", "heatmaps.npz", str(tmp_path))
    assert sent_file(path, component, len(b"numbers")) == as_gradio_sends(component, path)


def test_a_class_of_any_name_makes_a_file_of_the_folder(tmp_path):
    gallery = gr.Gallery()
    gallery.GRADIO_CACHE = str(tmp_path / "uploads")
    (tmp_path / "uploads").mkdir()
    names = ["../../a/b-conv1", "..\\a-conv1", "🪴" * 100 + "-conv1", "🪴" * 101 + "-conv1", "a b", "a-b", "/-conv1"]
    sent = sent_pictures(zip(names, PIXELS, names), gallery)
    paths = [Path(one["image"]["path"]) for one in sent]
    assert files_in(tmp_path) == set(paths) and len(set(paths)) == len(names)
    assert {path.parent.parent for path in paths} == {tmp_path / "uploads"}


def test_files_saved_together_are_complete_and_stay(tmp_path):
    files = {f"{number}.jpg": bytes([number]) * 1000 for number in range(5)}
    with ThreadPoolExecutor(CALLERS) as pool:
        (paths,) = set(pool.map(lambda _: tuple(save_together(files, str(tmp_path))), range(4 * CALLERS)))
    assert [Path(path).read_bytes() for path in paths] == list(files.values())
    nodes = [Path(path).stat().st_ino for path in paths]
    Path(paths[2]).unlink()  # by the quota, which deletes files one by one
    assert save_together(files, str(tmp_path)) == list(paths)
    assert [Path(path).stat().st_ino == node for path, node in zip(paths, nodes)].count(True) >= 4
    assert files_in(tmp_path) == set(map(Path, paths)) and len(list(tmp_path.iterdir())) == 1
    assert save_together({**files, "4.jpg": b"other"}, str(tmp_path))[0] != paths[0]


def test_files_that_find_no_room_leave_nothing(tmp_path, monkeypatch):
    def full(path, data):
        if path.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        path.open("wb").close()

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save_together({"a": b"1", "b": b"2"}, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_simultaneous_uploads_of_one_photo(server):
    def upload_and_call(_):
        sent = {"path": uploaded(server, STORY.read_bytes(), "the same.jpg"), "meta": FILE_DATA}
        assert server.get(f"/gradio_api/file={sent['path']}").content == STORY.read_bytes()
        return call(server, "/heatmaps", [sent, *USUAL["/heatmaps"]])[0]

    with ThreadPoolExecutor(CALLERS) as pool:
        assert set(pool.map(upload_and_call, range(3 * CALLERS))) == {"complete"}
