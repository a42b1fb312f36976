"""Bars one instance fetched cost the others nothing, whatever part of them they ask for; nor after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from stock_service.simulator.server import Simulator
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import VENDOR_KEY
from tests.support.shared_instance import Instance, instance
from tests.support.simulated import simulated

pytestmark = pytest.mark.system_tool("redis-server")

AGGS = "/v2/aggs/"  # at the turn of a minute a service asks for the market's news too
MINUTES = f"{AGGS}ticker/AAPL/range/1/minute"
LONG = f"{MINUTES}/2023-01-02/2023-08-31?limit=50000"
PARTS = (
    f"{MINUTES}/2023-03-01/2023-03-31?limit=50000",
    f"{MINUTES}/2023-08-31/2023-08-31?limit=50000",
    f"{MINUTES}/2023-01-03/2023-01-03?limit=50000&sort=desc",
    f"{MINUTES}/2023-01-02/2023-08-31?limit=50000",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=["server", "disk"])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """The setting that gives instances something in common. Patient: whether it is quick is not asked here."""
    if request.param == "disk":
        return {"cache.dir": str(tmp_path), "shared.timeout": "1s"}
    server: RedisServer = request.getfixturevalue("server")
    server.admin.flushall()
    return {"shared.url": server.url, "shared.timeout": "1s"}


@pytest.fixture
async def vendor() -> AsyncIterator[Simulator]:
    async with simulated(key=VENDOR_KEY) as simulator:
        yield simulator


async def results(origin: Instance, target: str) -> list[dict[str, float]]:
    """All bars of a question, pages followed, once the others can know them."""
    found: list[dict[str, float]] = []
    url = origin + target
    async with aiohttp.ClientSession() as session:
        while url:
            async with session.get(url) as response:
                assert response.status == 200, await response.text()
                page = await response.json()
            found += page.get("results", [])
            url = page.get("next_url", "")
    await origin.has_told()
    return found


async def test_months_of_minutes_are_fetched_once(vendor: Simulator, flags: dict[str, object]) -> None:
    async with instance(vendor, flags) as first:
        whole = await results(first, LONG)
        paid = vendor.calls.count(AGGS)
        assert len(whole) > 60_000
        assert paid >= 2
        async with instance(vendor, flags) as second:
            for target in PARTS:
                part = await results(second, target)
                wanted = {bar["t"] for bar in part}
                assert [bar for bar in whole if bar["t"] in wanted] == sorted(part, key=lambda bar: bar["t"])
                assert part
            assert vendor.calls.count(AGGS) == paid
    async with instance(vendor, flags) as restarted:
        assert await results(restarted, PARTS[0]) == [
            bar for bar in whole if 1_677_646_800_000 <= bar["t"] < 1_680_321_600_000
        ]
    assert vendor.calls.count(AGGS) == paid


async def test_a_longer_question_asks_for_the_rest_only(vendor: Simulator, flags: dict[str, object]) -> None:
    async with instance(vendor, flags) as first, instance(vendor, flags) as second:
        await results(first, f"{MINUTES}/2023-03-01/2023-03-31?limit=50000")
        before = vendor.calls.count(AGGS)
        await results(second, f"{MINUTES}/2023-03-01/2023-04-14?limit=50000")
        asked = vendor.calls.calls(AGGS)[before:]
    assert len(asked) == 1
    assert asked[0].path.endswith("/2023-04-01/2023-04-14")


async def test_a_page_asked_for_in_one_order_serves_the_other(vendor: Simulator, flags: dict[str, object]) -> None:
    week = f"{MINUTES}/2023-03-06/2023-03-10?limit=50000"
    async with instance(vendor, flags) as first, instance(vendor, flags) as second:
        upwards = await results(first, week)
        assert await results(second, f"{week}&sort=desc") == upwards[::-1]
    assert vendor.calls.count(AGGS) == 1, [call.target for call in vendor.calls.calls()]


async def test_a_question_whose_bars_still_move_is_asked_once_for_all(
    vendor: Simulator, flags: dict[str, object]
) -> None:
    """The page reaches into today: its past stays useful to others after its last minute has gone stale."""
    vendor.freeze(None)
    today = "/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2030-01-01?limit=500&sort=desc"
    async with instance(vendor, flags) as first, instance(vendor, flags) as second:
        await asyncio.gather(*(results_of_first_page(each, today) for each in (first, second) for _ in range(5)))
    assert vendor.calls.count(AGGS) == 1, [call.target for call in vendor.calls.calls()]


async def results_of_first_page(origin: str, target: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(origin + target) as response:
        assert response.status == 200
        assert (await response.json())["results"]
