"""Downloads come from public IP addresses only, within limits. The only server here is the test's own, on loopback."""

import asyncio

import pytest

from classifiers.photos.formats import MAX_BYTES, PhotoError
from explorer.photos import download
from explorer.photos.download import fetch, public_ip

PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2001:0:7f00:1::", "2130706433", "0x7f.1", "localhost",
]  # fmt: skip


@pytest.fixture
def public(monkeypatch, photo_server):
    """The URL of the same server under a host name that counts as public."""
    original = download.public_ip

    async def fake_public_ip(host):
        return "127.0.0.1" if host == "photos.example" else await original(host)

    monkeypatch.setattr(download, "public_ip", fake_public_ip)
    return f"http://photos.example:{photo_server.server_port}"


@pytest.mark.parametrize("host", PRIVATE)
def test_private_host_is_refused(host):
    with pytest.raises((ValueError, OSError)):
        asyncio.run(public_ip(host))


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1::1"])
def test_public_host_is_accepted(host):
    assert asyncio.run(public_ip(host)) == host


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "user@127.0.0.1"]
)
def test_this_machine_is_never_contacted(photo_server, host):
    with pytest.raises(PhotoError, match="send the file itself"):
        asyncio.run(fetch(f"http://{host}:{photo_server.server_port}/photo"))
    assert photo_server.requests == []


def test_public_photo_is_downloaded(photo_server, public):
    assert asyncio.run(fetch(f"{public}/photo")) == b"photo"
    assert asyncio.run(fetch(f"{public}/to/{public}/photo")) == b"photo"
    assert photo_server.requests == ["/photo", f"/to/{public}/photo", "/photo"]


def test_redirect_to_this_machine_is_refused(photo_server, public):
    for target in (f"{photo_server.url}/photo", "file:///etc/passwd", f"//127.0.0.1:{photo_server.server_port}/photo"):
        with pytest.raises(PhotoError, match="could not be fetched"):
            asyncio.run(fetch(f"{public}/to/{target}"))
    assert "/photo" not in photo_server.requests


def test_redirects_are_limited(photo_server, public):
    with pytest.raises(PhotoError):
        asyncio.run(fetch(f"{public}/to/" * 9 + "x"))
    assert len(photo_server.requests) <= 1 + download.MAX_REDIRECTS


def test_too_large_download_is_refused(public):
    with pytest.raises(PhotoError, match=f"{MAX_BYTES // 10**6} MB"):
        asyncio.run(fetch(f"{public}/large"))


def test_slow_download_is_refused(public, monkeypatch):
    monkeypatch.setattr(download, "SECONDS", 0.3)
    with pytest.raises(PhotoError, match="could not be fetched"):
        asyncio.run(fetch(f"{public}/slow"))


@pytest.mark.parametrize(
    "address", ["http://", "http://[", "https://x y/", "http://photos.invalid/", "http://a" + "a" * 5000]
)
def test_invalid_address_is_refused(address):
    with pytest.raises(PhotoError, match="could not be fetched"):
        asyncio.run(fetch(address))


def test_http_error_is_refused(public):
    with pytest.raises(PhotoError, match="could not be fetched"):
        asyncio.run(fetch(f"{public}/gone"))
