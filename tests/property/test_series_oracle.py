"""The union of our pages is the vendor's direct answer, whatever was asked before and in whatever order.

The vendor here is a list of bars and one sentence: an answer holds every bar that overlaps the asked time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_service.cache.bar_lifetimes import judge_parts
from stock_service.cache.bar_questions import BarsQuestion, SeriesKey, ask_for, envelope, question_of
from stock_service.cache.chunks import split_page
from stock_service.cache.policy import Policy, PolicySettings
from stock_service.cache.ranges import Span
from stock_service.cache.series import Gaps, Merged, Ready, Slice, answered_span
from stock_service.cache.series_store import SeriesStore
from stock_service.cache.sizes import BarSize
from stock_service.market.calendar import Calendar
from stock_service.market.markets import Market, market_of
from stock_service.vendor.request import VendorRequest, parse_request

CALENDAR = Calendar()
POLICY = Policy(CALENDAR, PolicySettings())
FIRST, LAST = date(2025, 10, 27), date(2025, 11, 9)  # the clocks go back on 2 November
SIZES = [(1, "minute"), (5, "minute"), (30, "second"), (1, "hour"), (4, "hour"), (1, "day"), (1, "week"), (1, "month")]
ZONES = {
    Market.STOCKS: ZoneInfo("America/New_York"),
    Market.CRYPTO: ZoneInfo("UTC"),
    Market.FX: ZoneInfo("UTC"),
}
ORIGIN = "https://api.vendor.example"


def midnight(day: date, market: Market) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONES[market]).timestamp() * 1_000)


@cache
def bars_of(ticker: str, multiplier: int, timespan: str) -> list[tuple[int, int, bytes]]:
    """Return beginning, end and text of the vendor's bars."""
    chance = random.Random(f"{ticker} {multiplier} {timespan}")
    keep = {"second": 0.02, "minute": 0.05}.get(timespan, 0.8)
    return [
        (
            start,
            end,
            b'{"v":%d,"c":%.2f,"t":%d,"n":%d}' % (chance.randrange(9_999), chance.random() * 99, start, end % 97),
        )
        for start, end in grid(market_of(ticker), multiplier, timespan)
        if chance.random() < keep
    ]


def grid(market: Market, multiplier: int, timespan: str) -> Iterator[tuple[int, int]]:
    unit = {"second": 1_000, "minute": 60_000, "hour": 3_600_000}.get(timespan)
    if unit is None:
        starts = [midnight(day, market) for day in calendar_starts(timespan)]
        yield from pairwise(starts)
        return
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=offset)
        start, stop = midnight(day, market), midnight(day + timedelta(days=1), market)
        for at in range(start, stop, unit * multiplier):
            yield at, min(at + unit * multiplier, stop)


def calendar_starts(timespan: str) -> list[date]:
    days = [date(2024, 1, 1) + timedelta(days=offset) for offset in range(900)]
    if timespan == "week":
        return [day for day in days if day.weekday() == 6]
    return [day for day in days if timespan == "day" or day.day == 1]


@dataclass
class Vendor:
    """Answers from its list; notes what it was asked."""

    page_max: int = 50_000
    asked: list[VendorRequest] = field(default_factory=list)

    def direct(self, request: VendorRequest) -> list[bytes]:
        path = request.path_params
        market = market_of(path["ticker"])
        low = int(path["from"]) if path["from"].isdecimal() else midnight(date.fromisoformat(path["from"]), market)
        if path["to"].isdecimal():
            high = int(path["to"])
        else:
            high = midnight(date.fromisoformat(path["to"]) + timedelta(days=1), market) - 1
        every = bars_of(path["ticker"], int(path["multiplier"]), path["timespan"])
        found = [text for start, end, text in every if start <= high and end > low]
        return found[::-1] if request.param("sort") == "desc" else found

    def answer(self, request: VendorRequest) -> bytes:
        self.asked.append(request)
        found = self.direct(request)
        more = b',"next_url":"x"' if len(found) > self.page_max else b""
        return b'{"ticker":"X","results":[%b],"status":"OK"%b}' % (b",".join(found[: self.page_max]), more)


