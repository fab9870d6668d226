"""What agents may do wrong, and many of them at once: one sentence that repeats nothing, and a server as it was before."""

import asyncio
import io
import json
import os
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from mcp_client import STORY, agent, inline, needs_mcp, pictures, texts  # noqa: F401 (a fixture)

from explorer.server.errors import BUSY
from explorer.server.mcp_messages import MOST_BYTES

pytestmark = needs_mcp
BIG = "QUJD" * 750_000  # 3 MB
PICTURE = "data:image/jpeg;base64,"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
NUMBER = 7


@pytest.fixture(scope="module")
def tools(app_url):
    """Asks as no client would: `tools(body)` gives the status and all that was said."""
    with httpx.Client(base_url=app_url, headers=HEADERS, timeout=60) as client:

        def ask(body):
            answer = client.post("/gradio_api/mcp/", content=body)
            return answer.status_code, answer.text

        yield ask


def request(method, **parameters):
    return json.dumps({"method": method, "params": parameters, "jsonrpc": "2.0", "id": NUMBER})


def call(name="explain", **arguments):
    return request("tools/call", name=name, arguments=arguments)


def sentence(text):
    """The one that was said, whether as a tool's answer or as an error of the protocol."""
    told = json.loads(text.partition("data: ")[2] or text)
    assert told["id"] == NUMBER
    if "error" in told:
        return told["error"]["message"]
    assert told["result"]["isError"]
    (part,) = told["result"]["content"]
    return part["text"]


WRONG = {
    "words for a picture": call(image=BIG),
    "a list for a picture": call(image=[1] * 10**6),
    "lists in lists": call(image=[[]] * 10**6),
    "an object for a picture": call(image={"path": BIG}),
    "an address without end": call(image=f"http://{BIG}"),
    "no base64": call(image=f"{PICTURE}{BIG}!"),
    "base64 cut off": call(image=f"{PICTURE}{BIG[:-1]}"),
    "base64 of nothing": call(image=PICTURE),
    "no base64 at all": call(image=f"data:,{BIG}"),
    "words for a model": call(image=inline(STORY), model=BIG),
    "a list for a model": call(image=inline(STORY), model=["embedded"] * 400),
    "words for a number": call("what_if", image=inline(STORY), percent=BIG),
    "a photo for a mask of another kind": call("what_if", image=inline(STORY), mask=7),
    "an argument nobody knows": call(image=inline(STORY), **{BIG: 1}),
    "no picture": call(),
    "a tool nobody knows": call(BIG),
    "a method nobody knows": request(BIG),
    "parameters of another kind": request("tools/call", name=[BIG]),
    "a resource": request("resources/read", uri=f"x://{BIG}"),
    "a prompt": request("prompts/get", name=BIG),
    "more than may be sent": call(image=PICTURE + 2 * BIG),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_is_one_sentence_that_repeats_nothing(tools, kind):
    _, text = tools(WRONG[kind])
    assert len(text) < 700, text[:200]
    told = sentence(text)
    assert told[0].isupper() and "\n" not in told and BIG[:50] not in told, told
    for word in ("Error", "Traceback", "pydantic", "base64-encoded", "File ", "{", "not valid under"):
        assert word not in told, told


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
def test_what_is_no_message_is_the_callers_mistake(tools, body):
    status, text = tools(body)
    assert status == 400 and len(text) < 300
    assert json.loads(text)["error"]["message"].endswith(".")


def test_what_asks_for_nothing_is_neither_answered_nor_logged(tools, app_log):
    for body in (
        {"jsonrpc": "2.0", "method": BIG},
        {"jsonrpc": "2.0", "id": 1, "result": {"a": BIG}},
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"a": BIG}},
    ):
        assert tools(json.dumps(body)) == (202, "")
    assert "QUJD" not in app_log.read_text()


@pytest.fixture(scope="module")
def process(app_url):
    """The server's, in /proc: the one that told its log this address."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("the server's process is looked at in /proc")
    apps = filter(_is_app, Path("/proc").glob("[0-9]*"))
    (found,) = (app for app in apps if f"Open {app_url}/\n" in _log(app).read_text())
    return found


def _is_app(process):
    try:
        return b"app.py" in (process / "cmdline").read_bytes().split(b"\0")[:2] and _log(process).is_file()
    except OSError:  # somebody else's, or gone
        return False


def _log(process):
    return Path(os.readlink(process / "fd" / "1"))


@pytest.fixture(scope="module")
def app_log(process):
    return _log(process)


def test_a_client_hears_that_its_photo_is_too_large(agent):  # noqa: F811
    from mcp.shared.exceptions import McpError

    with pytest.raises(ExceptionGroup) as refusal:
        agent("explain", image=PICTURE + "A" * (MOST_BYTES + 1))
    assert refusal.group_contains(McpError, match=f"at most {MOST_BYTES // 10**6} MB")


def test_a_larger_photo_is_uploaded_and_given_by_its_address(agent, app_url):  # noqa: F811
    from PIL import Image

    large = io.BytesIO()
    Image.effect_noise((2400, 2400), 90).save(large, "PNG")
    assert len(large.getvalue()) > MOST_BYTES
    (path,) = httpx.post(f"{app_url}/gradio_api/upload", files={"files": ("large photo.png", large.getvalue())}).json()
    answer = agent("explain", image=f"{app_url}/gradio_api/file={quote(path)}")
    assert not answer.isError and len(pictures(answer)) == 20


def test_pictures_of_an_answer_can_be_asked_about(agent):  # noqa: F811
    (file,) = texts(agent("heatmaps", image=inline(STORY)))
    answer = agent("explain", image=file)
    assert answer.isError and "not a photo" in texts(answer)[0]  # it was found, and is none


@pytest.mark.parametrize("path", ["/etc/hostname", "../../../etc/hostname", "a\0b", "x" * 9000])
def test_no_other_file_is_opened_by_its_address(agent, app_url, path):  # noqa: F811
    answer = agent("explain", image=f"{app_url}/gradio_api/file={quote(path)}")
    assert answer.isError and any(
        words in texts(answer)[0] for words in ("could not be fetched", "at most 2000 characters")
    )


def test_who_wants_to_know_hears_how_far_it_is(agent):  # noqa: F811
    heard = []

    async def progress(part, whole, task):
        heard.append((part, whole, task))

    answer = agent("explain", image=inline(STORY), method="Ablation-CAM", model="debiased", progress=progress)
    assert not answer.isError
    assert [part for part, _, _ in heard] == sorted({part for part, _, _ in heard})
    assert all(whole == 1 and 0 <= part <= 1 for part, whole, _ in heard)


def test_a_hundred_at_once_are_answered_or_told_that_it_is_busy(app_url, process):
    limits = httpx.Limits(max_connections=None)

    async def all_at_once():
        async with httpx.AsyncClient(base_url=app_url, headers=HEADERS, timeout=120, limits=limits) as client:
            asked = [call("models") if number % 4 == 0 else call(image=inline(STORY)) for number in range(100)]
            return await asyncio.gather(*(client.post("/gradio_api/mcp/", content=body) for body in asked))

    before = len(list((process / "task").iterdir()))
    answers = [json.loads(answer.text.partition("data: ")[2])["result"] for answer in asyncio.run(all_at_once())]
    refused = {answer["content"][0]["text"] for answer in answers if answer["isError"]}
    assert refused <= {BUSY}
    assert sum(not answer["isError"] for answer in answers) >= 30
    assert (
        len(list((process / "task").iterdir())) <= before + 80
    )  # as many as a server at work has anyway: 40 for handlers, 32 for files
