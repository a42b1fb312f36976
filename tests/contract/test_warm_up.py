"""Keeping bars ready, in simulated time against the simulated vendor: what it costs, and that nobody pays for it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from stock_service.base.errors import QuotaSpent
from stock_service.base.events import Faulted, SlotGranted, Warmed
from stock_service.reads.read_path import Via
from stock_service.reads.warm import State
from stock_service.simulator.app import _answer
from stock_service.simulator.ask import Ask
from stock_service.simulator.instruments import DEFAULT_UNIVERSE
from stock_service.simulator.world import Plan
from stock_service.vendor.request import VendorRequest, bars_request
from tests.support.warm_house import VENDOR, House, warm_house

THURSDAY_NIGHT = datetime(2025, 11, 21, 3, tzinfo=UTC).timestamp()  # 22:00 in New York: the session is over
FREE_PLAN = {"quota.calls": 5, "quota.per": "61s"}
STOCKS = [ticker for ticker in DEFAULT_UNIVERSE if ":" not in ticker]
HOUR, DAY = 3_600.0, 86_400.0


def flags(tickers: str, bars: str, **more: Any) -> Mapping[str, Any]:
    return {**FREE_PLAN, "warm.tickers": tickers, "warm.bars": bars, **more}


def results(body: bytes) -> list[bytes]:
    return [json.dumps(bar).encode() for bar in json.loads(body).get("results", [])]


def direct(house: House, request: VendorRequest) -> list[bytes]:
    """What the vendor itself answers, uncounted."""
    path, params = request.target.partition("?")[0], dict(request.params)
    _, payload = _answer(house.vendor.world, Ask(path, params, int(house.clock.wall()) * 1_000, VENDOR))
    return results(payload.body)


def raw_bars(body: bytes) -> bytes:
    """The text of the bars, as it was sent."""
    return body.partition(b'"results":[')[2].partition(b"]")[0]


async def test_what_is_to_be_ready_costs_no_call_when_somebody_asks() -> None:
    async with warm_house(THURSDAY_NIGHT, flags("AAPL,X:BTCUSD", "1/day:1y,1/minute:10d")) as house:
        await house.until_state(State.READY)
        assert len(house.vendor.calls) == 4, "one for each ticker and size"
        asked = [
            bars_request("AAPL", 1, "minute", "2025-11-11", "2025-11-20"),
            bars_request("AAPL", 1, "minute", "2025-11-14", "2025-11-17", sort="desc", limit=100),
            bars_request("AAPL", 1, "day", "2024-11-20", "2025-11-20"),
            bars_request("X:BTCUSD", 1, "day", "2025-01-01", "2025-11-19"),
        ]
        for request in asked:
            answer = await house.read(request)
            assert answer.via is Via.HIT
            assert results(answer.entry.body) == direct(house, request)
        assert len(house.vendor.calls) == 4
        (warmed,) = [event for event in house.events.events if isinstance(event, Warmed)]
        assert (warmed.targets, warmed.calls, warmed.unfilled) == (4, 4, 0)


async def test_long_spans_of_minutes_are_asked_for_in_few_calls() -> None:
    async with warm_house(THURSDAY_NIGHT, flags("AAPL", "1/minute:1y")) as house:
        await house.until_state(State.READY)
        assert len(house.vendor.calls) == 4, "the vendor's largest pages"
        request = bars_request("AAPL", 1, "minute", "2025-01-02", "2025-02-14")
        assert results((await house.read(request)).entry.body) == direct(house, request)
        assert len(house.vendor.calls) == 4


async def test_only_spare_calls_are_used_and_nobody_ever_waits_for_them() -> None:
    """Somebody asks up to four new questions a minute on a plan of five: each is answered at once, for hours."""
    chance = random.Random(7)
    async with warm_house(THURSDAY_NIGHT, flags(",".join(STOCKS[1:]), "1/day:5y")) as house:
        house.warmer._days = None  # type: ignore[assignment]
        asked = 0
        for _ in range(30):
            for _ in range(chance.randint(0, 4)):
                asked += 1
                await house.read(bars_request("AAPL", 1, "day", "2024-01-02", str(1_704_200_000_000 + asked * 10**9)))
            await house.pass_time(61.1)
        waited = [event.waited for event in house.events.events if isinstance(event, SlotGranted)]
        assert set(waited) == {0.0}
        assert house.vendor.most_within(60.0) <= 5
        spare = len(house.vendor.calls) - asked
        assert house.warmer.calls == spare
        assert 0 < spare < 30, "it works in the minutes in which nobody asks"


async def test_without_the_reserve_somebody_would_wait() -> None:
    """The rule above is what does it."""
    greedy = flags(",".join(STOCKS[1:]), "1/day:5y", **{"warm.leave_free": 0, "quota.max_wait": "0"})
    async with warm_house(THURSDAY_NIGHT, greedy) as house:
        house.warmer._days = None  # type: ignore[assignment]
        await house.pass_time(4.0)
        with pytest.raises(QuotaSpent):
            await house.read(bars_request("AAPL", 1, "day", "2024-01-02", "2024-01-31"))


async def test_a_backfill_that_finds_no_room_spoils_nobody_elses_answer() -> None:
    """The same question at the same time: the backfill is refused, the client is not."""
    async with warm_house(THURSDAY_NIGHT, flags("AAPL", "1/day:1y"), warming=False) as house:
        await house.read(bars_request("MSFT", 1, "day", "2024-01-02", "2024-01-31"))
        await house.start()
        await house.pass_time(4.0)
        assert house.warmer.state is State.WAITING
        answer = await house.read(bars_request("AAPL", 1, "day", "2024-11-20", "2025-11-20", sort="desc"))
        assert answer.via is Via.MISS


async def test_each_day_costs_one_call_when_it_ends_and_one_when_it_settles() -> None:
    async with warm_house(THURSDAY_NIGHT, flags("AAPL", "1/minute:30d")) as house:
        await house.until_state(State.READY)
        before = len(house.vendor.calls)
        await house.pass_time(7 * DAY)  # four sessions end and five settle: the next Thursday is Thanksgiving
        asked = [target for _, target in house.vendor.calls[before:]]
        days = [target.split("/")[8:10] for target in asked]
        assert len(asked) == 9, days
        assert house.warmer.snapshot()["through"] == {"stocks": "2025-11-26"}
        assert all(target.count("2025-11-2") == 2 for target in asked), f"new days only: {days}"


async def test_a_restart_goes_on_where_the_kept_bars_end() -> None:
    """Nothing but what is kept says how far it got."""
    tickers = ",".join(STOCKS[:12])
    async with warm_house(THURSDAY_NIGHT, flags(tickers, "5/minute:20d")) as house:
        await house.pass_time(5 * 61.1)
        first = len(house.vendor.calls)
        assert 0 < first < 12
        assert house.warmer.state is State.WAITING
        await house.restart_warming()
        await house.until_state(State.READY)
        assert len(house.vendor.calls) == 12
        assert len({target for _, target in house.vendor.calls}) == 12, "no question was asked twice"


async def test_many_daily_bars_come_out_of_whole_market_days_byte_for_byte() -> None:
    async with warm_house(THURSDAY_NIGHT, flags(",".join(STOCKS), "1/day:10d")) as house:
        await house.until_state(State.READY)
        assert len(STOCKS) == 39
        assert len(house.vendor.calls) == 3 + 8, "three stocks one by one, then the sessions of ten days"
        assert house.warmer.snapshot()["market_days"] == 8
        calls = len(house.vendor.calls)
        for ticker in STOCKS:
            request = bars_request(ticker, 1, "day", "2025-11-11", "2025-11-20")
            answer = await house.read(request)
            path = request.target.partition("?")[0]
            _, payload = _answer(house.vendor.world, Ask(path, {}, int(house.clock.wall()) * 1_000, VENDOR))
            assert raw_bars(answer.entry.body) == raw_bars(payload.body)
        assert len(house.vendor.calls) == calls
        await house.pass_time(24 * HOUR)  # Friday ends, Thursday settled
        assert len(house.vendor.calls) - calls <= 8, "two more days of 39 stocks"


async def test_whole_market_days_that_differ_are_not_used() -> None:
    async with warm_house(THURSDAY_NIGHT, flags(",".join(STOCKS), "1/day:10d"), warming=False) as house:
        house.vendor.mend = lambda target, body: body.replace(b'"n":', b'"n":1') if "grouped" in target else body
        await house.start()
        await house.until_state(State.READY)
        assert house.warmer.snapshot()["market_days"] == 0
        assert len(house.vendor.calls) == 1 + 39
        request = bars_request("XOM", 1, "day", "2025-11-11", "2025-11-20")
        assert results((await house.read(request)).entry.body) == direct(house, request)


async def test_what_the_plan_refuses_is_counted_and_not_asked_again() -> None:
    async with warm_house(THURSDAY_NIGHT, flags("AAPL,MSFT", "1/day:5y"), plan=Plan.BASIC) as house:
        await house.until_state(State.READY)
        shown = house.warmer.snapshot()
        assert (shown["refused"], shown["last_refusal"], shown["left"]) == (2, 403, 0)
        calls = len(house.vendor.calls)
        await house.pass_time(8 * HOUR)
        assert len(house.vendor.calls) == calls


async def test_a_vendor_that_is_away_is_waited_for() -> None:
    async with warm_house(THURSDAY_NIGHT, flags("AAPL", "1/day:1y,1/minute:10d"), warming=False) as house:
        house.vendor.away = True
        await house.start()
        await house.pass_time(10.0)
        assert house.warmer.state is State.AWAY
        house.vendor.away = False
        await house.until_state(State.READY)
        assert house.warmer.left == 0


async def test_a_cache_that_is_too_small_ends_it_instead_of_spending_for_ever() -> None:
    small = flags("AAPL,MSFT,NVDA,TSLA", "1/minute:6mo", **{"cache.max_bytes": "2MiB"})
    async with warm_house(THURSDAY_NIGHT, small) as house:
        await house.until_state(State.FULL)
        spent = len(house.vendor.calls)
        assert spent < 20
        await house.pass_time(3 * HOUR)
        assert len(house.vendor.calls) == spent
        await house.pass_time(24 * HOUR)
        assert len(house.vendor.calls) - spent <= 3 * 4, "of a new day, only the new day"


async def test_shutdown_ends_it() -> None:
    async with warm_house(THURSDAY_NIGHT, flags(",".join(STOCKS), "5/minute:20d")) as house:
        await house.pass_time(200.0)
        house.service.quiet()
        calls = len(house.vendor.calls)
        await house.pass_time(HOUR)
        assert len(house.vendor.calls) == calls


async def test_a_fault_in_one_round_is_reported_and_does_not_end_the_next() -> None:
    async with warm_house(THURSDAY_NIGHT, flags("AAPL", "1/day:1y"), warming=False) as house:

        def broken(_: str, body: bytes) -> bytes:
            raise RuntimeError("a bug")

        house.vendor.mend = broken
        await house.start()
        await house.pass_time(30.0)
        assert [event.where for event in house.events.events if isinstance(event, Faulted)] == ["warm"]
        house.vendor.mend = lambda _, body: body
        await house.pass_time(24 * HOUR)
        assert house.warmer.state is State.READY


async def test_nothing_is_warmed_unless_asked_for() -> None:
    async with warm_house(THURSDAY_NIGHT, FREE_PLAN, warming=False) as house:
        assert house.service._warmer is None