@dataclass
class Gateway:
    """The driver in its shortest form: plan, ask for the first gap, merge, plan again."""

    vendor: Vendor
    store: SeriesStore = field(default_factory=lambda: SeriesStore(10**8))
    now: float = 1_000.0
    wall: float = 1_780_000_000.0  # long after the last bar: everything is settled

    def body(self, request: VendorRequest) -> bytes:
        question = question_of(request)
        assert question is not None
        for _ in range(5_000):
            planned = self.store.plan(question, self.now)
            if not isinstance(planned, Gaps):
                return b"".join(envelope(question, self.store.slice(question), "id", ORIGIN))
            self.fill(question, planned.spans[0])
        raise AssertionError("the gaps never close")

    def fill(self, question: BarsQuestion, span: Span) -> None:
        self.now += 1
        key = question.key
        request = ask_for(key, span, descending=question.descending)
        page = split_page(self.vendor.answer(request), key.size, descending=question.descending)
        answered = answered_span(span, page, question.descending)
        parts = judge_parts(POLICY, CALENDAR, key.market, key.size, answered, self.wall, nothing=page.count == 0)
        self.store.merge(key, answered, page, parts, self.now, self.now)

    def all_pages(self, request: VendorRequest) -> list[object]:
        bars: list[object] = []
        for _ in range(5_000):
            page = json.loads(self.body(request))
            assert page["resultsCount"] == page["count"] == page["queryCount"] == len(page.get("results", []))
            assert page["ticker"] == request.path_params["ticker"]
            bars += page.get("results", [])
            if "next_url" not in page:
                return bars
            assert page["results"]
            path, _, query = page["next_url"].removeprefix(ORIGIN).partition("?")
            request = parse_request(path, query)
        raise AssertionError("the pages never end")


