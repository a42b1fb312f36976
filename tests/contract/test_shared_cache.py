"""What a store of answers promises: one server, a Cluster, a file on disk; and what they have in common with memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from stock_service.base.events import FetchLed, SharedAsked, SharedDamaged
from stock_service.cache.codec import VERSION, Stored, decode_stored, encode_stored
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import Memory
from stock_service.cache.shared import Found, Lead, SharedSettings
from stock_service.reads.fleet import Together
from stock_service.vendor.request import parse_request
from tests.support.redis_server import RedisServer, redis_cluster, redis_server
from tests.support.shared_pod import LIFETIME, AllHeard, DiskPod, Pod, ServerPod, pod, running, until

pytestmark = pytest.mark.system_tool("redis-server")

Make = Callable[..., AbstractAsyncContextManager[Pod]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(params=["single", "cluster", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return what makes one more pod on one store that is empty at first."""
    if request.param == "disk":
        return lambda **options: running(DiskPod(tmp_path, **options))
    if request.param == "single":
        server: RedisServer = request.getfixturevalue("server")
        server.admin.flushall()
        url = server.url
    else:
        servers: list[RedisServer] = request.getfixturevalue("cluster")
        for each in servers:
            each.admin.flushall()
        url = f"{servers[0].url}?cluster=true"
    return lambda **options: pod(url, answer_for=2.0, **options)  # whether it is fast is not asked here


@pytest.fixture
async def one(make: Make) -> AsyncIterator[Pod]:
    async with make() as running:
        yield running


@pytest.fixture
async def other(make: Make) -> AsyncIterator[Pod]:
    async with make() as running:
        yield running


@pytest.fixture
async def single(server: RedisServer) -> AsyncIterator[ServerPod]:
    server.admin.flushall()
    async with pod(server.url) as running:
        yield running


class MemoryShelf:
    """Memory, asked the questions of the common contract."""

    def __init__(self, maker: Pod) -> None:
        self._memory = Memory(1 << 20)
        self._maker = maker

    async def put(self, key: str, body: bytes, age: float = 0.0) -> None:
        self._memory.put(self._maker.entry(key, body, age))

    async def body(self, key: str) -> bytes | None:
        entry = self._memory.peek(key)
        return None if entry is None else entry.body


class SharedShelf:
    """The shared store, asked the same; every write is waited for."""

    def __init__(self, running: Pod) -> None:
        self._pod = running

    async def put(self, key: str, body: bytes, age: float = 0.0) -> None:
        self._pod.put(key, body, age)
        await self._pod.written()

    async def body(self, key: str) -> bytes | None:
        return await self._pod.body(key)


@pytest.fixture(params=[MemoryShelf, SharedShelf])
def shelf(request: pytest.FixtureRequest, one: Pod) -> MemoryShelf | SharedShelf:
    made: MemoryShelf | SharedShelf = request.param(one)
    assert type(made) is request.param
    return made


async def test_what_was_put_is_found_under_its_key_only(shelf: MemoryShelf | SharedShelf) -> None:
    await shelf.put("k", b"body")
    assert await shelf.body("k") == b"body"
    assert await shelf.body("K") is None


async def test_a_newer_fetch_replaces_an_older_one(shelf: MemoryShelf | SharedShelf) -> None:
    await shelf.put("k", b"old", age=5.0)
    await shelf.put("k", b"new", age=1.0)
    assert await shelf.body("k") == b"new"


async def test_nothing_goes_back_in_time(shelf: MemoryShelf | SharedShelf) -> None:
    """A slow old answer that arrives late changes nothing."""
    await shelf.put("k", b"new", age=1.0)
    await shelf.put("k", b"old", age=5.0)
    assert await shelf.body("k") == b"new"


async def test_another_pod_finds_all_of_an_answer_with_its_age(one: Pod, other: Pod) -> None:
    one.put("k", b"x" * 5000, age=3.0)
    await one.written()
    found = await other.cache.find("k")
    assert found is not None
    stored = found.stored
    assert (stored.status, stored.content_type, stored.request_id) == (200, "application/json", "vendor-id")
    assert stored.lifetime == LIFETIME
    assert other.clock.monotonic() - found.fetched_at == pytest.approx(3.0, abs=0.5)
    assert other.clock.monotonic() - found.kept_at == pytest.approx(0.0, abs=0.5)


async def test_reads_of_one_turn_share_a_command_and_equal_ones_a_key(single: ServerPod, server: RedisServer) -> None:
    before = server.admin.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    await asyncio.gather(*(single.cache.find(f"k{n % 100}") for n in range(1_000)))
    after = server.admin.info("commandstats")["cmdstat_mget"]["calls"]
    assert after - before == 1


async def test_a_value_lives_as_long_as_it_may_be_served(one: Pod) -> None:
    one.cache.put("k", one.reply(b"x"), Lifetime(0.0, 0.1, 0.05), one.clock.monotonic(), "")
    await one.written()
    assert await one.body("k") == b"x"
    for _ in range(100):
        if await one.body("k") is None:
            return
        await asyncio.sleep(0.02)
    pytest.fail("it outlived its usefulness")


async def test_too_large_a_value_is_not_written(make: Make) -> None:
    async with make(settings=SharedSettings(value_max_bytes=10_000)) as small:
        small.put("big", b"x" * 200_000)
        small.put("noise", random.Random(1).randbytes(50_000))  # does not pack
        await small.written()
        assert await small.body("big") is None
        assert await small.body("noise") is None
        assert small.events.events.count(SharedAsked("put", "large")) == 2


