"""What clients used: the same report from one process's memory, and added up for a fleet on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, hash_key
from stock_service.access.usage import Counts
from stock_service.access.usage_ledger import OwnLedger, SharedLedger
from tests.support.key_fleet import KeyPod, key_pod
from tests.support.redis_server import RedisServer, redis_server
from tests.support.shared_pod import until
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.system_tool("redis-server")

KEY, OTHER = "stk_team1_x", "stk_team2_x"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(lasting: RedisServer) -> RedisServer:
    lasting.admin.flushall()
    return lasting


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    for key in (KEY, OTHER):
        key_id, created = key.split("_")[1], datetime(2026, 1, 1, tzinfo=UTC)
        KeyStore(path).add(KeyRecord(id=key_id, name=key_id, sha256=hash_key(key), created=created))
    return path


@asynccontextmanager
async def fleet(url: str, file: Path, size: int) -> AsyncIterator[list[KeyPod]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(key_pod(url, file)) for _ in range(size)]


def today(pod: KeyPod) -> date:
    return pod.own.today()


async def used(ledger: OwnLedger | SharedLedger, day: date) -> tuple[bool, dict[str, Counts]]:
    found = await ledger.read([day])
    return found.fleet, dict(found.days.get(day.isoformat(), {}))


@pytest.mark.parametrize("shared", [False, True])
async def test_a_report_has_what_was_used_and_nothing_of_other_days(
    server: RedisServer, file: Path, shared: bool
) -> None:
    async with fleet(server.url, file, 1) as (pod,):
        ledger: OwnLedger | SharedLedger = pod.ledger if shared else pod.own
        pod.use(KEY, 5, 2)
        assert await used(ledger, today(pod)) == (shared, {"team1": Counts(5, 2)})
        pod.use(KEY, 1, 0)
        pod.use(OTHER, 3, 3)
        assert await used(ledger, today(pod)) == (shared, {"team1": Counts(6, 2), "team2": Counts(3, 3)})
        assert await used(ledger, today(pod) - timedelta(days=1)) == (shared, {})


async def test_a_fleet_is_the_sum_of_its_instances_however_often_they_tell(server: RedisServer, file: Path) -> None:
    async with fleet(server.url, file, 3) as pods:
        for number, pod in enumerate(pods, start=1):
            pod.use(KEY, 10 * number, number)
        for _ in range(3):
            await asyncio.gather(*(pod.ledger.tell() for pod in pods))
            for pod in pods:
                pod.own.tally.forget_told()  # as after an answer that was lost
        assert await used(pods[0].ledger, today(pods[0])) == (True, {"team1": Counts(60, 6)})


async def test_a_restarted_instance_adds_to_what_it_told_before(server: RedisServer, file: Path) -> None:
    async with fleet(server.url, file, 1) as (pod,):
        pod.use(KEY, 10, 1)
        await pod.ledger.tell()
    async with fleet(server.url, file, 1) as (pod,):
        pod.use(KEY, 4, 1)
        assert await used(pod.ledger, today(pod)) == (True, {"team1": Counts(14, 2)})


async def test_a_total_told_late_does_not_lower_a_newer_one(server: RedisServer, file: Path) -> None:
    async with fleet(server.url, file, 1) as (pod,):
        day = today(pod)
        pod.use(KEY, 10, 3)
        await pod.ledger.tell()
        await pod.ledger._tell(day.isoformat(), {"team1": Counts(7, 4)})
        assert await used(pod.ledger, day) == (True, {"team1": Counts(10, 4)})


async def test_an_answer_that_was_lost_counts_once(server: RedisServer, file: Path) -> None:
    async with TcpProxy(server.port) as proxy, fleet(proxy.url, file, 1) as (pod,):
        pod.use(KEY, 10, 3)
        proxy.silent = True
        await pod.ledger.tell()
        assert pod.own.tally.untold()
        proxy.silent = False
        proxy.cut()
        await until(lambda: pod.store.ready)
        assert await used(pod.ledger, today(pod)) == (True, {"team1": Counts(10, 3)})
        proxy.cut()


async def test_without_the_store_the_own_counts_are_told_as_such_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, file: Path
) -> None:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        async with fleet(server.url, file, 2) as (one, other):
            one.use(KEY, 10, 1)
            other.use(KEY, 5, 0)
            await asyncio.gather(one.ledger.tell(), other.ledger.tell())
            server.kill()
            await until(lambda: not one.store.up and not other.store.up)
            one.use(KEY, 1, 0)
            assert await used(one.ledger, today(one)) == (False, {"team1": Counts(11, 1)})
            server.start()  # and has forgotten everything
            await until(lambda: one.store.ready and other.store.ready)
            other.use(OTHER, 1, 0)  # what it told of the first key is told again all the same
            for _ in range(2):
                await asyncio.gather(one.ledger.tell(), other.ledger.tell())
            assert await used(one.ledger, today(one)) == (True, {"team1": Counts(16, 1), "team2": Counts(1)})


async def test_a_day_of_many_clients_and_restarts_is_read_page_by_page(server: RedisServer, file: Path) -> None:
    async with fleet(server.url, file, 1) as (pod,):
        day = today(pod).isoformat()
        for number in range(12):
            ledger = SharedLedger(pod.store, "t:access", pod.own, pod.own._clock)
            for begin in range(0, 900, 300):
                totals = {f"c{client:04}": Counts(1, number % 2) for client in range(begin, begin + 300)}
                assert await ledger._tell(day, totals)
        _, found = await used(pod.ledger, today(pod))
        assert len(found) == 900
        assert set(found.values()) == {Counts(12, 6)}
        assert server.admin.ttl(f"t:access:{{usage}}:{day}") > 80 * 86_400
