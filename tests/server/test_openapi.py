"""The OpenAPI description, generated requests against it, and requests that cannot be read."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from live import ROOT

ENDPOINTS = ["explain", "heatmaps", "models", "step_by_step", "what_if", "audit", "trust"]


@pytest.fixture(scope="module")
def description(app_url):
    with urllib.request.urlopen(f"{app_url}/gradio_api/openapi.json") as answer:
        return json.load(answer)


def test_the_openapi_description_is_valid_and_complete(description):
    from openapi_spec_validator import validate

    validate(description)
    assert {f"/gradio_api/call/v2/{name}" for name in ENDPOINTS} < set(description["paths"])
    assert all(method["summary"] for path in description["paths"].values() for method in path.values())


def test_no_generated_request_causes_a_server_error(app_url):
    """Some seconds of Schemathesis; docs/calling.md has the long run.

    Without /audit, where any valid request keeps the shared server busy.
    """
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", ROOT / "tests/callers/schemathesis.toml"]
    command += ["run", f"{app_url}/gradio_api/openapi.json", "--url", app_url, "--checks", "not_a_server_error"]
    command += ["--include-method", "POST", "--exclude-path-regex", "audit", "--phases", "coverage,fuzzing"]
    command += [
        "--max-examples",
        "5",
        "--request-timeout",
        "60",
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--no-color",
    ]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stdout[-4000:]
    assert int(re.search(r"(\d+) generated", process.stdout)[1]) > 100


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("call/v2/explain", b"{}", 422, "image"),
        ("call/v2/models", b'{"nope": 1}', 422, "takes none"),
        ("call/v2/audit", b"[]", 422, "dictionary"),
        ("call/v2/nope", b"{}", 404, "no such endpoint"),
        ("call/nope", b'{"data": []}', 404, "no such endpoint"),
        ("run/nope", b'{"data": []}', 404, "no such endpoint"),
        ("queue/join", b'{"data": [], "fn_index": 9999, "session_hash": "s"}', 404, "no such endpoint"),
    ],
)
def test_an_unreadable_request_is_a_client_error(app_url, path, body, status, words):
    request = urllib.request.Request(f"{app_url}/gradio_api/{path}", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    assert refusal.value.code == status and words in str(json.load(refusal.value)["detail"])


def test_an_upload_without_a_file_is_a_client_error(app_url):
    form = b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nwords\r\n--b--\r\n'
    request = urllib.request.Request(
        f"{app_url}/gradio_api/upload", form, {"Content-Type": "multipart/form-data; boundary=b"}
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    assert refusal.value.code == 400 and "files" in json.load(refusal.value)["detail"]
