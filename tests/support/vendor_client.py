"""The vendor's client, and what one exchange through it comes to.

Its limits are patient, so that a busy machine meets none by accident; a test that wants one met says so.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from stock_service.base.clock import SystemClock
from stock_service.upstream.body import BodyLimits
from stock_service.upstream.client import ClientSettings, Exchange, VendorClient
from stock_service.upstream.outcome import ExchangeFailed, Fault
from tests.support.raw_vendor import RawVendor

KEY = "sk-vendor-0123456789"
LIMITS = BodyLimits(max_bytes=1024 * 1024)
PATIENT = {"connect_for": 5.0, "first_byte_for": 5.0, "between_bytes_for": 5.0, "attempt_for": 10.0}
HURRIED = {"connect_for": 0.3, "first_byte_for": 0.3, "between_bytes_for": 0.2, "attempt_for": 0.6}

Resolver = Callable[[], Awaitable[list[int]]]  # the ports of loopback a name leads to


def make_client(url: str, trust: ssl.SSLContext | None = None, /, **changes: float) -> VendorClient:
    settings = ClientSettings(url=url, body=LIMITS, **{**PATIENT, **changes})  # type: ignore[arg-type]
    return VendorClient(settings, KEY, SystemClock(), trust)


async def get(client: VendorClient, target: str = "/v2/x?a=1", within: float = 5.0) -> Exchange:
    return await client.exchange(target, accept="application/json", within=within)


async def fault_from(client: VendorClient, target: str = "/v2/x?a=1", within: float = 5.0) -> Fault:
    with pytest.raises(ExchangeFailed) as caught:
        await get(client, target, within)
    return caught.value.fault


async def ask(vendor: RawVendor | str, target: str = "/v2/x?a=1", /, **changes: float) -> Exchange:
    client = make_client(vendor if isinstance(vendor, str) else vendor.url, **changes)
    try:
        return await get(client, target)
    finally:
        await client.aclose()


async def fault_of(vendor: RawVendor | str, **changes: float) -> Fault:
    with pytest.raises(ExchangeFailed) as caught:
        await ask(vendor, **changes)
    return caught.value.fault


def open_files() -> int:
    """Return how many descriptors this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resolve(monkeypatch: pytest.MonkeyPatch, name: str, ports: Resolver) -> None:
    """Have the running loop find `name` that way."""
    loop = asyncio.get_running_loop()
    usual = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **rest: int) -> list[object]:
        if host != name:
            return await usual(host, port, **rest)  # type: ignore[return-value]
        places = await ports()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", place)) for place in places]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
