"""The contract of a client's allowance: all of it in one process, and lent out to several over a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from stock_service.access.lease import Ask
from stock_service.access.lender_script import LEND
from stock_service.access.quota import Limit, Quota
from stock_service.base.clock import SystemClock
from tests.support.lease_fleet import Book, Borrower, Stalls, borrower
from tests.support.redis_server import RedisServer, redis_cluster, redis_server
from tests.support.shared_pod import until
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.system_tool("redis-server")

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(lasting: RedisServer) -> RedisServer:
    lasting.admin.flushall()
    return lasting


@asynccontextmanager
async def fleet(urls: list[str], limit: Limit) -> AsyncIterator[list[Borrower]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(borrower(url, limit)) for url in urls]


def gained(limit: Limit, since: float) -> float:
    """Return what `limit` allows beyond its burst from `since` (monotonic) to now; docs/access.md says the same."""
    return limit.rate * (CLOCK.monotonic() - since + 0.5)


SLOW = Limit(0.5, 5)


@pytest.fixture(params=["own", "lent"])
async def slow(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Borrower]:
    """A client that may ask five times at once and once in two seconds."""
    async with borrower(server.url, SLOW) as lent:
        if request.param == "own":
            lent.allowance = Quota(SLOW)
        assert (lent.allowance.borrow is None) == (request.param == "own")
        yield lent


async def test_the_burst_comes_at_once_and_the_rest_in_time(slow: Borrower) -> None:
    begun = CLOCK.monotonic()
    at_once = [await slow.ask() for _ in range(7)]
    assert at_once[:5] == [True] * 5
    assert sum(at_once) <= 5 + gained(SLOW, begun)
    await asyncio.sleep(2.05)
    later = [await slow.ask() for _ in range(2)]
    assert later[0]
    assert sum(at_once + later) <= 5 + gained(SLOW, begun)


async def test_what_comes_at_once_is_served_at_once(slow: Borrower) -> None:
    begun = CLOCK.monotonic()
    assert 5 <= sum(await asyncio.gather(*(slow.ask() for _ in range(20)))) <= 5 + gained(SLOW, begun)


async def test_the_fields_say_what_is_left_and_when_there_is_more(slow: Borrower) -> None:
    shown = []
    begun = CLOCK.monotonic()
    for _ in range(6):
        await slow.ask()
        headers = dict(slow.allowance.limit_headers(CLOCK.monotonic()))
        lines = slow.allowance.limit_lines(CLOCK.monotonic())
        assert lines == b"".join(b"%b: %b\r\n" % pair for pair in headers.items())
        assert headers[b"ratelimit-policy"] == b'"client";q=5;w=10'
        shown.append(headers[b"ratelimit"].split(b";")[1])
    assert shown == [b"r=4", b"r=3", b"r=2", b"r=1", b"r=0", b"r=0"]
    taken_for = CLOCK.monotonic() - begun
    assert 1.9 - taken_for < slow.allowance.retry_after(CLOCK.monotonic()) <= 2.0


@pytest.mark.parametrize("burst", [100, 1])
@pytest.mark.parametrize("load", ["even", "lopsided", "moving"])
async def test_three_instances_together_give_the_limit(server: RedisServer, load: str, burst: int) -> None:
    """100 a second to five percent, once the burst is used up; taken as hits take it wherever something is here."""
    async with fleet([server.url] * 3, Limit(100.0, burst)) as members:
        begun = time.monotonic()

        async def keep_asking(number: int) -> None:
            while (passed_for := time.monotonic() - begun) < 3.5:
                turn = int(passed_for * 2) % 3
                if load == "even" or number == {"lopsided": 0, "moving": turn}[load]:
                    _ = members[number].hit() or await members[number].ask()
                await asyncio.sleep(0.002)

        async with Stalls(server.url) as stalls:
            await asyncio.gather(*(keep_asking(number) for number in range(3) for _ in range(3)))
    passed = sorted(at - begun for each in members for at in each.passed)
    within = sum(1.25 <= at < 3.25 for at in passed)
    slack = 10 + 100 * stalls.seconds
    assert 200 - slack <= within <= 200 + slack
    assert len(passed) <= max(burst, 11) + 100 * (passed[-1] + 0.5)
    if load == "lopsided":
        assert not members[1].passed


async def test_a_cluster_lends_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        limit = Limit(0.1, 6)
        async with fleet([f"{each.url}?cluster=true" for each in servers], limit) as members:
            begun = CLOCK.monotonic()
            answers = [await members[turn % 3].ask() for turn in range(9)]
            assert answers[:6] == [True] * 6
            assert sum(answers) <= 6 + gained(limit, begun)


async def test_a_client_that_is_not_at_its_limit_is_never_refused(server: RedisServer) -> None:
    """Eighty of a hundred a second, spread over three instances, without any burst to speak of."""
    async with fleet([server.url] * 3, Limit(100.0, 1)) as members:
        begun, latest = time.monotonic(), 0.0
        for turn in range(200):
            await members[turn % 3].ask()
            late = time.monotonic() - begun - turn / 80
            latest = max(latest, late)
            await asyncio.sleep(max(0.0, -late))
    assert sum(each.refused for each in members) == 0 or latest > 0.05


async def test_without_the_store_each_has_its_share_and_nobody_waits(server: RedisServer) -> None:
    limit = Limit(30.0, 30)
    async with borrower("redis://127.0.0.1:1", limit, up=False) as alone, Stalls() as stalls:
        begun = time.monotonic()
        while (passed_for := time.monotonic() - begun) < 2.0:
            await alone.ask()
            await asyncio.sleep(0.002)
        assert 10 + 10 * passed_for - 4 <= len(alone.passed) <= 10 + 10 * passed_for + 2
        assert alone.slowest < 0.05 + stalls.seconds


async def test_a_store_killed_under_load_neither_lifts_the_limit_nor_blocks(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Full rate, then shares, then full rate again; the second time without another burst."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        async with fleet([server.url] * 3, Limit(100.0, 60)) as members:
            begun, over = time.monotonic(), asyncio.Event()

            async def keep_asking(one: Borrower) -> None:
                while not over.is_set():
                    _ = one.hit() or await one.ask()
                    await asyncio.sleep(0.002)

            load = [asyncio.create_task(keep_asking(each)) for each in members for _ in range(2)]
            await asyncio.sleep(1.5)
            server.kill()
            killed_at = time.monotonic()
            await asyncio.sleep(2.0)
            server.start()
            await until(lambda: all(each.store.up for each in members))
            back_at = time.monotonic()
            async with Stalls(server.url) as stalls:
                await asyncio.sleep(3.0)
                over.set()
                await asyncio.gather(*load)
            ended_at = time.monotonic()
    passed = sorted(at for each in members for at in each.passed)
    apart = [at for at in passed if killed_at + 0.3 < at < back_at]
    assert apart
    assert len(passed) <= 60 + 60 + (ended_at - begun) * 100 * 1.05
    later = [at for at in passed if at > back_at + 1.0]
    due = 100 * (ended_at - back_at - 1.0)
    assert len(later) == pytest.approx(due, abs=0.1 * due + 100 * stalls.seconds)
    assert max(each.slowest for each in members) < 1.1 + stalls.seconds  # twice the time the store has here


async def test_a_silent_store_costs_the_first_few_a_moment_and_no_answer(server: RedisServer) -> None:
    async with (
        TcpProxy(server.port) as proxy,
        borrower(proxy.url, Limit(300.0, 300), answer_for=0.05) as one,
        Stalls() as stalls,
    ):
        assert await one.ask()
        proxy.silent = True
        await asyncio.sleep(0.3)  # what was lent is over
        answers = await asyncio.gather(*(one.ask() for _ in range(50)))
        assert all(answers)
        assert one.slowest < 0.2 + stalls.seconds
        slowest_of_later = 0.0
        for _ in range(30):
            begun = time.monotonic()
            await one.ask()
            slowest_of_later = max(slowest_of_later, time.monotonic() - begun)
        assert slowest_of_later < 0.05 + stalls.seconds
        proxy.cut()


async def test_whoever_leaves_while_it_waits_leaves_its_request_to_others(server: RedisServer) -> None:
    async with borrower(server.url, Limit(0.01, 2)) as one:
        leaving = asyncio.create_task(one.ask())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert [await one.ask() for _ in range(3)] == [True, True, False]


async def test_a_restarted_store_is_told_what_was_used(tmp_path_factory: pytest.TempPathFactory) -> None:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        async with borrower(server.url, Limit(0.01, 40), pods=20) as one:
            assert [await one.ask() for _ in range(41)] == [True] * 40 + [False]
            server.kill()
            await until(lambda: not one.store.up)
            server.start()
            await until(lambda: one.store.ready)
            one.allowance.limit_headers(CLOCK.monotonic())
            await asyncio.sleep(0.2)
            assert sum([await one.ask() for _ in range(10)]) <= 2  # its share while the store was away


async def test_the_script_is_the_book_that_is_tested_in_memory(server: RedisServer) -> None:
    limit = Limit(0.001, 50)  # so slow that the time between two questions does not count
    book, now = Book(limit), 0.0
    store_key = "test:limit:{x}"
    for ask in (
        Ask(3, 3, 0, 0.0),
        Ask(0, 8, 0, 0.0),
        Ask(1, 30, 2, 0.0),
        Ask(0, 0, 5, 0.0),
        Ask(9, 9, 0, 0.0),
        Ask(40, 60, 0, 0.0),
        Ask(1, 1, 90, 0.0),
    ):
        step = 1e6 / limit.rate
        args = [f"{step:.6f}", 50, ask.needed, ask.wanted, ask.spent, 0]
        given, taken_us = server.ask("EVAL", LEND, 1, store_key, *args)
        lent = book.lend(ask, now)
        assert given == lent.given
        assert int(taken_us) / 1e6 == pytest.approx(lent.taken_for, abs=5.0)
    assert server.admin.pttl(store_key) > 0
