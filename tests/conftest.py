"""Fixtures shared by many tests: small networks, a running app, a browser; and the assignment of tests to groups."""

import asyncio
import os
import shutil
from functools import partial

import pytest
from browsing import PATIENCE, WIDE, Window
from photo_server import photo_server  # noqa: F401 (a fixture)

WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # the name of this process, if several share the tests
if WORKER:  # where processes share the cores, threads that wait for each other cost more than they gain
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from live import running_app  # noqa: E402

APP_STARTERS = {"App", "running_app"}  # a test or fixture that calls one of these needs a running app
SPACE_ENVIRONMENT = {"SYSTEM": "spaces", "SPACE_ID": "user/space", "SPACE_HOST": "user-space.hf.space"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks tests as browser, server or unit. The first two each stay in one process, sharing apps and browsers.

    So do the unit tests that share what their module makes once, or each process would make it. All others are given
    out one by one, after the groups, to whoever is free.
    """
    for item in items:
        group = _group(item)
        item.add_marker(group)
        together = group if group != "unit" else _maker(item)
        if together and WORKER and not item.get_closest_marker("xdist_group"):  # a module may know better
            item.add_marker(pytest.mark.xdist_group(together))


def _group(item):
    if "browser" in item.fixturenames:
        return "browser"
    fixtures = [fixture.func for defs in item._fixtureinfo.name2fixturedefs.values() for fixture in defs]
    return "server" if any(APP_STARTERS & _names_used(function) for function in (item.function, *fixtures)) else "unit"


def _maker(item):
    """The module whose fixtures a test shares with others, and which of their parameters; "" if it shares none."""
    made = [name for name, defs in item._fixtureinfo.name2fixturedefs.items() if defs[-1].scope == "module"]
    indices = item.callspec.indices if hasattr(item, "callspec") else {}
    module = item.nodeid.partition("::")[0]
    return "-".join([module, *(str(indices[name]) for name in made if name in indices)]) if made else ""


def _names_used(function):
    code = getattr(function, "__code__", None)  # a plug-in's fixture may be a partial
    return {*code.co_names, *code.co_freevars} if code else set()


@pytest.fixture(autouse=True)
def no_loop_running(request):
    """An open browser leaves its event loop running in this thread, and asyncio.run would refuse to start another."""
    running = asyncio._get_running_loop()
    if running is None or "browser" in request.fixturenames:
        yield
    else:
        asyncio._set_running_loop(None)
        yield
        asyncio._set_running_loop(running)


@pytest.fixture
def images():
    import torch  # here, for the process that only hands out the tests needs none of it

    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))  # [B, 3, H, W]


@pytest.fixture
def network():
    """Three convolutions with pooling, two linear layers: the article's architecture, scaled down."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(6 * 2 * 2, 8), nn.ReLU(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


@pytest.fixture(scope="session")
def app_home(tmp_path_factory):
    """The shared app's folder; `app.log` holds its output."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="session")
def app_url(app_home):
    """One app for all tests: no Hub, the embedded model and photos, the environment variables of a Space."""
    with running_app(app_home, **SPACE_ENVIRONMENT) as url:
        yield url


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=LocalNetworkAccessChecks",  # a page of another origin may hold the app in a frame
]


@pytest.fixture(scope="session")
def browser():
    """A real Chromium, shared by all tests of the page."""
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
    """A browser context with a warm cache: Gradio's scripts are not fetched and compiled again for every test."""
    with browser.new_context(viewport=WIDE) as context:
        context.set_default_timeout(PATIENCE)
        yield context


@pytest.fixture(scope="session")
def window(visitor):
    """The browser page that most tests share, one after another; a new one would take twice the CPU time."""
    return Window(visitor)


@pytest.fixture
def complaints(window):
    """Errors of the browser's console and network; `visit` expects none at the end of a test."""
    window.complaints = []
    return window.complaints


@pytest.fixture
def visit(window, app_url, complaints):
    """Opens a page of the app. Console errors and requests to other hosts fail the test."""
    yield partial(window.open, app_url)
    errors = list(complaints)
    window.page.goto("about:blank")  # aborts what is still loading, and errors about that do not count
    assert errors == []


@pytest.fixture
def page(visit):
    return visit()
