"""Splits and closures through the whole gateway: what was right yesterday is asked for anew, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any
from unittest import mock

import pytest

from stock_service.base.events import RefreshFailed, Rescaled
from stock_service.simulator.splits import Split
from stock_service.upstream.client import Exchange
from tests.support.clock import settle
from tests.support.whole import Whole, new_york, whole_gateway

BARS = "/v2/aggs/ticker/{}/range/1/day/2025-10-01/2025-11-14"
SPLITS = "/v3/reference/splits"
# Netflix really split 10:1 on Monday, 17 November 2025.
FRIDAY, SUNDAY, MONDAY = "2025-11-14T21:00", "2025-11-16T19:59", "2025-11-17T04:00"


async def ask(whole: Whole, target: str) -> tuple[object, str]:
    got = await whole.browser.get(target)
    assert got.status == 200, got.body
    return got.json().get("results"), got.headers["cache-status"]


def direct(whole: Whole, target: str) -> object:
    return json.loads(whole.vendor.direct(target)[1]).get("results")


def calls(whole: Whole, prefix: str) -> int:
    return sum(target.startswith(prefix) for _, target in whole.vendor.calls)


@pytest.mark.parametrize(
    "target",
    [
        BARS.format("NFLX"),
        BARS.format("NFLX") + "?limit=10",
        "/v2/aggs/ticker/NFLX/range/5/minute/2025-11-12/2025-11-13",
        "/v2/aggs/ticker/NFLX/prev",
        "/v1/open-close/NFLX/2025-11-13",
        "/v1/indicators/sma/NFLX?timestamp.lte=2025-11-12",
        "/v2/aggs/grouped/locale/us/market/stocks/2025-11-12",
    ],
)
async def test_adjusted_prices_turn_overnight_with_the_split(target: str) -> None:
    with whole_gateway(FRIDAY) as whole:
        before, _ = await ask(whole, target)
        await whole.service.look_at_market()
        whole.jump(new_york(SUNDAY))
        await whole.service.look_at_market()
        await whole.turn(new_york(MONDAY) - new_york(SUNDAY))
        after, status = await ask(whole, target)
        assert "fwd=uri-miss" in status
        got = await whole.browser.get(target)
        assert got.json() == (await whole.browser.get(target)).json()
    assert after != before or "open-close" in target


async def test_what_no_split_changes_stays_kept() -> None:
    settled = "/v2/aggs/ticker/{}/range/1/day/2025-10-01/2025-11-13"
    kept = [
        settled.format("AAPL"),
        settled.format("NFLX") + "?adjusted=false",
        "/v2/aggs/ticker/X:BTCUSD/range/1/day/2025-10-01/2025-11-10",
    ]
    with whole_gateway(FRIDAY) as whole:
        answers = [await ask(whole, target) for target in kept]
        await whole.service.look_at_market()
        whole.jump(new_york(MONDAY))
        await whole.service.look_at_market()
        before = calls(whole, "/v2/aggs")
        again = [await ask(whole, target) for target in kept]
        assert [bars for bars, _ in again] == [bars for bars, _ in answers]
        assert calls(whole, "/v2/aggs") == before


async def test_the_list_is_asked_for_once_a_day_and_not_for_an_empty_cache() -> None:
    with whole_gateway("2026-03-02T10:00") as whole:
        await whole.turn(3_600)
        assert whole.vendor.calls == []
        await ask(whole, "/v2/aggs/ticker/IBM/prev")
        await whole.turn(3 * 86_400)
        assert calls(whole, SPLITS) == 4  # at once, then in each of three nights
        assert calls(whole, "/v1/marketstatus/upcoming") == 4


async def test_a_split_listed_late_or_withdrawn_is_heeded_the_next_day() -> None:
    """Not announced, found out about a week later, and taken back again."""
    target = BARS.format("IBM")
    with whole_gateway("2025-11-20T10:00") as whole:
        true, _ = await ask(whole, target)
        await whole.service.look_at_market()
        whole.listed_late["IBM"] = (Split("IBM", date(2025, 11, 13), 1, 4),)
        assert (await ask(whole, target))[0] == true
        await whole.turn(86_400)
        late, _ = await ask(whole, target)
        assert late == direct(whole, target) != true
        whole.listed_late.clear()
        await whole.turn(86_400)
        assert (await ask(whole, target))[0] == true
        assert whole.events.count(Rescaled) >= 2


@pytest.mark.parametrize("target", [BARS.format("IBM"), "/v2/aggs/ticker/IBM/prev"])
@pytest.mark.parametrize("named", ["IBM", None])
async def test_what_was_under_way_when_a_ticker_or_all_was_purged_is_not_kept(target: str, named: str | None) -> None:
    with whole_gateway("2025-11-20T10:00") as whole:
        exchange, old = whole.vendor.exchange, direct(whole, target)
        leaves = asyncio.Event()

        async def answers_late(asked: str, **how: Any) -> Exchange:
            answer = await exchange(asked, **how)
            await leaves.wait()
            return answer

        with mock.patch.object(whole.vendor, "exchange", answers_late):
            first = asyncio.create_task(ask(whole, target))
            await settle()
            for back in range(1, 40):  # the mistake for the sake of which somebody purges
                whole.vendor.correct("IBM", date(2025, 11, 20).toordinal() - back)
            whole.jump(whole.clock.wall() + 1)
            await whole.service._news._purge.forget(named)
            whole.jump(whole.clock.wall() + 1)
            leaves.set()
            await first
        assert (await ask(whole, target))[0] == direct(whole, target) != old
        assert calls(whole, target) == 2


async def test_where_the_vendor_has_retired_one_list_the_other_is_asked() -> None:
    with whole_gateway("2025-11-20T10:00") as whole:
        exchange = whole.vendor.exchange

        async def without_the_first(target: str, **how: Any) -> Exchange:
            answer = await exchange(target, **how)
            return Exchange(404, "text/plain", b"404 page not found", "") if target.startswith(SPLITS) else answer

        with mock.patch.object(whole.vendor, "exchange", without_the_first):
            await ask(whole, BARS.format("IBM"))
            await whole.service.look_at_market()
        assert (calls(whole, SPLITS), calls(whole, "/stocks/v1/splits")) == (1, 1)
        assert whole.service._news.snapshot()["tickers_with_splits"] > 0
        assert whole.events.count(RefreshFailed) == 0


async def test_prices_at_the_old_scale_stand_in_while_the_vendor_is_down_and_say_so() -> None:
    target = BARS.format("NFLX")
    with whole_gateway(FRIDAY) as whole:
        before, _ = await ask(whole, target)
        await whole.service.look_at_market()
        whole.jump(new_york(MONDAY))
        whole.vendor.down = True
        await whole.service.look_at_market()
        bars, status = await ask(whole, target)
        assert bars == before
        assert "fwd=stale" in status
        whole.vendor.down = False
        await whole.turn(120)
        assert (await ask(whole, target))[0] == direct(whole, target) != before


async def test_a_list_that_cannot_be_had_is_asked_for_again_and_said() -> None:
    with whole_gateway("2026-03-02T10:00") as whole:
        await ask(whole, "/v2/aggs/ticker/IBM/prev")
        whole.vendor.down = True
        await whole.service.look_at_market()
        assert whole.events.count(RefreshFailed) == 1
        failed = calls(whole, SPLITS)
        await whole.turn(540)
        assert calls(whole, SPLITS) == failed
        whole.vendor.down = False
        await whole.turn(60)
        assert calls(whole, SPLITS) == failed + 1


async def test_an_announced_closure_closes_the_market() -> None:
    with whole_gateway("2026-03-02T10:00") as whole:
        assert (await whole.browser.get("/api/market")).json()["markets"]["stocks"]["phase"] == "regular"
        await ask(whole, "/v2/aggs/ticker/IBM/prev")
        body = b'[{"exchange":"NYSE","date":"2026-03-03","status":"closed","name":"Day of Mourning"}]'
        told = whole.vendor.direct
        whole.vendor.direct = lambda target, wall=None: (  # type: ignore[method-assign]
            (200, body, "application/json") if "upcoming" in target else told(target, wall)
        )
        await whole.service.look_at_market()
        whole.jump(new_york("2026-03-03T12:00"))
        assert (await whole.browser.get("/api/market")).json()["markets"]["stocks"]["phase"] == "closed"
