"""The contract of a budget, over one process's memory and over a book that several pods share on a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from stock_service.base.clock import SystemClock
from stock_service.base.events import BudgetMoved
from stock_service.cache.shared_address import parse_address
from stock_service.cache.shared_client import open_wire
from stock_service.cache.shared_rest import RestSettings
from stock_service.cache.shared_store import SharedStore, StoreSettings
from stock_service.upstream.pacer import NoRoom, Pacer, PacerSettings, Spent, Window
from stock_service.upstream.shared_settings import SharedSlotsSettings
from stock_service.upstream.shared_slots import Mode, SharedSlots
from stock_service.upstream.slots import LocalSlots, Slots
from tests.support.lease_fleet import Stalls
from tests.support.reading import Recorder
from tests.support.redis_server import RedisServer, redis_cluster, redis_server
from tests.support.shared_pod import until
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.system_tool("redis-server")

CLOCK = SystemClock()
PATIENT = 0.5  # seconds for an answer, where it is not asked how fast the store is: the machine may be busy


@dataclass
class Member:
    """One pod's budget and the instants its calls left."""

    slots: SharedSlots
    store: SharedStore
    events: Recorder
    calls: list[float] = field(default_factory=list)

    async def call(self, patience: float = 8.0, keep: float = 0.0) -> Spent | NoRoom:
        answer = await self.slots.take(keep, CLOCK.monotonic() + patience)
        if isinstance(answer, Spent):
            self.calls.append(CLOCK.monotonic())
        return answer

    async def saturate(self, seconds: float, workers: int = 20) -> None:
        """Call as often as allowed."""
        until_at = CLOCK.monotonic() + seconds

        async def work() -> None:
            while CLOCK.monotonic() < until_at:
                answer = await self.call(patience=0.5)
                if isinstance(answer, NoRoom):
                    await asyncio.sleep(min(0.05, max(0.0, answer.next_at - CLOCK.monotonic())))

        await asyncio.gather(*(work() for _ in range(workers)))


@asynccontextmanager
async def member(
    url: str, plan: PacerSettings, pods: int = 4, *, joined: bool = True, answer_for: float = 0.05
) -> AsyncIterator[Member]:
    events = Recorder()
    settings = StoreSettings("test", answer_for=answer_for, rest=RestSettings(suspect_for=0.4 * answer_for))
    store = SharedStore(open_wire(parse_address(url), 0.5, 20), settings, CLOCK, events)
    slots = SharedSlots(SharedSlotsSettings(plan, pods), store, CLOCK, events)
    tasks = [asyncio.create_task(store.keep()), asyncio.create_task(slots.keep())]
    try:
        if joined:
            await until(lambda: slots.mode is Mode.SHARED)
        yield Member(slots, store, events)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await slots.aclose()
        await store.aclose()


@asynccontextmanager
async def fleet(
    urls: list[str], plan: PacerSettings, pods: int = 4, *, answer_for: float = 0.05
) -> AsyncIterator[list[Member]]:
    async with AsyncExitStack() as stack:
        members = (member(url, plan, pods, answer_for=answer_for) for url in urls)
        yield [await stack.enter_async_context(each) for each in members]


def most_in_any_window(members: list[Member], per: float) -> int:
    times = sorted(at for each in members for at in each.calls)
    most, first = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - per:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(lasting: RedisServer) -> RedisServer:
    lasting.admin.flushall()
    return lasting


@pytest.fixture(params=[LocalSlots, SharedSlots])
async def slots(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Slots]:
    """A budget of three calls a second."""
    plan = PacerSettings((Window(3, 1.0),))
    if request.param is LocalSlots:
        yield LocalSlots(Pacer(plan), CLOCK)
        return
    async with member(server.url, plan, pods=1, answer_for=PATIENT) as one:
        assert type(one.slots) is request.param
        yield one.slots


async def test_what_fits_leaves_at_once_and_the_rest_in_time(slots: Slots) -> None:
    begun = time.monotonic()
    answers = [await slots.take(0.0, begun + 8.0) for _ in range(4)]
    assert all(isinstance(answer, Spent) for answer in answers)
    assert 1.0 <= time.monotonic() - begun < 2.0


