"""Download a photo from a URL: from public IP addresses only, within limits of time, size and redirects."""

import asyncio
import ipaddress

import httpx
from safehttpx import AsyncSecureTransport

from classifiers.photos.formats import MAX_BYTES, PhotoError

MAX_REDIRECTS = 3
SECONDS = 15  # for the whole download
GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")  # outside it, some IPv6 addresses stand for IPv4 addresses

_FAILED = "The photo could not be fetched from its address; save it and send the file itself."


async def fetch(address: str) -> bytes:
    """The bytes at a URL. Raises PhotoError, one for every network error: details would reveal the local network."""
    try:
        return await asyncio.wait_for(_follow(httpx.URL(address)), SECONDS)
    except PhotoError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):  # OSError includes TimeoutError
        raise PhotoError(_FAILED) from None


async def _follow(url):
    for _ in range(1 + MAX_REDIRECTS):
        if url.scheme not in ("http", "https"):
            break
        # Connect to the IP that was checked: a second DNS lookup could give another.
        transport = AsyncSecureTransport(await public_ip(url.host))
        async with (
            httpx.AsyncClient(transport=transport, timeout=SECONDS) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if not response.has_redirect_location:
                response.raise_for_status()
                return await _body(response)
            url = url.join(response.headers["location"])
    raise PhotoError(_FAILED)


async def public_ip(host: str) -> str:
    """The host's first IP; ValueError where any of its IPs is this machine's or in a private network."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, None)
    ips = [ipaddress.ip_address(address[0]) for *_, address in infos]
    if not ips or not all(map(_is_public, ips)):
        raise ValueError(f"{host} is not on the public internet")
    return str(ips[0])


def _is_public(ip):
    if ip.version == 6 and (ip not in GLOBAL_IPV6 or ip.sixtofour or ip.teredo):
        return False
    return ip.is_global and not ip.is_multicast


async def _body(response):
    body = bytearray()
    async for chunk in response.aiter_raw():  # not decompressed: a small response could become a large one
        body += chunk
        if len(body) > MAX_BYTES:
            raise PhotoError(
                f"The photo at this address is larger than {MAX_BYTES // 10**6} MB; save it smaller and send the file."
            )
    return bytes(body)
