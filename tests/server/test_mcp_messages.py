"""Invalid MCP messages and many simultaneous ones: one sentence that repeats nothing, and no thread left behind."""

import asyncio
import io
import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from mcp_client import STORY, agent, inline, needs_mcp, pictures, texts  # noqa: F401 (agent is a fixture)

from explorer.server.errors import BUSY
from explorer.server.mcp_messages import MAX_BYTES

pytestmark = needs_mcp
BIG = "QUJD" * 750_000  # 3 MB
PICTURE = "data:image/jpeg;base64,"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
MESSAGE_ID = 7


@pytest.fixture(scope="module")
def tools(app_url):
    """Posts any body: `tools(body)` gives the status and the response text."""
    with httpx.Client(base_url=app_url, headers=HEADERS, timeout=60) as client:

        def post(body):
            response = client.post("/gradio_api/mcp/", content=body)
            return response.status_code, response.text

        yield post


def request(method, **parameters):
    return json.dumps({"method": method, "params": parameters, "jsonrpc": "2.0", "id": MESSAGE_ID})


def call(name="explain", **arguments):
    return request("tools/call", name=name, arguments=arguments)


def sentence(text):
    """The error's sentence, whether a tool's result or an error of the protocol."""
    response = json.loads(text.partition("data: ")[2] or text)
    assert response["id"] == MESSAGE_ID
    if "error" in response:
        return response["error"]["message"]
    assert response["result"]["isError"]
    (part,) = response["result"]["content"]
    return part["text"]


WRONG = {
    "a text for a picture": call(image=BIG),
    "a list for a picture": call(image=[1] * 10**6),
    "lists in lists": call(image=[[]] * 10**6),
    "an object for a picture": call(image={"path": BIG}),
    "an endless URL": call(image=f"http://{BIG}"),
    "no base64": call(image=f"{PICTURE}{BIG}!"),
    "base64 cut off": call(image=f"{PICTURE}{BIG[:-1]}"),
    "base64 of nothing": call(image=PICTURE),
    "no base64 at all": call(image=f"data:,{BIG}"),
    "a text for a model": call(image=inline(STORY), model=BIG),
    "a list for a model": call(image=inline(STORY), model=["embedded"] * 400),
    "a text for a number": call("what_if", image=inline(STORY), percent=BIG),
    "a photo for a mask of another kind": call("what_if", image=inline(STORY), mask=7),
    "an unknown argument": call(image=inline(STORY), **{BIG: 1}),
    "no picture": call(),
    "an unknown tool": call(BIG),
    "an unknown method": request(BIG),
    "parameters of a wrong type": request("tools/call", name=[BIG]),
    "a resource": request("resources/read", uri=f"x://{BIG}"),
    "a prompt": request("prompts/get", name=BIG),
    "too large a message": call(image=PICTURE + 2 * BIG),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_invalid_call_is_one_sentence_that_repeats_nothing(tools, kind):
    _, text = tools(WRONG[kind])
    assert len(text) < 700, text[:200]
    error = sentence(text)
    assert error[0].isupper() and "\n" not in error and BIG[:50] not in error, error
    for word in ("Error", "Traceback", "pydantic", "base64-encoded", "File ", "{", "not valid under"):
        assert word not in error, error


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "7",
        '{"jsonrpc": "2.0"}',
        "[" * 10**5 + "]" * 10**5,
        f'{{"{BIG}": 1}}',
        json.dumps({"jsonrpc": "2.0", "id": BIG, "method": "ping"}),
    ],
)
def test_an_invalid_message_is_a_client_error(tools, body):
    status, text = tools(body)
    assert status == 400 and len(text) < 300
    assert json.loads(text)["error"]["message"].endswith(".")


def test_invalid_notifications_are_neither_answered_nor_logged(tools, app_log):
    for body in (
        {"jsonrpc": "2.0", "method": BIG},
        {"jsonrpc": "2.0", "id": 1, "result": {"a": BIG}},
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"a": BIG}},
    ):
        assert tools(json.dumps(body)) == (202, "")
    assert "QUJD" not in app_log.read_text()