async def test_nobody_waits_past_the_latest_instant(slots: Slots) -> None:
    begun = time.monotonic()
    for _ in range(3):
        await slots.take(0.0, begun + 8.0)
    taken_for = time.monotonic() - begun
    answer = await slots.take(0.0, begun + 0.5)
    assert isinstance(answer, NoRoom)
    assert 1.0 <= answer.next_at - begun < 1.1 + taken_for
    assert time.monotonic() - begun < 1.0  # it did not wait for that


async def test_background_work_leaves_its_share_free_and_never_waits(slots: Slots) -> None:
    begun = time.monotonic()
    kept = [await slots.take(0.5, begun + 8.0) for _ in range(3)]
    assert [type(answer) is NoRoom for answer in kept] == [False, False, True]
    assert isinstance(await slots.take(0.0, begun + 0.9), Spent)
    assert time.monotonic() - begun < 1.0  # the others are not back yet


async def test_a_refund_can_be_used_again(slots: Slots) -> None:
    begun = time.monotonic()
    spent = [await slots.take(0.0, begun + 1.0) for _ in range(3)]
    assert isinstance(spent[1], Spent)
    slots.refund(spent[1])
    await asyncio.sleep(0.05)
    assert isinstance(await slots.take(0.0, begun + 0.9), Spent)
    assert time.monotonic() - begun < 1.0  # the others are not back yet


