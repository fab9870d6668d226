"""Upload parsing and progress within bounds; test_limits sends further forms to a live server."""

import asyncio

import pytest
from gradio import route_utils, routes
from starlette.datastructures import Headers

from explorer.server import multipart
from explorer.server.errors import RequestError
from explorer.server.multipart import MAX_TRACKED, UploadParser, UploadProgress


def test_the_number_of_tracked_uploads_is_bounded():
    """Whatever their names, and whether they are ever sent or not."""

    async def follow():
        progress = UploadProgress()
        for number in range(3 * MAX_TRACKED):
            progress.track(f"sent {number}")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(progress.is_tracked(f"never sent {number}"), 0)
        last = f"sent {3 * MAX_TRACKED - 1}"
        assert len(progress._statuses) == len(progress._signals) == MAX_TRACKED and not progress.is_done(last)
        progress.append(last, "photo.jpg", b"1234")
        assert progress.pop(last).chunk_size == 4
        progress.set_done(last)
        assert progress.is_done(last)
        with pytest.raises(route_utils.FileUploadProgressNotTrackedError):
            progress.is_done("sent 0")

    asyncio.run(follow())


def test_waiting_for_a_tracked_upload():
    async def wait():
        progress = UploadProgress()
        waiting = asyncio.create_task(progress.is_tracked("mine"))
        await asyncio.sleep(0)
        progress.track("mine")
        assert await waiting

    asyncio.run(wait())


def read(body, most=10**6, **options):
    async def stream():
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    headers = Headers({"content-type": "multipart/form-data; boundary=b"})
    return asyncio.run(UploadParser(headers, stream(), max_file_size=most, **options).parse())


def part(name, content=b"x", filename=' ; filename="a.jpg"'):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode() + content + b"\r\n"


def test_files_and_fields_are_parsed(tmp_path):
    form = read(
        part("files", b"1" * 5000) + part("files", b"2") + part("note", b"words", "") + b"--b--\r\n",
        upload_dir=tmp_path,
        upload_id="mine",
        upload_progress=UploadProgress(),
    )
    assert [file.size for file in form.getlist("files")] == [5000, 1] and form["note"] == "words"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (part("files") * (multipart.MAX_FILES + 1) + b"--b--\r\n", 400),
        (part("note", b"x", "") * (multipart.MAX_FILES + 1) + part("files") + b"--b--\r\n", 400),
        (part("files", b"x" * 2001) + b"--b--\r\n", 413),
        (part("files", b"x", "") + b"--b--\r\n", 400),
        (part("photo") + b"--b--\r\n", 400),
        (b"--b--\r\n", 400),
        (b"no form", 400),
        (b"", 400),
    ],
)
def test_invalid_forms_are_refused(body, status, tmp_path):
    with pytest.raises(RequestError) as refusal:
        read(body, 2000, upload_dir=tmp_path, upload_id="mine", upload_progress=UploadProgress())
    assert refusal.value.status == status and refusal.value.sentence.endswith(".")


def test_install_replaces_gradios_classes(monkeypatch):
    for module, name in ((route_utils, "GradioMultiPartParser"), (routes, "file_upload_statuses")):
        monkeypatch.setattr(module, name, getattr(module, name))  # put back afterwards
    multipart.install()
    assert route_utils.GradioMultiPartParser is UploadParser and isinstance(routes.file_upload_statuses, UploadProgress)
    assert "GradioMultiPartParser" in route_utils.upload_fn.__code__.co_names  # found by its name, each time