async def test_a_full_queue_drops_the_oldest(make: Make) -> None:
    async with make(settings=SharedSettings(writes_max=10)) as busy:
        for n in range(25):
            busy.put(f"k{n}", b"x")
        await busy.written()
        kept = [n for n in range(25) if await busy.body(f"k{n}")]
    assert kept == list(range(15, 25))
    assert busy.events.events.count(SharedAsked("put", "dropped")) == 15


@pytest.mark.parametrize("value", [b"", b"nonsense", b"stkE01" + b"9" * 16, b"stkE01" + b"1" * 90])
async def test_damaged_values_are_misses_and_are_removed(one: Pod, value: bytes) -> None:
    await one.plant("k", value)
    assert await one.body("k") is None
    await until(lambda: one.events.count(SharedDamaged) == 1)
    await one.written()
    assert await one.planted("k") is None
    one.put("k", b"good")
    await one.written()
    assert await one.body("k") == b"good"


async def test_a_newer_versions_value_is_a_miss_and_stays(one: Pod) -> None:
    one.put("k", b"x")
    await one.written()
    value = await one.planted("k")
    assert value is not None
    newer = value[:4] + b"%02d" % (VERSION + 1) + value[6:]
    await one.plant("k", newer)
    assert await one.body("k") is None
    await one.written()
    assert await one.planted("k") == newer
    assert SharedDamaged("version") in one.events.events


async def test_another_keys_value_is_never_served(one: Pod) -> None:
    one.put("a", b"of a")
    await one.written()
    await one.plant("b", await one.planted("a") or b"")
    assert await one.body("b") is None
    assert SharedDamaged("key") in one.events.events


async def test_a_value_of_another_type_is_a_miss_and_gives_way(single: ServerPod) -> None:
    await single.plant_list("k")
    assert await single.body("k") is None
    single.put("k", b"good")
    await single.written()
    assert await single.body("k") == b"good"


async def test_an_instant_from_a_future_that_was_never_does_not_lock_the_key(one: Pod) -> None:
    """The store's clock was an hour ahead and was put right."""
    one.put("k", b"x")
    await one.written()
    stored = decode_stored("k", await one.planted("k") or b"")
    assert isinstance(stored, Stored)
    await one.plant("k", encode_stored(replace(stored, fetched_at=stored.fetched_at + 3_600_000)))
    one.put("k", b"now")
    await one.written()
    assert await one.body("k") == b"now"


async def test_one_pod_leads_and_the_others_get_its_answer(make: Make) -> None:
    calls = 0

    async def fetch() -> bytes:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.2)
        return b"answer"

    async with make() as a, make() as b, make() as c:
        bodies = await asyncio.gather(*(each.read("k", fetch) for each in (a, b, c)))
        assert bodies == [b"answer"] * 3
        assert calls == 1
        await a.written()
        results = [event.result for each in (a, b, c) for event in each.events.events if isinstance(event, FetchLed)]
        assert sorted(results) == ["followed", "followed", "lead"]


async def test_a_failed_leader_makes_way_at_once(one: Pod, other: Pod) -> None:
    lead = await one.cache.lead("k", None, one.clock.monotonic() + 5)
    assert isinstance(lead, Lead)
    waiting = asyncio.create_task(other.cache.lead("k", None, other.clock.monotonic() + 5))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    with pytest.raises(OSError, match="vendor"):
        async with lead:
            raise OSError("vendor")
    begun = one.clock.monotonic()
    assert isinstance(await waiting, Lead)
    assert one.clock.monotonic() - begun < 1.2  # of a lease of 1.5


async def test_a_dead_leader_delays_by_its_lease_and_a_slow_one_keeps_it(one: Pod, make: Make) -> None:
    quick = SharedSettings(lease_for=0.3)
    async with make(settings=quick) as slow, make(settings=quick) as dying:
        lead = await slow.cache.lead("slow", None, slow.clock.monotonic() + 5)
        assert isinstance(lead, Lead)
        assert isinstance(await dying.cache.lead("dead", None, dying.clock.monotonic() + 5), Lead)  # and never entered
        async with lead:
            begun = one.clock.monotonic()
            assert isinstance(await one.cache.lead("dead", None, one.clock.monotonic() + 5), Lead)
            assert one.clock.monotonic() - begun < 2.0  # of the five it might wait
            late = await one.cache.lead("slow", None, one.clock.monotonic() + 0.8)
            assert isinstance(late, Lead)
            assert FetchLed("late") in one.events.events


async def test_whoever_saw_an_old_answer_is_shown_only_a_newer_one(one: Pod, other: Pod) -> None:
    one.put("k", b"old", age=2.0)
    await one.written()
    seen = await other.cache.find("k")
    lead = await other.cache.lead("k", seen, other.clock.monotonic() + 5)
    assert isinstance(lead, Lead)
    async with lead:
        pass
    one.put("k", b"new")
    await one.written()
    found = await other.cache.lead("k", seen, other.clock.monotonic() + 5)
    assert isinstance(found, Found)
    assert found.stored.body == b"new"


async def test_an_answer_from_before_a_split_is_not_recalled(one: Pod, other: Pod) -> None:
    """Another pod's adjusted prices of yesterday are fresh for 30 days and at the wrong scale."""
    request = parse_request("/v2/aggs/ticker/AAPL/prev", "")
    one.put(request.key, b"old scale", age=10.0)
    await one.written()
    together = Together(other.cache, AllHeard(), other.clock, frozenset())
    until_then = other.clock.monotonic() + 5.0
    async with together.seat(request, until_then, force=False, counts_from=other.clock.monotonic() - 60.0) as seat:
        assert seat.recalled is not None
    async with together.seat(request, until_then, force=False, counts_from=other.clock.monotonic() - 5.0) as seat:
        assert seat.recalled is None
        assert seat.fallback is None
        seat.publish(other.reply(b"new scale"), LIFETIME)
    await other.written()
    assert await one.body(request.key) == b"new scale"
