"""An operator's purge over HTTP: told to one instance it holds on all, after restarts too, and says whom it reached."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, Right, hash_key, make_key
from stock_service.cli.main import main
from stock_service.simulator.server import Simulator
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running import VENDOR_KEY
from tests.support.shared_instance import Instance, instance
from tests.support.shared_pod import until
from tests.support.simulated import simulated

pytestmark = pytest.mark.system_tool("redis-server")

PURGED = (
    "/v2/aggs/ticker/AAPL/prev",
    "/v2/aggs/ticker/AAPL/range/1/day/2023-01-03/2023-03-31",
    "/v3/reference/tickers/AAPL",
)
KEPT = "/v2/aggs/ticker/MSFT/range/1/day/2023-01-03/2023-03-31"
HEARD_WITHIN = 5.0 + 5.0  # seconds promised, and for a machine that does other things as well
BACK_WITHIN = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture(params=["server", "disk"])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """The setting that gives instances something in common. Patient: whether it is quick is not asked here."""
    if request.param == "disk":
        return {"cache.dir": str(tmp_path), "shared.timeout": "1s"}
    server: RedisServer = request.getfixturevalue("server")
    return {"shared.url": server.url, "shared.timeout": "1s"}


@pytest.fixture
async def vendor() -> AsyncIterator[Simulator]:
    async with simulated(key=VENDOR_KEY) as simulator:
        yield simulator


class Operator:
    """An admin with a key of the file, and clients who use the same."""

    def __init__(self, session: aiohttp.ClientSession, keys_file: Path) -> None:
        key_id, key = make_key()
        created, rights = datetime(2026, 1, 1, tzinfo=UTC), (Right.ADMIN,)
        record = KeyRecord(id=key_id, name="root", sha256=hash_key(key), created=created, rights=rights)
        KeyStore(keys_file).add(record)
        self._session = session
        self._key = key
        self._headers = {"Authorization": f"Bearer {key}"}

    async def ask(self, origin: Instance, *targets: str) -> None:
        """Ask for all, one after the other, until the other instances can know the answers."""
        for target in targets:
            async with self._session.get(origin + target, headers=self._headers) as response:
                assert response.status == 200, await response.text()
                assert (await response.json())["results"]
        await origin.has_told()

    async def purge(self, origin: str, **order: object) -> dict[str, Any]:
        async with self._session.post(f"{origin}/admin/purge", json=order, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            report: dict[str, Any] = await response.json()
            return report

    async def command(self, origin: str, *words: str) -> Result:
        """Run `stock-service purge`."""
        args = ("purge", *words, "--url", origin, "--key", self._key)
        return await asyncio.to_thread(CliRunner().invoke, main, args)

    async def kept(self, origin: str, ticker: str) -> int:
        """How many answers and series an instance has of a ticker in memory."""
        found = await self.purge(origin, ticker=ticker, preview=True)
        return int(found["answers"]) + int(found["series"])

    async def status(self, origin: str) -> dict[str, str]:
        async with self._session.get(f"{origin}/status", headers=self._headers) as response:
            shared: dict[str, str] = (await response.json())["shared"]
            return shared

    async def forgotten(self, origin: str, ticker: str) -> None:
        """Wait until an instance has nothing of a ticker."""
        begun = time.monotonic()
        while await self.kept(origin, ticker):
            assert time.monotonic() - begun < HEARD_WITHIN
            await asyncio.sleep(0.05)

    async def told(self, origin: str) -> None:
        """Wait until the others have been told."""
        begun = time.monotonic()
        while (await self.status(origin))["purges"] == "untold":
            assert time.monotonic() - begun < BACK_WITHIN
            await asyncio.sleep(0.05)


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with aiohttp.ClientSession() as session:
        yield Operator(session, tmp_path / "keys.jsonl")


async def test_one_purge_is_one_more_call_a_question_for_all_instances_and_those_that_come_later(
    vendor: Simulator, flags: dict[str, object], operator: Operator, tmp_path: Path
) -> None:
    flags |= {"access.keys_file": str(tmp_path / "keys.jsonl")}

    def calls() -> list[int]:
        return [vendor.calls.count(target) for target in (*PURGED, KEPT)]

    async with instance(vendor, flags) as first, instance(vendor, flags) as second:
        for each in (first, second):
            await operator.ask(each, *PURGED, KEPT)
        assert calls() == [1, 1, 1, 1]
        report = await operator.purge(first, ticker="AAPL")
        assert report["reached"] == ("machine" if "cache.dir" in flags else "fleet")
        assert "within 5 seconds" in report["note"]
        assert (report["answers"], report["series"]) == (3, 1)
        assert (await operator.status(first))["purges"] == "told"
        await operator.forgotten(second, "AAPL")
        for each in (second, first, second):
            await operator.ask(each, *PURGED, KEPT)
        assert calls() == [2, 2, 2, 1]
        await operator.purge(second, ticker="AAPL")
    async with instance(vendor, flags) as later:
        await operator.ask(later, *PURGED, KEPT)
        assert calls() == [3, 3, 3, 1]
        previewed = await operator.command(later, "--everything", "--preview", "--json")
        assert (previewed.exit_code, json.loads(previewed.stdout)["reached"]) == (0, "nobody")
        await operator.ask(later, *PURGED, KEPT)
        assert calls() == [3, 3, 3, 1]
        done = await operator.command(later, "--everything")
        assert (done.exit_code, done.stdout.splitlines()[0][:37]) == (0, "everything: 4 answers and 2 series of")
    async with instance(vendor, flags) as last:
        await operator.ask(last, *PURGED, KEPT)
        assert calls() == [4, 4, 4, 2]


async def test_nobody_is_refused_while_tickers_are_purged(
    vendor: Simulator, flags: dict[str, object], operator: Operator, tmp_path: Path
) -> None:
    """Bars, whose pages are taken over or not: what is asked for in the middle of a purge is asked for again."""
    flags |= {"access.keys_file": str(tmp_path / "keys.jsonl")}
    async with instance(vendor, flags) as first, instance(vendor, flags) as second:
        over = asyncio.Event()
        rounds = {first: 0, second: 0}

        async def keep_asking(origin: Instance) -> None:
            while not over.is_set():
                await operator.ask(origin, PURGED[1])
                rounds[origin] += 1

        async def a_whole_round() -> None:
            begun = min(rounds.values())
            await until(lambda: min(rounds.values()) > begun + 1, within=HEARD_WITHIN)

        asking = [asyncio.create_task(keep_asking(each)) for each in rounds]
        for number in range(8):
            await operator.purge((first, second)[number % 2], ticker="AAPL")
            await a_whole_round()
        over.set()
        await asyncio.gather(*asking)
    assert 8 <= vendor.calls.count(PURGED[1]) <= 8 * 4 + 1


async def test_without_the_store_the_answer_says_that_nobody_else_was_reached(
    vendor: Simulator, server: RedisServer, operator: Operator, tmp_path: Path
) -> None:
    flags = {"shared.url": server.url, "access.keys_file": str(tmp_path / "keys.jsonl")}
    async with instance(vendor, flags) as told, instance(vendor, flags) as other:
        for each in (told, other):
            await operator.ask(each, *PURGED)
        server.kill()
        report = await operator.purge(told, ticker="AAPL")
        assert report["reached"] == "cut_off"
        assert "THIS INSTANCE ONLY" in report["note"]
        repeated = await operator.command(told, "AAPL")
        assert (repeated.exit_code, "THIS INSTANCE ONLY" in repeated.stdout) == (1, True)
        assert (await operator.status(told))["purges"] == "untold"
        assert not await operator.kept(told, "AAPL")
        assert await operator.kept(other, "AAPL")
        server.start()
        await operator.told(told)
        await operator.forgotten(other, "AAPL")