async def test_a_cancelled_wait_costs_nothing(slots: Slots) -> None:
    begun = time.monotonic()
    for _ in range(3):
        await slots.take(0.0, begun + 8.0)
    waiting = [asyncio.create_task(slots.take(0.0, begun + 8.0)) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert isinstance(await slots.take(0.0, begun + 8.0), Spent)
    assert 1.0 <= time.monotonic() - begun < 2.0


async def test_a_pause_is_kept(slots: Slots) -> None:
    begun = time.monotonic()
    slots.hold(0.4)
    assert isinstance(await slots.take(0.0, begun + 0.2), NoRoom)
    assert isinstance(await slots.take(0.0, begun + 8.0), Spent)
    assert 0.4 <= time.monotonic() - begun < 1.4


async def test_a_429_stops_calls_and_lowers_the_level(slots: Slots) -> None:
    spent = await slots.take(0.0, time.monotonic() + 8.0)
    assert isinstance(spent, Spent)
    await asyncio.sleep(0.01)
    assert 0.5 <= slots.limited(spent, 0.5) < 1.1
    assert slots.peek().level == pytest.approx(0.5)
    assert isinstance(await slots.take(0.0, time.monotonic() + 0.2), NoRoom)


async def test_a_pause_and_a_refusal_are_heard_by_every_pod(server: RedisServer) -> None:
    async with fleet([server.url] * 2, PacerSettings((Window(10, 1.0),)), answer_for=PATIENT) as (one, other):
        spent = await one.call()
        assert isinstance(spent, Spent)
        await asyncio.sleep(0.01)
        begun = time.monotonic()
        one.slots.limited(spent, 0.6)
        await asyncio.sleep(0.05)
        assert isinstance(await other.call(patience=0.1), NoRoom)
        assert isinstance(await other.call(), Spent)
        assert 0.6 <= time.monotonic() - begun < 1.6
        assert other.slots.peek().level == pytest.approx(0.5)


async def test_four_pods_saturate_the_plan_and_never_exceed_it(server: RedisServer) -> None:
    plan = PacerSettings((Window(60, 1.0), Window(150, 3.0)))
    async with fleet([server.url] * 4, plan, answer_for=PATIENT) as members, Stalls(server.url) as stalls:
        begun = time.monotonic()
        await asyncio.gather(*(each.saturate(4.0) for each in members))
        took = time.monotonic() - begun
    assert most_in_any_window(members, 1.0) <= 54
    assert most_in_any_window(members, 3.0) <= 135
    assert sum(len(each.calls) for each in members) >= 135 / 3.03 * (0.85 * took - stalls.seconds)


async def test_a_cluster_keeps_the_same_book(tmp_path_factory: pytest.TempPathFactory) -> None:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        urls = [f"{each.url}?cluster=true" for each in servers]
        async with fleet(urls, PacerSettings((Window(40, 1.0),)), answer_for=PATIENT) as members:
            await asyncio.gather(*(each.saturate(2.0) for each in members))
    assert 30 <= most_in_any_window(members, 1.0) <= 36


async def test_without_the_store_pods_share_by_turns_and_come_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Killed under load and back empty: no window exceeded, some calls made all the time."""
    plan = PacerSettings((Window(60, 1.0),))
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        async with fleet([server.url] * 3, plan, pods=3, answer_for=PATIENT) as members:
            load = [asyncio.create_task(each.saturate(90.0)) for each in members]
            await asyncio.sleep(1.5)
            server.kill()
            lost_at = time.monotonic()
            await asyncio.sleep(7.5)
            back_at = time.monotonic()
            server.start()
            await until(lambda: all(each.slots.mode is Mode.SHARED for each in members), within=60.0)
            await asyncio.sleep(1.5)
            for task in load:
                task.cancel()
            await asyncio.gather(*load, return_exceptions=True)
    assert most_in_any_window(members, 1.0) <= 60
    for each in members:
        assert each.events.events.count(BudgetMoved("local")) >= 1
    first = [at for each in members for at in each.calls if lost_at + 0.5 < at < lost_at + 5.0]
    later = [at for each in members for at in each.calls if lost_at + 6.5 < at < back_at]
    # Never more than their part; less only as far as a busy machine makes pods miss their turns.
    assert 2 <= len(first) / 4.5 <= 7
    assert 20 <= len(later) / (back_at - lost_at - 6.5) <= 58


async def test_a_pod_cut_off_takes_its_share_out_of_the_others(server: RedisServer) -> None:
    plan = PacerSettings((Window(60, 1.0),))
    async with TcpProxy(server.port) as proxy, fleet([server.url, server.url, proxy.url], plan, pods=3) as members:
        load = [asyncio.create_task(each.saturate(11.0)) for each in members]
        await asyncio.sleep(1.0)
        proxy.silent = True
        cut_at = time.monotonic()
        await asyncio.gather(*load)
        cut_off = members[2]
        assert cut_off.slots.mode is Mode.LOCAL
        assert [each.slots.mode for each in members[:2]] == [Mode.SHARED] * 2
        proxy.cut()
    assert most_in_any_window(members, 1.0) <= 60
    late = [at for at in cut_off.calls if at > cut_at + 7.0]
    assert len(late) / 3.0 == pytest.approx(18, rel=0.35)


@pytest.mark.parametrize("loss", ["all", "log", "future"])
async def test_a_book_that_lost_its_entries_grants_no_burst(server: RedisServer, loss: str) -> None:
    plan = PacerSettings((Window(40, 2.0),))
    async with fleet([server.url] * 2, plan, pods=2, answer_for=PATIENT) as members:
        load = [asyncio.create_task(each.saturate(8.0)) for each in members]
        await asyncio.sleep(1.0)
        log = server.admin.keys("*:log")
        if loss == "all":
            server.admin.flushall()
        elif loss == "log":
            server.admin.delete(*log)
        else:
            server.admin.zadd(log[0], {"far": (time.time() + 7_200) * 1e6})
        await asyncio.gather(*load)
    assert most_in_any_window(members, 2.0) <= 40
    assert all(BudgetMoved("local") in each.events.events for each in members)
    assert all(each.events.events[-1] != BudgetMoved("local") for each in members)
    assert max(at for each in members for at in each.calls) > time.monotonic() - 1.5


async def test_calls_begin_without_a_store_at_all(server: RedisServer) -> None:
    plan = PacerSettings((Window(100, 1.0),))
    async with member("redis://127.0.0.1:1", plan, pods=2, joined=False) as alone:
        begun = time.monotonic()
        for _ in range(3):
            assert isinstance(await alone.call(), Spent)
        assert time.monotonic() - begun < 2.0


async def test_a_pod_that_leaves_leaves_its_share(server: RedisServer) -> None:
    plan = PacerSettings((Window(60, 1.0),))
    async with member(server.url, plan, pods=3) as staying:
        async with member(server.url, plan, pods=3) as leaving:
            await leaving.call()
        assert server.admin.zcard(server.admin.keys("*:seen")[0]) == 1
        assert staying.slots.peek().next_at <= CLOCK.monotonic() + 0.01
