"""The shared store dies, hangs, fills up, is demoted, slows down or talks nonsense: nobody gets an error or waits.

Each fault is brought about on a real server, most of them behind a proxy. A read may cost 50 ms, and only the first
few do; five seconds after the fault ends everything is shared again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stock_service.base.events import SharedAsked, SharedMoved
from stock_service.cache.shared import Lead
from tests.support.redis_server import RedisServer, redis_server
from tests.support.shared_pod import Pod, ServerPod, pod, until
from tests.support.tcp_proxy import TcpProxy, flip_bits

pytestmark = pytest.mark.system_tool("redis-server")

SLOW = 0.03  # a read that took longer paid for the fault
MOST = 0.05 + 0.2  # what it may pay: the deadline in running time, and what a machine that others use adds to that
FEW = 5


@dataclass(slots=True)
class Fleet:
    server: RedisServer
    proxy: TcpProxy
    one: ServerPod


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
async def fleet(server: RedisServer) -> AsyncIterator[Fleet]:
    async with TcpProxy(server.port) as proxy, pod(proxy.url) as one:
        one.put("kept", b"body")
        await one.written()
        yield Fleet(server, proxy, one)


async def reads(one: Pod, count: int, every: float = 0.004) -> list[float]:
    """Read one after another; return what each took in seconds. None of them may raise or bring another body."""
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        assert await one.body("kept") in (b"body", None)
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(every)
    return took


def assert_few_paid(took: list[float]) -> None:
    assert sum(each > SLOW for each in took) <= FEW, sorted(took)[-20:]
    assert max(took) <= MOST


async def recovers(one: Pod, within: float = 5.0) -> None:
    """Writes and reads are shared again in time."""

    begun = time.monotonic()
    number = 0
    while True:
        number += 1
        one.put(f"again-{number}", b"again")
        await one.written()
        if await one.body(f"again-{number}") == b"again":
            return
        assert time.monotonic() - begun < within
        await asyncio.sleep(0.05)


async def test_killed_and_back_empty(fleet: Fleet) -> None:
    fleet.server.kill()
    assert_few_paid(await reads(fleet.one, 100))
    fleet.server.start()
    await recovers(fleet.one)


async def test_frozen(fleet: Fleet) -> None:
    fleet.server.stop()
    took = await reads(fleet.one, 60)
    assert_few_paid(took)
    assert sum(each > SLOW for each in took) == 1  # whoever came first
    fleet.server.resume()
    await recovers(fleet.one)


async def test_frozen_under_a_burst(fleet: Fleet) -> None:
    """Whoever comes while four wait in vain does not wait as well."""
    fleet.server.stop()
    took: list[float] = []

    async def one_read() -> None:
        took.extend(await reads(fleet.one, 1))

    tasks = []
    for _ in range(300):
        tasks.append(asyncio.create_task(one_read()))
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    assert max(took) <= MOST
    assert sum(each > SLOW for each in took) <= 60  # those of the first 20 ms
    fleet.server.resume()


async def test_paused_clients(fleet: Fleet) -> None:
    fleet.server.ask("CLIENT", "PAUSE", 1500, "ALL")
    assert_few_paid(await reads(fleet.one, 60))
    await recovers(fleet.one)


async def test_a_resting_store_is_tried_by_beats_only(fleet: Fleet) -> None:
    fleet.server.stop()
    await reads(fleet.one, 10)
    await until(lambda: not fleet.one.store.up)
    took = []
    for _ in range(25):
        took += await reads(fleet.one, 4)
        await asyncio.sleep(0.1)  # past the end of the rest and several beats
    assert sum(each > SLOW for each in took) == 0
    fleet.server.resume()
    await recovers(fleet.one)


async def test_full(fleet: Fleet) -> None:
    """Reads go on, writes are off for a while, leases are not needed."""
    fleet.server.admin.set("filler", b"x" * 1_000_000)
    fleet.server.admin.config_set("maxmemory", "1mb")
    fleet.one.put("new", b"x")
    await fleet.one.written()
    assert SharedAsked("script", "oom") in fleet.one.events.events
    assert fleet.one.store.up
    assert not fleet.one.store.writable
    assert await fleet.one.body("kept") == b"body"
    lead = await fleet.one.cache.lead("other", None, fleet.one.clock.monotonic() + 5)
    assert isinstance(lead, Lead)
    fleet.server.admin.config_set("maxmemory", "0")
    await recovers(fleet.one, within=7.0)  # five of them are the time without writes


async def test_demoted_while_connections_stay_open(fleet: Fleet, tmp_path: Path) -> None:
    """The address moves to the new primary; the old one keeps our connections and refuses to write."""
    place = tmp_path / "second"
    place.mkdir()
    with redis_server(place) as second:
        fleet.server.ask("REPLICAOF", "127.0.0.1", 1)
        fleet.one.put("new", b"x")
        await fleet.one.written()
        assert SharedAsked("script", "readonly") in fleet.one.events.events
        before = fleet.proxy.accepted
        fleet.proxy.target = second.port
        await recovers(fleet.one)
        assert fleet.proxy.accepted > before


@pytest.mark.parametrize(
    ("delay", "shared"), [(0.01, True), (0.2, False)], ids=["10 ms is used", "200 ms is passed over"]
)
async def test_slow(fleet: Fleet, delay: float, shared: bool) -> None:
    fleet.proxy.delay = delay
    took = await reads(fleet.one, 60)
    assert max(took) <= MOST
    if shared:
        assert await fleet.one.body("kept") == b"body"
    else:
        assert_few_paid(took)
        await until(lambda: not fleet.one.store.up)
    fleet.proxy.heal()
    await recovers(fleet.one)


async def test_a_trickle_does_not_hold_anyone(fleet: Fleet) -> None:
    """Each piece comes in time, the whole does not."""
    fleet.one.put("kept", random.Random(1).randbytes(20_000))
    await fleet.one.written()
    fleet.proxy.slice_bytes, fleet.proxy.slice_every = 100, 0.01
    begun = time.perf_counter()
    assert await fleet.one.cache.find("kept") is None
    assert time.perf_counter() - begun <= MOST
    fleet.proxy.heal()
    await recovers(fleet.one)


async def test_reset_connections(fleet: Fleet) -> None:
    for _ in range(20):
        fleet.proxy.cut()
        assert max(await reads(fleet.one, 3)) <= MOST
    await recovers(fleet.one)


async def test_refused_connections(fleet: Fleet) -> None:
    fleet.proxy.refuse = True
    fleet.proxy.cut()
    assert_few_paid(await reads(fleet.one, 60))
    fleet.proxy.heal()
    await recovers(fleet.one)


async def test_black_hole(fleet: Fleet) -> None:
    fleet.proxy.silent = True
    assert_few_paid(await reads(fleet.one, 60))
    fleet.proxy.cut()
    fleet.proxy.heal()
    await recovers(fleet.one)


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b"$-7\r\n", b"*3\r\n:1\r\n"])
async def test_an_answer_that_is_not_the_protocol(fleet: Fleet, nonsense: bytes) -> None:
    fleet.proxy.spoil = lambda _: nonsense
    took = await reads(fleet.one, 40)
    assert max(took) <= MOST
    fleet.proxy.heal()
    fleet.proxy.cut()
    await recovers(fleet.one)


async def test_flipped_bits_are_never_served(fleet: Fleet) -> None:
    """Hundreds of answers with a wrong bit somewhere: in the protocol, the envelope or the body."""
    bodies = {f"k{n}": f"body of {n} ".encode() * 20 for n in range(50)}
    for key, body in bodies.items():
        fleet.one.put(key, body)
    await fleet.one.written()
    fleet.proxy.spoil = flip_bits(seed=7, share=0.7)
    served = 0
    for _ in range(12):
        found = await asyncio.gather(*(fleet.one.body(key) for key in bodies))
        assert all(got in (None, body) for got, body in zip(found, bodies.values(), strict=True))
        served += sum(got is not None for got in found)
        await asyncio.sleep(0.05)
    fleet.proxy.heal()
    fleet.proxy.cut()
    await recovers(fleet.one)


async def test_swapped_answers_are_never_served(fleet: Fleet) -> None:
    """A client library once handed out the answer to the question before (CVE-2023-28858)."""
    fleet.one.put("a", b"of a")
    fleet.one.put("b", b"of b")
    await fleet.one.written()
    a, b = (fleet.one.key_of(key).encode() for key in "ab")
    of_a, of_b = fleet.server.admin.mget(a, b)
    assert isinstance(of_a, bytes)
    assert isinstance(of_b, bytes)
    fleet.server.admin.mset({a: of_b, b: of_a})
    assert await fleet.one.body("a") is None
    assert await fleet.one.body("b") is None


async def test_credentials_taken_away(fleet: Fleet) -> None:
    """Asking again changes nothing for a while: it rests for a minute, and says why."""
    fleet.server.ask("ACL", "SETUSER", "default", "on", ">secret")
    fleet.proxy.cut()
    took = await reads(fleet.one, 40)
    assert_few_paid(took)
    assert SharedMoved("away", "refused") in fleet.one.events.events
    assert not fleet.one.store._rest.beat_due(fleet.one.clock.monotonic() + 50)


@pytest.mark.parametrize(
    ("where", "why", "beats"), [("redis://:wrong@127.0.0.1:{}", "refused", 1), ("redis://127.0.0.1:1", "connection", 4)]
)
async def test_a_store_that_never_answered_says_why_once(fleet: Fleet, where: str, why: str, beats: int) -> None:
    """A wrong password or address is there from the start: it moves nowhere, and the runbook looks for the reason."""
    fleet.server.ask("ACL", "SETUSER", "default", "on", ">secret")
    async with pod(where.format(fleet.server.port), up=False) as late:
        await until(lambda: late.events.events.count(SharedAsked("beat", why)) >= beats)
        assert [event for event in late.events.events if isinstance(event, SharedMoved)] == [SharedMoved("away", why)]


async def test_too_many_clients(fleet: Fleet) -> None:
    fleet.server.admin.config_set("maxclients", "1")
    fleet.proxy.cut()
    assert_few_paid(await reads(fleet.one, 40))
    fleet.server.admin.config_set("maxclients", "1000")
    await recovers(fleet.one)


async def test_flushed_data_and_scripts(fleet: Fleet) -> None:
    fleet.server.admin.flushall()
    fleet.server.admin.script_flush()
    assert await fleet.one.body("kept") is None
    fleet.one.put("kept", b"body")
    await fleet.one.written()
    assert await fleet.one.body("kept") == b"body"
    assert fleet.one.store.up


async def test_not_there_at_the_start(server: RedisServer) -> None:
    server.kill()
    async with pod(server.url, up=False) as lonely:
        assert_few_paid(await reads(lonely, 20))
        server.start()
        await recovers(lonely)


async def test_askers_who_leave_disturb_nobody(fleet: Fleet) -> None:
    """A storm of cancellations: no wrong answer, and hardly a connection is lost."""
    for n in range(20):
        fleet.one.put(f"k{n}", f"body {n}".encode())
    await fleet.one.written()
    before = fleet.proxy.accepted
    draw = random.Random(3)

    answered = 0

    async def ask(n: int) -> None:
        nonlocal answered
        body = await fleet.one.body(f"k{n}")
        assert body in (f"body {n}".encode(), None)
        answered += body is not None

    for _ in range(150):
        tasks = [asyncio.create_task(ask(draw.randrange(20))) for _ in range(20)]
        await asyncio.sleep(draw.random() * 0.001)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in done if each is not None and not isinstance(each, asyncio.CancelledError)] == []
    assert answered >= 1_000  # of 1,500 who stayed
    assert fleet.proxy.accepted - before <= 4


async def test_a_leader_does_not_wait_for_a_store_that_dies(fleet: Fleet) -> None:
    """Followers go ahead by themselves as soon as the store is gone."""
    async with pod(fleet.server.url) as leader:
        assert isinstance(await leader.cache.lead("k", None, leader.clock.monotonic() + 5), Lead)
        waiting = asyncio.create_task(fleet.one.cache.lead("k", None, fleet.one.clock.monotonic() + 5))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        fleet.server.kill()
        begun = time.perf_counter()
        assert isinstance(await waiting, Lead)
        assert time.perf_counter() - begun < 2.0  # of the five it might wait


Read = Callable[[], Awaitable[bytes]]


async def test_herd_over_three_pods_is_one_fetch_a_key(server: RedisServer) -> None:
    calls: dict[str, int] = {}

    def fetching(key: str) -> Read:
        async def fetch() -> bytes:
            calls[key] = calls.get(key, 0) + 1
            await asyncio.sleep(0.05)
            return key.encode()

        return fetch

    # Patient pods: whether the store is fast is not asked here, and the machine may be busy.
    patient = [pod(server.url, answer_for=2.0) for _ in range(3)]
    async with patient[0] as a, patient[1] as b, patient[2] as c:
        keys = [f"k{n}" for n in range(100)]
        asked = [(each, key) for key in keys for each in (a, b, c)]
        bodies = await asyncio.gather(*(each.read(key, fetching(key)) for each, key in asked))
        assert bodies == [key.encode() for _, key in asked]
    assert calls == dict.fromkeys(keys, 1)
