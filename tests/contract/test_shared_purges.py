"""A purge told to one instance holds on all, now and later: over a server, a Cluster, and a folder of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from unittest import mock

import pytest

from stock_service.base.clock import SystemClock
from stock_service.base.events import Purged
from stock_service.cache import purge_list
from stock_service.cache.purge_list import parse_purges
from stock_service.cache.shared_store import SharedStore
from stock_service.reads.purge import Reach
from stock_service.reads.purge_feed import HEARD_FOR
from tests.support.clock import ManualClock
from tests.support.purge_pod import PurgePod, prev, purging
from tests.support.redis_server import RedisServer, redis_cluster, redis_server
from tests.support.shared_pod import DiskPod, ServerPod, until

pytestmark = pytest.mark.system_tool("redis-server")

Make = Callable[..., AbstractAsyncContextManager[PurgePod]]
HEARD_WITHIN = 10.0  # seconds, of a poll a second; a busy machine


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def _learn_exactly(store: SharedStore, _store_time: float, _begun_at: float) -> None:
    clock = SystemClock()
    store._ahead = clock.wall() - clock.monotonic()


def listed(server: RedisServer) -> bytes:
    """The list of purges on the server, past all instances."""
    held = server.admin.get("test:purges")
    assert isinstance(held, bytes)
    return held


def on(server: RedisServer, **options: bool) -> AbstractAsyncContextManager[PurgePod]:
    return purging(ServerPod(server.url, answer_for=0.5), **options)


@pytest.fixture(params=["single", "cluster", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what makes one more instance on one store that is empty at first.

    A server gets two seconds to answer, for the machine may be busy. By as much an instance may then be wrong about the
    server's clock, and by more than `CLOCKS_DIFFER`; so it is told what the clock of this machine says.
    """
    monkeypatch.setattr(SharedStore, "_learn", _learn_exactly)
    if request.param == "disk":
        return lambda: purging(DiskPod(tmp_path))
    if request.param == "single":
        server: RedisServer = request.getfixturevalue("lasting")
        server.admin.flushall()
        url = server.url
    else:
        servers: list[RedisServer] = request.getfixturevalue("cluster")
        for each in servers:
            each.admin.flushall()
        url = f"{servers[0].url}?cluster=true"
    return lambda: purging(ServerPod(url, answer_for=2.0))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.mark.parametrize("ticker", ["AAPL", None])
async def test_what_is_purged_here_is_forgotten_there_and_not_recalled_by_those_who_come_later(
    make: Make, ticker: str | None
) -> None:
    async with make() as told, make() as other:
        for each in (told, other):
            await each.fetch("AAPL", b"wrong")
            await each.fetch("MSFT", b"right")
        swept = await told.feed.forget(ticker)
        assert (swept.entries, swept.reach) == (1 if ticker else 2, Reach.FLEET)
        assert not told.keeps("AAPL")
        assert await told.recall("AAPL") is None
        await until(lambda: not other.keeps("AAPL"), HEARD_WITHIN)
        assert await other.recall("AAPL") is None
        assert [told.keeps("MSFT"), other.keeps("MSFT")] == [ticker is not None] * 2
        assert await other.recall("MSFT") == (b"right" if ticker else None)
        assert [each for each in other.pod.events.events if isinstance(each, Purged)] == [
            Purged(swept.entries, 0, "fleet", "fleet", ticker or "everything")
        ]
        assert told.pod.events.count(Purged) == 0  # whoever was told says so itself, once
    async with make() as later:
        assert await later.recall("AAPL") is None
        await later.fetch("AAPL", b"mended")
        async with make() as last:
            assert await last.recall("AAPL") == b"mended"
            assert await last.recall("MSFT") == (b"right" if ticker else None)


async def test_a_preview_tells_nobody(make: Make) -> None:
    async with make() as one:
        await one.fetch("AAPL", b"right")
        swept = await one.feed.forget("AAPL", preview=True)
        assert (swept.entries, swept.reach) == (1, Reach.NOBODY)
        await one.feed.poll()
        assert await one.pod.shelf.purges() == b""
        assert await one.recall("AAPL") == b"right"


