"""Picture files are complete, however many clients request the same at once: existing files are not overwritten."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from plain_http import FILE_DATA, STORY, USUAL, call, uploaded

from explorer.server.upload import save_for_download

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
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_simultaneous_uploads_of_one_photo(server):
    def upload_and_call(_):
        sent = {"path": uploaded(server, STORY.read_bytes(), "the same.jpg"), "meta": FILE_DATA}
        assert server.get(f"/gradio_api/file={sent['path']}").content == STORY.read_bytes()
        return call(server, "/heatmaps", [sent, *USUAL["/heatmaps"]])[0]

    with ThreadPoolExecutor(CALLERS) as pool:
        assert set(pool.map(upload_and_call, range(3 * CALLERS))) == {"complete"}
