"""A whole service that listens on IPv6: answers, links, first screen and leaving are as on IPv4."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import massive
import pytest

from bench.storm.gateway import VENDOR_KEY, GatewayProcess
from tests.support.simulated import simulated

BARS = "/v2/aggs/ticker/AAPL/range/1/minute/2024-01-02/2024-01-03?limit=500"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def bars(session: aiohttp.ClientSession, origin: str) -> tuple[dict[str, Any], str]:
    """Return the first page and its ETag."""
    async with session.get(origin + BARS) as response:
        assert response.status == 200
        return await response.json(), response.headers["ETag"]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_misses_hits_links_and_leaving_on_the_ipv6_loopback() -> None:
    async with simulated(key=VENDOR_KEY) as vendor:
        gateway = await GatewayProcess.start(vendor.url, STOCKS_SERVER__HOST="::1")
        try:
            assert gateway.url.startswith("http://[::1]:")
            async with aiohttp.ClientSession() as session:
                page, etag = await bars(session, gateway.url)
                for _ in range(2):
                    assert await bars(session, gateway.url) == (page, etag)
                assert page["next_url"].startswith(f"{gateway.url}/v2/")
                async with session.get(gateway.url + BARS, headers={"If-None-Match": etag}) as response:
                    assert response.status == 304
                async with session.get(f"{gateway.url}/metrics") as response:
                    assert "\nstock_service_hit_path_served_total 3.0\n" in await response.text()
            client = massive.RESTClient(api_key="any", base=gateway.url)
            days = await asyncio.to_thread(
                lambda: list(client.list_aggs("AAPL", 1, "minute", "2024-01-02", "2024-01-03", limit=500))
            )
            assert [day.timestamp for day in days][:500] == [bar["t"] for bar in page["results"]]
            assert len(days) > 1_000
        finally:
            code = await gateway.stop()
        assert code == 0