async def test_purges_told_at_once_to_several_instances_are_all_kept(make: Make) -> None:
    async with make() as a, make() as b, make() as c:
        names = [f"T{number}" for number in range(12)]
        swept = await asyncio.gather(*((a, b, c)[number % 3].feed.forget(name) for number, name in enumerate(names)))
        assert {each.reach for each in swept} == {Reach.FLEET}
        assert sorted(parse_purges(await a.pod.shelf.purges() or b"")) == sorted(names)


async def test_a_list_that_is_not_the_one_expected_is_left_alone(make: Make) -> None:
    async with make() as one:
        shelf = one.pod.shelf
        assert await shelf.swap_purges(b"1 A\n", b"2 B\n") is False
        assert await shelf.swap_purges(b"", b"1 A\n") is True
        assert await shelf.swap_purges(b"", b"2 B\n") is False
        assert await shelf.purges() == b"1 A\n"


async def test_instances_whose_clocks_are_a_little_apart_hold_to_a_purge_all_the_same(lasting: RedisServer) -> None:
    """What one fetched just before the purge looks to another as if fetched just after it."""
    lasting.admin.flushall()
    async with on(lasting) as told, on(lasting) as other:
        assert isinstance(other.pod, ServerPod)
        assert other.pod.store._ahead is not None
        other.pod.store._ahead += 0.05
        await other.fetch("AAPL", b"wrong")
        await told.feed.forget("AAPL")
        assert await told.recall("AAPL") is None
        await until(lambda: not other.keeps("AAPL"), HEARD_WITHIN)
        await told.fetch("AAPL", b"mended")
        assert await told.recall("AAPL") == b"mended"


async def test_a_purge_after_the_stores_clock_was_set_back_is_heard_all_the_same(lasting: RedisServer) -> None:
    """By another server that took over, say: its instant comes before that of the purge before it."""
    lasting.admin.flushall()
    async with on(lasting) as told, on(lasting) as other:
        await told.feed.forget("AAPL")
        await until(lambda: other.outdated.purged_from(prev("AAPL")) > 0, HEARD_WITHIN)
        with mock.patch.object(SharedStore, "_learn"):
            for each in (told, other):
                assert isinstance(each.pod, ServerPod)
                assert each.pod.store._ahead is not None
                each.pod.store._ahead -= 30.0
            await other.fetch("AAPL", b"wrong")
            assert (await told.feed.forget("AAPL")).reach is Reach.FLEET
            await until(lambda: not other.keeps("AAPL"), HEARD_WITHIN)


async def test_who_has_not_heard_the_list_recalls_nothing(make: Make) -> None:
    """An instance that starts, one that stood still, one whose list cannot be read: the vendor is asked instead."""
    async with make() as other:
        await other.fetch("AAPL", b"may be wrong")
        deaf = PurgePod(other.pod)
        assert await deaf.recall("AAPL") is None
        async with deaf.fleet.seat(prev("AAPL"), 1e9, force=False, counts_from=float("-inf")) as seat:
            assert seat.recalled is None
            assert seat.fallback is None
        assert await deaf.feed.poll()
        assert await deaf.recall("AAPL") == b"may be wrong"


async def test_a_list_heard_too_long_ago_is_not_enough(tmp_path: Path) -> None:
    clock = ManualClock()
    pod = DiskPod(tmp_path, clock)
    one = PurgePod(pod)
    await pod.disk._ask(pod.disk._reader, "beat", lambda file: file.marks("", 0))
    assert await one.feed.poll()
    clock.shift(HEARD_FOR)
    assert one.feed.current
    clock.shift(0.1)
    assert not one.feed.current
    await pod.aclose()


