"""Command line and environment: validated before anything heavy is imported; every error is one sentence."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from live import ROOT

from explorer.server import environment

HELP_SECONDS = 0.3  # of the processor


def run_app(*arguments, **variables):
    """(exit status, stderr) of app.py, which ends by itself."""
    process = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == "", process.stdout
    return process.returncode, process.stderr


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


INVALID = [
    (["--port", "many"], {}, "--port must be a whole number from 0 to 65535"),
    (["--port", "99999"], {}, "--port must be"),
    (["--port", "-1"], {}, "--port must be"),
    (["--port", "１２３"], {}, "--port must be"),  # digits, but not ours
    (["--port", ""], {}, "--port must be"),
    (["--host", "nonsense.invalid"], {}, "no machine called 'nonsense.invalid'"),
    (["--host", "x" * 70], {}, "no machine called"),  # longer than a name may be
    (["--host", "192.0.2.1"], {}, "no address of this machine"),
    (["--host", "::"], {"GRADIO_SERVER_PORT": "99999"}, "GRADIO_SERVER_PORT must be"),
    (["--model", "resnet"], {}, "there is no model 'resnet': choose auto, pot_plant_classifier, "),
    (["--model", "./nowhere"], {}, "there is no folder 'nowhere'"),
    (["--model", "a/b/c"], {}, "a repository of the Hub as owner/name, or a folder as ./name"),
    (["--hub-limit", "5"], {}, "it is a size from 1MB to 1000GB, such as 500MB or 2GB"),
    (["--hub-limit", "0.5MB"], {}, "it is a size from 1MB"),
    (["--hub-limit", "２GB"], {}, "it is a size from 1MB"),
    (["--hub-limit", "1001GB"], {}, "it is a size from 1MB"),
    (["--device", "abacus"], {}, "it is cpu, cuda, mps or auto"),
    (["--data", "/nowhere"], {}, "(No such file or directory): give one with a folder test of photos named 0_*.jpg"),
    (["--data", "app.py"], {}, "(Not a directory)"),
    (["--data", "docs"], {}, "There are no photos in the folder docs that can be used: give one with a folder test of"),
    (["--data", "kaggle@x"], {}, "(No such file or directory)"),  # a folder's name, then
    (["--nonsense"], {}, "unrecognized arguments"),
    ([], {"GRADIO_SERVER_PORT": "abc"}, "GRADIO_SERVER_PORT must be"),
    ([], {"GRADIO_SERVER_NAME": "nonsense.invalid"}, "no machine called"),
    ([], {"GRADIO_NUM_PORTS": "x"}, "GRADIO_NUM_PORTS must be a whole number from 1"),
    ([], {"GRADIO_NUM_PORTS": "0"}, "GRADIO_NUM_PORTS must be"),
    ([], {"GRADIO_ROOT_PATH": "plants"}, "GRADIO_ROOT_PATH must be a path such as"),
    ([], {"GRADIO_ROOT_PATH": "/<script>"}, "GRADIO_ROOT_PATH must be"),
    ([], {"HF_HUB_DOWNLOAD_TIMEOUT": "soon"}, "HF_HUB_DOWNLOAD_TIMEOUT must be a whole number of seconds"),
    ([], {"ALL_PROXY": "socks4://127.0.0.1:9"}, "proxy of ALL_PROXY cannot be used"),
    ([], {"https_proxy": "http://127.0.0.1:many"}, "proxy of https_proxy cannot be used"),
]


@pytest.mark.parametrize(("arguments", "variables", "words"), INVALID)
def test_invalid_arguments_and_variables_are_one_sentence(arguments, variables, words):
    status, sentence = run_app(*arguments, **variables)
    assert status == 2 and words in sentence
    assert sentence.startswith("app.py: ") and sentence.endswith(".\n") and sentence.count("\n") == 1


def test_a_port_in_use_is_one_sentence(taken):
    for arguments, variables in ((["--port", str(taken)], {}), ([], {"GRADIO_SERVER_PORT": str(taken)})):
        status, sentence = run_app(*arguments, **variables)
        assert status == 2 and sentence.count("\n") == 1
        assert f"The port {taken} is in use: choose another with --port" in sentence


def test_help_imports_nothing_heavy():
    before = os.times()
    process = subprocess.run([sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    after = os.times()
    assert "--device" in process.stdout and "embedded_gap" in process.stdout
    assert after.children_user + after.children_system - before.children_user - before.children_system < HELP_SECONDS


def test_nothing_heavy_is_imported_before_the_arguments_are_validated():
    """Photos are decoded with Pillow and NumPy; torch, Gradio and huggingface_hub are imported later."""
    code = """
import sys, app
from explorer.server import environment
from explorer.photos import examples
from explorer.server import run_directory, sockets
app.create_parser().parse_args(["--model", "owner/name@main", "--hub-limit", "2GB", "--no-hub", "--allow-private"])
environment.validate(), app._photos(None)
heavy = ("torch", "gradio", "huggingface_hub", "transformers", "timm", "kagglehub", "cv2", "httpx")
print([name for name in heavy if name in sys.modules])"""
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"


@pytest.fixture
def variables(monkeypatch):
    """The environment variables, as an empty dict."""
    empty = {}
    monkeypatch.setattr(environment, "os", SimpleNamespace(environ=empty))
    return empty


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/plants",
        "/a/b-c_d.e/",
        "https://example.org",
        "http://[::1]:7860/plants",
        "https://example.org:8443/a/b",
    ],
)
def test_a_root_path_is_accepted(variables, path):
    variables["GRADIO_ROOT_PATH"] = path
    environment.validate()
    assert variables == {"GRADIO_ROOT_PATH": path}


def test_variables_that_would_open_or_break_the_app_are_removed(variables):
    variables |= {
        "GRADIO_ALLOWED_PATHS": "/",
        "GRADIO_DEBUG": "abc",
        "GRADIO_WATCH_DIRS": "/",
        "SYSTEM": "spaces",
        "SPACE_ID": "a/b",
    }
    kept = {"GRADIO_SERVER_PORT": "1", "GRADIO_TEMP_DIR": "/x", "HF_HUB_ETAG_TIMEOUT": " 10 ", "HOME": "/root"}
    variables |= kept
    environment.validate()
    assert variables == {**kept, "SPACE_ID": "a/b"}


def test_requests_to_itself_use_no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with environment.without_proxies():
        assert not environment._proxy_variables()
    assert os.environ["http_proxy"] == os.environ["ALL_PROXY"] == "http://127.0.0.1:9"