def instants(draw_from: st.SearchStrategy[date]) -> st.SearchStrategy[str]:
    moments = st.integers(midnight(FIRST, Market.STOCKS) - 10**8, midnight(LAST, Market.STOCKS) + 2 * 10**8)
    return draw_from.map(date.isoformat) | moments.map(str) | moments.map(lambda at: str(at // 60_000 * 60_000))


ENDS = instants(st.dates(FIRST - timedelta(days=40), LAST + timedelta(days=40)))
QUESTIONS = st.tuples(ENDS, ENDS, st.sampled_from(["asc", "desc"]), st.sampled_from([1, 7, 100]))


@given(
    ticker=st.sampled_from(["AAPL", "X:BTCUSD", "C:EURUSD"]),
    size=st.sampled_from(SIZES),
    questions=st.lists(QUESTIONS, min_size=1, max_size=5),
    share=st.sampled_from([8, 3, 1]),
)
@settings(max_examples=60)
def test_pages_together_are_the_direct_answer(
    ticker: str, size: tuple[int, str], questions: list[tuple[str, str, str, int]], share: int
) -> None:
    vendor = Vendor(page_max=max(3, len(bars_of(ticker, *size)) // share))
    gateway = Gateway(vendor)
    for first, last, order, bars_a_page in questions:
        low, high = sorted((first, last), key=lambda text: ticker_time(text, ticker))
        path = f"/v2/aggs/ticker/{ticker}/range/{size[0]}/{size[1]}/{low}/{high}"
        direct = vendor.direct(parse_request(path, f"sort={order}"))
        limit = max(bars_a_page, len(direct) // 12) * BarSize(*size).base_bars
        request = parse_request(path, f"sort={order}&limit={min(limit, 50_000)}")
        assert gateway.all_pages(request) == [json.loads(bar) for bar in direct]


def ticker_time(text: str, ticker: str) -> int:
    return int(text) if text.isdecimal() else midnight(date.fromisoformat(text), market_of(ticker))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_known_range_costs_no_call_and_an_overlap_only_its_gap(order: str) -> None:
    vendor = Vendor()
    gateway = Gateway(vendor)
    path = "/v2/aggs/ticker/AAPL/range/1/minute"
    gateway.all_pages(parse_request(f"{path}/2025-10-28/2025-10-30", f"sort={order}&limit=50000"))
    gateway.all_pages(parse_request(f"{path}/2025-10-29/2025-10-29", f"sort={order}&limit=200"))
    assert len(vendor.asked) == 1
    gateway.all_pages(parse_request(f"{path}/2025-10-27/2025-10-31", f"sort={order}&limit=50000"))
    asked = [(request.path_params["from"], request.path_params["to"]) for request in vendor.asked[1:]]
    assert sorted(asked) == [("2025-10-27", "2025-10-27"), ("2025-10-31", "2025-10-31")]


def test_only_the_tail_is_asked_for_again() -> None:
    """At noon the past is history while the running day is asked for each minute."""
    vendor = Vendor()
    gateway = Gateway(vendor, wall=datetime(2025, 11, 6, 12, 0, tzinfo=ZONES[Market.STOCKS]).timestamp())
    request = parse_request("/v2/aggs/ticker/AAPL/range/1/minute/2025-10-27/2025-11-06", "limit=50000")
    gateway.all_pages(request)
    gateway.now += 500
    gateway.all_pages(request)
    assert len(vendor.asked) == 2
    assert vendor.asked[1].path_params["from"] == "2025-11-06"


def test_a_small_page_at_the_end_of_a_long_range_is_asked_for_from_the_end() -> None:
    vendor = Vendor(page_max=100)
    gateway = Gateway(vendor)
    gateway.body(parse_request("/v2/aggs/ticker/AAPL/range/1/minute/2025-10-27/2025-11-09", "sort=desc&limit=10"))
    assert len(vendor.asked) == 1
    assert vendor.asked[0].param("sort") == "desc"


@pytest.mark.parametrize("outdated", [False, True])
def test_a_series_given_up_takes_no_page_whose_fetch_began_before(outdated: bool) -> None:
    vendor = Vendor()
    gateway = Gateway(vendor)
    request = parse_request("/v2/aggs/ticker/AAPL/range/1/day/2025-10-27/2025-11-06", "")
    gateway.all_pages(request)
    raw = parse_request("/v2/aggs/ticker/AAPL/range/1/day/2025-10-27/2025-11-06", "adjusted=false")
    gateway.all_pages(raw)
    question = question_of(request)
    assert question is not None
    given_up = gateway.store.outdate if outdated else gateway.store.forget
    given_up(question.key, gateway.now + 10)
    gateway.all_pages(raw)
    assert len(vendor.asked) == 2
    gateway.fill(question, question.span)  # began nine seconds before
    gateway.now += 9
    planned = gateway.store.plan(question, gateway.now)
    assert isinstance(planned, Gaps)
    assert (planned.fallback is not None) is outdated
    gateway.all_pages(request)
    assert len(vendor.asked) == 4


def test_an_outdated_series_serves_in_need_and_goes_as_a_whole_with_the_next_page() -> None:
    """A bar at the old scale beside one at the new would look like a crash."""
    vendor = Vendor()
    gateway = Gateway(vendor)
    request = parse_request("/v2/aggs/ticker/AAPL/range/1/minute/2025-10-27/2025-11-06", "limit=50000")
    bars = gateway.all_pages(request)
    question = question_of(request)
    assert question is not None
    gateway.store.outdate(question.key, gateway.now)
    planned = gateway.store.plan(question, gateway.now)
    assert isinstance(planned, Gaps)
    assert planned.spans == (question.span,)
    assert planned.fallback is not None
    assert b"".join(gateway.store.slice(question).pieces)
    day = question_of(parse_request("/v2/aggs/ticker/AAPL/range/1/minute/2025-10-28/2025-10-28", "limit=50000"))
    assert day is not None
    gateway.fill(day, day.span)
    planned = gateway.store.plan(question, gateway.now)
    assert isinstance(planned, Gaps)
    assert planned.fallback is None
    assert gateway.store.slice(question).count == gateway.store.slice(day).count
    assert gateway.store.weight_bytes < 20 * len(bars) * 10
    assert gateway.all_pages(request) == bars


def test_a_question_that_can_hold_no_bar_costs_no_call() -> None:
    key = SeriesKey("AAPL", BarSize(1, "day"), adjusted=True)
    store = SeriesStore(10**6)
    question = BarsQuestion(key, Span(5, 5), "5", "5")
    assert store.plan(question, 1.0) == Ready((), 1.0, 1.0, 1.0)
    assert store.slice(question) == Slice([], 0, None)


def test_a_page_without_bars_that_is_not_the_last_speaks_for_nothing() -> None:
    page = split_page(b'{"results":[],"next_url":"x"}', BarSize(1, "day"))
    assert answered_span(Span(3, 9), page, descending=False) == Span(3, 3)
    store = SeriesStore(10**6)
    key = SeriesKey("AAPL", BarSize(1, "day"), adjusted=True)
    assert store.merge(key, Span(3, 3), page, [], 1.0, 1.0) is Merged.OLDER
    assert len(store) == 0


def test_only_so_many_forgotten_tickers_are_remembered() -> None:
    """The vendor lists a few splits a day; an operator may purge thousands of tickers."""
    store = SeriesStore(10**6)
    for number in range(10_050):
        store.refuse_older(f"T{number}", 1.0)
    assert len(store._forgotten) == 10_000


def test_the_store_stays_within_its_bytes_and_forgets_what_it_gave_up() -> None:
    vendor = Vendor()
    gateway = Gateway(vendor, SeriesStore(12_000))
    for _ in range(3):
        for ticker in ("AAPL", "MSFT", "IBM", "X:BTCUSD"):
            path = f"/v2/aggs/ticker/{ticker}/range/1/minute/2025-10-28/2025-10-29"
            assert gateway.all_pages(parse_request(path, "limit=50000"))
            assert gateway.store.weight_bytes <= 12_000
    assert gateway.store.evictions > 0
    assert len(vendor.asked) > 4


def test_packed_chunks_weigh_a_third_and_answer_the_same() -> None:
    gateway = Gateway(Vendor())
    request = parse_request("/v2/aggs/ticker/X:BTCUSD/range/30/second/2025-10-28/2025-10-29", "limit=50000")
    bars, heavy = gateway.all_pages(request), gateway.store.weight_bytes
    packed = gateway.store.pack_oldest(1_000)
    assert packed > 40
    assert gateway.store.pack_oldest(1_000) == 0
    light = gateway.store.weight_bytes
    assert light < heavy
    question = question_of(request)
    assert question is not None
    assert not isinstance(gateway.store.plan(question, gateway.now), Gaps)
    assert gateway.store.weight_bytes == light  # whole chunks are counted without opening them
    assert gateway.all_pages(request) == bars
    assert gateway.store.weight_bytes == heavy
    assert len(gateway.vendor.asked) == 1


def test_opening_packed_chunks_stays_within_the_bytes() -> None:
    gateway = Gateway(Vendor(), SeriesStore(30_000))
    path = "/v2/aggs/ticker/AAPL/range/1/minute"
    days = [parse_request(f"{path}/2025-10-{day}/2025-10-{day}", "limit=50000") for day in (27, 28, 29, 30, 31)]
    for request in days:
        gateway.all_pages(request)
        gateway.store.pack_oldest(100)
    for request in days * 2:
        gateway.all_pages(request)
        assert gateway.store.weight_bytes <= 30_000


def test_a_crowd_of_unknown_tickers_is_bounded_too() -> None:
    store = SeriesStore(50_000)
    gateway = Gateway(Vendor(), store)
    for number in range(200):
        key = SeriesKey(f"NOPE{number}", BarSize(1, "day"), adjusted=True)
        question = BarsQuestion(key, Span(0, 1), "0", "0")
        page = split_page(b'{"resultsCount":0}', key.size)
        parts = judge_parts(POLICY, CALENDAR, Market.STOCKS, key.size, question.span, gateway.wall, nothing=True)
        store.merge(key, question.span, page, parts, 1.0, 1.0)
    assert store.weight_bytes <= 50_000
    assert 0 < len(store) < 200