async def test_a_list_that_is_full_becomes_a_purge_of_everything_before(make: Make) -> None:
    with mock.patch.object(purge_list, "LISTED_MAX", 3):
        async with make() as one:
            for number in range(6):
                await one.fetch(f"T{number}", b"wrong")
                assert (await one.feed.forget(f"T{number}")).reach is Reach.FLEET
            await one.fetch("MSFT", b"right")
            assert set(parse_purges(await one.pod.shelf.purges() or b"")) == {"/", "T3", "T4", "T5"}
    async with make() as later:
        assert [await later.recall(f"T{number}") for number in range(6)] == [None] * 6
        assert await later.recall("MSFT") == b"right"


async def test_a_purge_while_the_store_is_away_says_so_and_reaches_the_others_when_it_is_back(
    server: RedisServer,
) -> None:
    async with on(server) as told, on(server) as other:
        await other.fetch("AAPL", b"wrong")
        server.kill()
        await until(lambda: not told.pod.shelf.up)
        assert (await told.feed.forget("AAPL")).reach is Reach.CUT_OFF
        assert (await told.feed.forget("IBM")).reach is Reach.CUT_OFF
        assert told.feed.untold == 2
        assert other.keeps("AAPL")
        server.start()
        await until(lambda: not other.keeps("AAPL"), 15.0)
        await until(lambda: told.feed.untold == 0)
        assert sorted(parse_purges(listed(server))) == ["AAPL", "IBM"]


async def test_a_purge_before_the_store_was_ever_there_is_told_when_it_is(server: RedisServer) -> None:
    server.kill()
    async with on(server, up=False) as early:
        assert (await early.feed.forget("AAPL")).reach is Reach.CUT_OFF
        server.start()
        await until(lambda: early.feed.untold == 0, 15.0)
        assert list(parse_purges(listed(server))) == ["AAPL"]


async def test_a_store_that_lost_the_list_is_told_again(server: RedisServer) -> None:
    """Evicted, restored from a backup, failed over to a replica that was behind, or overwritten by nonsense."""
    async with on(server) as one, on(server):
        await one.feed.forget("AAPL")
        await one.feed.forget("MSFT")
        first = listed(server)
        for damage in (
            lambda: server.admin.delete("test:purges"),
            lambda: server.admin.set("test:purges", b"\xff\x00 nonsense"),
            lambda: server.admin.set("test:purges", first.splitlines()[0] + b"\n"),
            lambda: (server.admin.delete("test:purges"), server.admin.rpush("test:purges", "x")),
        ):
            damage()
            await until(lambda: server.ask("TYPE", "test:purges") == b"string", HEARD_WITHIN)
            await until(lambda: listed(server) == first, HEARD_WITHIN)


async def test_a_store_that_is_full_is_still_heard_and_a_purge_it_cannot_take_says_so(server: RedisServer) -> None:
    async with on(server) as one, on(server) as other:
        await one.fetch("AAPL", b"wrong")
        server.admin.config_set("maxmemory", "1")
        one.pod.put("more", b"x")
        await one.pod.written()
        assert isinstance(one.pod, ServerPod)
        store = one.pod.store
        assert not store.writable
        assert (await one.feed.forget("AAPL")).reach is Reach.CUT_OFF
        heard_at = one.feed._heard_at
        await until(lambda: one.feed._heard_at > heard_at, HEARD_WITHIN)  # with writes still given up
        assert not store.writable
        assert await other.recall("AAPL") == b"wrong"
        server.admin.config_set("maxmemory", "0")
        await until(lambda: one.feed.untold == 0, 15.0)
        await until(lambda: other.outdated.purged_from(prev("AAPL")) > 0, HEARD_WITHIN)
        assert await other.recall("AAPL") is None


async def test_listening_costs_a_command_a_second_and_writes_nothing(server: RedisServer) -> None:
    async with on(server) as one:
        await one.feed.forget("AAPL")
        await one.feed.poll()
        before = server.admin.info("commandstats")
        for _ in range(10):
            assert await one.feed.poll()
        after = server.admin.info("commandstats")
        assert after["cmdstat_set"]["calls"] == before["cmdstat_set"]["calls"]
        asked = after["cmdstat_get"]["calls"] - before["cmdstat_get"]["calls"]
        assert 10 <= asked <= 10 + 5  # the feed's own polls beside ours
