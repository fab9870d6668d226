"""A photo behind an address: fetched from the public internet only, in little time, and never more than a photo may have."""

import asyncio
import ipaddress

import httpx
from safehttpx import AsyncSecureTransport

from .formats import MAX_BYTES, PhotoError

MAX_REDIRECTS = 3
SECONDS = 15  # for all of it
INTERNET = ipaddress.ip_network("2000::/3")  # outside it, IPv6 has addresses that are IPv4's in disguise

_FAILED = "The photo could not be fetched from its address; save it and send the file itself."


async def fetch(address: str) -> bytes:
    """What is at the address. Raises PhotoError, with one sentence whatever went wrong: more would tell of the network here."""
    try:
        return await asyncio.wait_for(_follow(httpx.URL(address)), SECONDS)
    except PhotoError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, asyncio.TimeoutError):  # noqa: UP041 (its own in Python 3.10)
        raise PhotoError(_FAILED) from None


async def _follow(url):
    for _ in range(1 + MAX_REDIRECTS):
        if url.scheme not in ("http", "https"):
            break
        # The connection is made to the IP that was judged: a second look-up could give another.
        transport = AsyncSecureTransport(await public_ip(url.host))
        async with httpx.AsyncClient(transport=transport, timeout=SECONDS) as client:
            async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                if not answer.has_redirect_location:
                    answer.raise_for_status()
                    return await _body(answer)
                url = url.join(answer.headers["location"])
    raise PhotoError(_FAILED)


async def public_ip(host: str) -> str:
    """The first IP of a host none of whose IPs belongs to this machine or a private network. Raises ValueError for others."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None)
    ips = [ipaddress.ip_address(address[0]) for *_, address in found]
    if not ips or not all(map(_is_public, ips)):
        raise ValueError(f"{host} is not on the public internet")
    return str(ips[0])


def _is_public(ip):
    if ip.version == 6 and (ip not in INTERNET or ip.sixtofour or ip.teredo):
        return False
    return ip.is_global and not ip.is_multicast


async def _body(answer):
    body = bytearray()
    async for piece in answer.aiter_raw():  # not unpacked: a small answer could become a large one
        body += piece
        if len(body) > MAX_BYTES:
            raise PhotoError(
                f"The photo at this address is larger than {MAX_BYTES // 10**6} MB; save it smaller and send the file."
            )
    return bytes(body)
