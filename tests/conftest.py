"""What many tests share: small networks whose truth can be worked out, a running app, a browser; and the groups that tests are in."""

import asyncio
import os
import shutil
from functools import partial

import pytest
from browsing import PATIENCE, WIDE, Window
from photo_server import photo_server  # noqa: F401 (a fixture)

WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # the name of this process, where several share the tests
if WORKER:  # where processes share the cores, threads that wait for each other cost more than they bring
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import torch  # noqa: E402
from live import running_app  # noqa: E402
from torch import nn  # noqa: E402

STARTS = {"App", "running_app"}  # whoever calls one of these has an app of its own running, or shares one
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "user/space", "SPACE_HOST": "user-space.hf.space"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Three groups: browser, server, unit. Each of the first two stays in one process, or several would start the same apps and browsers."""
    for item in items:
        group = _group(item)
        item.add_marker(group)
        if group != "unit" and WORKER:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item):
    if "browser" in item.fixturenames:
        return "browser"
    fixtures = [fixture.func for found in item._fixtureinfo.name2fixturedefs.values() for fixture in found]
    return "server" if any(STARTS & _names(function) for function in (item.function, *fixtures)) else "unit"


def _names(function):
    code = getattr(function, "__code__", None)  # a fixture may be a partial of a plug-in's
    return {*code.co_names, *code.co_freevars} if code else set()


@pytest.fixture(autouse=True)
def no_loop_running(request):
    """A browser that is open leaves its event loop running in this thread, and asyncio.run would refuse to begin another."""
    theirs = asyncio._get_running_loop()
    if theirs is None or "browser" in request.fixturenames:
        yield
    else:
        asyncio._set_running_loop(None)
        yield
        asyncio._set_running_loop(theirs)


@pytest.fixture
def images():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))  # [B, 3, H, W]


@pytest.fixture
def network():
    """Three convolutions with pooling, two linear layers: the article's shape, in small."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(6 * 2 * 2, 8), nn.ReLU(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


@pytest.fixture(scope="session")
def app_home(tmp_path_factory):
    """Where the shared app writes; `app.log` is what it prints."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="session")
def app_url(app_home):
    """The app as a stranger gets it: no Hub, the embedded model and photos, the variables of a Space. One server for all tests."""
    with running_app(app_home, **SPACE) as url:
        yield url


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    """A real Chromium, one for all tests of the page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine: install Debian's package chromium to run the page's tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visitor(browser):
    """Somebody's browser, who has been here before: Gradio's scripts need not be fetched and compiled for every test."""
    with browser.new_context(viewport=WIDE) as context:
        context.set_default_timeout(PATIENCE)
        yield context


@pytest.fixture(scope="session")
def window(visitor):
    """The page that most tests go to the app with, one after the other; a new one would cost twice the processor's time."""
    return Window(visitor)


@pytest.fixture
def complaints(window):
    """What the browser's console and network complain of; `visit` expects nothing at the end of a test."""
    window.complaints = []
    return window.complaints


@pytest.fixture
def visit(window, app_url, complaints):
    """Opens a page of the app. Console errors and requests to elsewhere end the test."""
    yield partial(window.open, app_url)
    told = list(complaints)
    window.page.goto("about:blank")  # what the test left undone is broken off, of which it may well complain
    assert told == []


@pytest.fixture
def page(visit):
    return visit()