@pytest.fixture(scope="module")
def process(app_url):
    """The server's folder in /proc: the process whose log has this URL."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    apps = filter(_is_app, Path("/proc").glob("[0-9]*"))
    (process,) = (app for app in apps if f"Open {app_url}/\n" in _log(app).read_text())
    return process


def _is_app(process):
    try:
        return b"app.py" in (process / "cmdline").read_bytes().split(b"\0")[:2] and _log(process).is_file()
    except OSError:  # another user's, or ended
        return False


def _log(process):
    return (process / "fd" / "1").readlink()


@pytest.fixture(scope="module")
def app_log(process):
    return _log(process)


def test_a_photo_too_large_is_an_error_for_the_client(agent):  # noqa: F811
    from mcp.shared.exceptions import McpError

    with pytest.raises(ExceptionGroup) as refusal:
        agent("explain", image=PICTURE + "A" * (MAX_BYTES + 1))
    assert refusal.group_contains(McpError, match=f"at most {MAX_BYTES // 10**6} MB")


def test_a_larger_photo_is_uploaded_and_given_by_its_url(agent, app_url):  # noqa: F811
    from PIL import Image

    large = io.BytesIO()
    Image.effect_noise((2400, 2400), 90).save(large, "PNG")
    assert len(large.getvalue()) > MAX_BYTES
    (path,) = httpx.post(f"{app_url}/gradio_api/upload", files={"files": ("large photo.png", large.getvalue())}).json()
    answer = agent("explain", image=f"{app_url}/gradio_api/file={quote(path)}")
    assert not answer.isError and len(pictures(answer)) == 20


def test_files_of_a_result_can_be_arguments(agent):  # noqa: F811
    (file,) = texts(agent("heatmaps", image=inline(STORY)))
    answer = agent("explain", image=file)
    assert answer.isError and "not a photo" in texts(answer)[0]  # the file was found, and is no photo


@pytest.mark.parametrize("path", ["/etc/hostname", "../../../etc/hostname", "a\0b", "x" * 9000])
def test_no_other_local_file_is_opened(agent, app_url, path):  # noqa: F811
    answer = agent("explain", image=f"{app_url}/gradio_api/file={quote(path)}")
    errors = ("could not be fetched", "at most 2000 characters")
    assert answer.isError and any(words in texts(answer)[0] for words in errors)


def test_progress_notifications(agent):  # noqa: F811
    reports = []

    async def progress(fraction, total, task):
        reports.append((fraction, total, task))

    answer = agent("explain", image=inline(STORY), method="Ablation-CAM", model="debiased", progress=progress)
    assert not answer.isError
    fractions = [fraction for fraction, _, _ in reports]
    assert fractions == sorted(set(fractions))
    assert all(total == 1 and 0 <= fraction <= 1 for fraction, total, _ in reports)


def test_a_hundred_simultaneous_calls_are_answered_or_refused_as_busy(app_url, process):
    limits = httpx.Limits(max_connections=None)

    async def simultaneously():
        async with httpx.AsyncClient(base_url=app_url, headers=HEADERS, timeout=120, limits=limits) as client:
            bodies = [call("models") if number % 4 == 0 else call(image=inline(STORY)) for number in range(100)]
            return await asyncio.gather(*(client.post("/gradio_api/mcp/", content=body) for body in bodies))

    before = len(list((process / "task").iterdir()))
    answers = [json.loads(answer.text.partition("data: ")[2])["result"] for answer in asyncio.run(simultaneously())]
    refused = {answer["content"][0]["text"] for answer in answers if answer["isError"]}
    assert refused <= {BUSY}
    assert sum(not answer["isError"] for answer in answers) >= 30
    # no more threads than a busy server has anyway: 40 for handlers, 32 for files
    assert len(list((process / "task").iterdir())) <= before + 80
