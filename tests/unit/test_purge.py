"""What a purge means to those who ask while it happens: nobody who asks after it gets what was fetched before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from unittest import mock

import pytest

from stock_service.base.errors import CircuitOpen, VendorFailed
from stock_service.base.reply import Reply
from stock_service.cache.bar_questions import SeriesKey
from stock_service.cache.chunks import split_page
from stock_service.cache.outdated import Outdated
from stock_service.cache.policy import Policy, PolicySettings
from stock_service.cache.ranges import Span
from stock_service.cache.series_store import SeriesStore
from stock_service.market.calendar import Calendar
from stock_service.reads.decide import ANY_WAY, Wishes
from stock_service.reads.fleet import Recalled, Seat
from stock_service.reads.market_days import DAILY, Began, MarketDays, Taken, day_request
from stock_service.reads.purge import Purge, Reach
from stock_service.reads.purge_feed import PurgeFeed
from stock_service.reads.read_path import Answer, Via
from stock_service.reads.sources import Brought, Errand, FleetSource, VendorSource
from stock_service.upstream.call import Priority
from stock_service.upstream.outcome import ExchangeFailed, Fault
from stock_service.vendor.request import ask
from tests.support.clock import ManualClock, settle
from tests.support.reading import LIFETIME, Desk, make_desk
from tests.support.whole import whole_gateway

PREV = ask("/v2/aggs/ticker/AAPL/prev")
WRONG, RIGHT = b'{"status":"OK","results":[{"c":1.5}]}', b'{"status":"OK","results":[{"c":1.6}]}'


@pytest.fixture
async def desk() -> Desk:
    return make_desk()


@pytest.fixture
def purge(desk: Desk) -> Purge:
    return Purge(desk.memory, SeriesStore(1 << 20), desk.outdated, desk.clock)


async def read(desk: Desk, wishes: Wishes = ANY_WAY) -> Answer:
    return await desk.reads.read(PREV, desk.asker, deadline=desk.clock.monotonic() + 9.0, wishes=wishes)


async def test_who_asks_after_a_purge_does_not_join_a_fetch_from_before_it(desk: Desk, purge: Purge) -> None:
    before = asyncio.create_task(read(desk))
    await settle()
    desk.clock.shift(1.0)
    assert (await purge.forget("AAPL")).reach is Reach.ALONE
    desk.clock.shift(1.0)
    after = asyncio.create_task(read(desk))
    await settle()
    assert len(desk.vendor.calls) == 2
    desk.vendor.calls[1].answer(RIGHT)
    assert (await after).entry.body == RIGHT
    desk.vendor.calls[0].answer(WRONG)
    assert (await before).entry.body == RIGHT  # and who asked before it is none the worse
    again = await read(desk)
    assert (again.entry.body, again.via) == (RIGHT, Via.HIT)
    assert len(desk.vendor.calls) == 2


async def test_a_fetch_from_before_a_purge_is_not_kept_even_for_need(desk: Desk, purge: Purge) -> None:
    before = asyncio.create_task(read(desk))
    await settle()
    desk.clock.shift(1.0)
    await purge.forget(None)
    desk.clock.shift(1.0)
    desk.vendor.calls[0].answer(WRONG)
    await before
    desk.vendor.now_answer = lambda _: CircuitOpen(5.0)
    for _ in range(2):  # the second would not even ask
        with pytest.raises(CircuitOpen):
            await read(desk)


async def test_what_is_purged_while_the_vendor_fails_does_not_stand_in(desk: Desk, purge: Purge) -> None:
    desk.vendor.now_answer = lambda _: WRONG
    await read(desk)
    desk.vendor.now_answer = None
    desk.clock.shift(60.0)
    asking = asyncio.create_task(read(desk))
    await settle()
    await purge.forget("AAPL")
    desk.vendor.calls[1].fail(VendorFailed("unreachable"))
    with pytest.raises(VendorFailed):
        await asking


async def test_what_others_were_told_holds_for_what_was_fetched_before_it_only(desk: Desk, purge: Purge) -> None:
    desk.vendor.now_answer = lambda _: WRONG
    await read(desk)
    fetched_at = desk.clock.monotonic()
    assert (await purge.heed({"AAPL": fetched_at - 0.5, "MSFT": fetched_at + 0.5})).entries == 0
    assert (await read(desk)).via is Via.HIT
    many: dict[str | None, float] = {f"T{number}": fetched_at + 1.0 for number in range(30)}
    assert (await purge.heed(many)).entries == 0
    assert (await purge.heed(many | {"AAPL": fetched_at + 1.0})).entries == 1
    assert (await purge.heed({})).entries == 0
    assert desk.memory.entries == 0
    desk.clock.shift(2.0)
    await read(desk)
    assert (await purge.heed({None: desk.clock.monotonic() + 1.0, "MSFT": 0.0})).entries == 1


async def test_what_another_process_fetched_does_not_stand_in_once_it_is_purged(desk: Desk) -> None:
    recalled = Recalled(Reply(200, "application/json", WRONG, desk.clock.monotonic()), LIFETIME, 0.0)
    outdated = Outdated()

    class Others:
        """A fleet that has a stale answer."""

        @asynccontextmanager
        async def seat(self, *_: Any, **__: Any) -> AsyncIterator[Seat]:
            yield Seat(None, recalled, lambda *_, **__: None)

    vendor = VendorSource(desk.vendor, desk.policy, desk.clock)
    source = FleetSource(vendor, Others(), outdated)  # type: ignore[arg-type]
    for purged in (False, True):
        errand = Errand(PREV, desk.clock.monotonic() + 9.0, Priority.INTERACTIVE, False, lambda: None, {})
        asking = asyncio.create_task(source.fetch(errand))
        await settle()
        if purged:
            outdated.purge("AAPL", desk.clock.monotonic() + 1.0)
        desk.vendor.calls[-1].fail(VendorFailed("unreachable"))
        if purged:
            with pytest.raises(VendorFailed):
                await asking
        else:
            assert (await asking).stale


async def test_bars_that_are_purged_while_the_vendor_fails_are_neither_served_nor_told_to_be_none() -> None:
    target = "/v2/aggs/ticker/IBM/range/1/day/2025-10-01/2025-11-20"
    with whole_gateway("2025-11-20T11:00") as whole:
        assert (await whole.browser.get(target)).json()["resultsCount"] > 30
        whole.jump(whole.clock.wall() + 3 * 3_600)
        leaves = asyncio.Event()

        async def fails_late(asked: str, **how: Any) -> Any:
            await leaves.wait()
            raise ExchangeFailed(Fault.UNREACHABLE)

        with mock.patch.object(whole.vendor, "exchange", fails_late):
            asking = asyncio.create_task(whole.browser.get(target))
            await settle()
            await whole.service._news._purge.forget("IBM")
            leaves.set()
            while not asking.done():
                await whole.clock.advance(0.1)
            assert (await asking).status >= 500
        assert (await whole.browser.get(target)).json()["resultsCount"] > 30


async def test_bars_are_asked_for_again_however_often_they_are_purged_while_they_come() -> None:
    target = "/v2/aggs/ticker/IBM/range/1/day/2025-10-01/2025-10-31"
    with whole_gateway("2025-11-20T11:00") as whole:
        exchange, purges = whole.vendor.exchange, 0

        async def purged_meanwhile(asked: str, **how: Any) -> Any:
            nonlocal purges
            answer = await exchange(asked, **how)
            if purges < 5:
                purges += 1
                whole.clock.shift(1.0)
                await whole.service._news._purge.forget("IBM")
            return answer

        with mock.patch.object(whole.vendor, "exchange", purged_meanwhile):
            got = await whole.browser.get(target)
        assert (got.status, got.json()["resultsCount"]) == (200, 23)
        assert len(whole.vendor.calls) == 6


async def test_every_page_of_a_list_and_every_answer_by_another_name_is_purged_at_once() -> None:
    with whole_gateway("2025-11-20T11:00") as whole:
        first = "/v3/reference/dividends?ticker=AAPL&limit=2"
        following = (await whole.browser.get(first)).json()["next_url"].partition("/v3")[2]
        targets = (first, f"/v3{following}", "/vX/reference/tickers/AAPL/events", "/v3/snapshot/options/AAPL?limit=2")
        for target in targets:
            assert (await whole.browser.get(target)).status == 200
        others = len(whole.vendor.calls)
        swept = await whole.service._news._purge.forget("AAPL")
        assert swept.entries == len(targets)
        whole.clock.shift(1.0)
        for target in targets:
            assert (await whole.browser.get(target)).status == 200
        assert len(whole.vendor.calls) == others + len(targets)


async def test_what_is_purged_does_not_come_back_out_of_a_whole_market_day_somebody_fetched_before() -> None:
    """Others may have kept the day; the warmer takes it apart as if it had been fetched when its round began."""
    clock, store, calendar = ManualClock(wall=1_705_000_000.0), SeriesStore(1 << 20), Calendar()
    day, start = date(2024, 1, 3), 1_704_258_000_000
    bar = f'{{"c":1.5,"t":{start}}}'
    rows = ",".join(f'{{"T":"{ticker}","c":1.5,"t":{start + 57_600_000}}}' for ticker in ("SEEN", "META", "OTHER"))
    whole = Reply(200, "application/json", b'{"results":[%b]}' % rows.encode(), clock.monotonic())

    class Kept:
        """A whole-market day as it was."""

        async def fetch(self, _: Errand) -> Brought:
            return Brought(whole, LIFETIME)

    async def make_room() -> None:
        """There is room."""

    policy = Policy(calendar, PolicySettings())
    days = MarketDays(source=Kept(), store=store, make_room=make_room, policy=policy, calendar=calendar, clock=clock)
    witness, span = SeriesKey("SEEN", DAILY, adjusted=True), Span(start, start + 86_400_000)
    page = split_page(b'{"results":[%b]}' % bar.encode(), witness.size)
    store.merge(witness, span, page, [(span, LIFETIME)], clock.monotonic(), clock.monotonic())
    clock.shift(1.0)
    store.refuse_older("META", clock.monotonic())
    clock.shift(1.0)
    errand = Errand(day_request(day), clock.monotonic() + 9.0, Priority.BACKFILL, False, lambda: None, {})
    began = Began(clock.monotonic(), clock.wall())
    assert await days.take(day, ["META", "OTHER"], ["SEEN"], began, errand) is Taken.TAKEN
    assert store.keys_of("OTHER")
    assert not store.keys_of("META")


async def test_a_shelf_that_writes_nothing_and_takes_its_time_about_it_costs_the_operator_a_few_seconds() -> None:
    """A disk another program has locked: whoever types the order must get its answer before his client gives up."""
    desk = make_desk()

    class Locked:
        """Is read at once; a write ends in vain, late."""

        up = True

        def store_ms(self, instant: float) -> int:
            return round(instant * 1000)

        async def purges(self) -> bytes:
            return b""

        async def swap_purges(self, old: bytes, new: bytes) -> None:
            await desk.clock.sleep(1.8)

    purge = Purge(desk.memory, SeriesStore(1 << 20), desk.outdated, desk.clock)
    feed = PurgeFeed(Locked(), purge, Reach.MACHINE, 86_400.0, desk.clock, desk.events)  # type: ignore[arg-type]
    ordered = asyncio.create_task(feed.forget("AAPL"))
    await desk.clock.advance(4.5)
    assert ordered.done()
    assert (await ordered).reach is Reach.CUT_OFF
    assert feed.untold == 1
