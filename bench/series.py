"""Bars kept as series: what a range, a new day, a page and each form of an answer cost, and what a bar weighs.

200,000 minute bars of one ticker are stored, as a script has them after two years. Best of several runs: the machine
is never quieter than nothing else running. Goals are those the design was chosen for.
"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stock_service.cache.bar_questions import BarsQuestion, envelope, question_of
from stock_service.cache.chunks import split_page
from stock_service.cache.freshness import Lifetime
from stock_service.cache.series_store import SeriesStore
from stock_service.vendor.payloads import decode_bars
from stock_service.vendor.request import parse_request
from stock_service.web.bar_formats import BarsAnswer, make_writer

_DAYS, _A_DAY, _PAGE = 513, 390, 50_000
_FIRST = date(2024, 1, 2)
_FOR_WEEKS = Lifetime(30 * 86_400.0, 30 * 86_400.0, 365 * 86_400.0)
_ORIGIN = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Figure:
    """One measured number, and what it must stay under."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def verdict(self) -> str:
        """What is printed behind it."""
        if self.goal is None:
            return ""
        return f"  goal {self.goal:g}{'' if self.value < self.goal else ', MISSED'}"


def run() -> dict[str, Any]:
    """Measure and print."""
    bars = _make_bars()
    figures = [*_weights(bars), *_times(bars)]
    count = len(bars) - _A_DAY
    print(f"\nbars as series: {count:,} minute bars of one ticker stored, some {len(bars[0])} bytes of text each")
    for figure in figures:
        print(f"  {figure.name:50} {figure.value:9.3f} {figure.unit:3}{figure.verdict}")
    return {figure.name: figure.value for figure in figures}


def _make_bars() -> list[bytes]:
    """Return minute bars of trading days as the vendor writes them."""
    chance, price, day = random.Random(1), 190.0, _FIRST
    bars: list[bytes] = []
    while len(bars) < _DAYS * _A_DAY:
        if day.weekday() < 5:
            opens = int(datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC).timestamp() * 1_000)
            for minute in range(_A_DAY):
                price = max(1.0, price + chance.gauss(0, 0.05))
                low, high = price - chance.random() / 5, price + chance.random() / 5
                bars.append(
                    b'{"v":%d,"vw":%.4f,"o":%.2f,"c":%.2f,"h":%.2f,"l":%.2f,"t":%d,"n":%d}'
                    % (
                        chance.randrange(9_000, 400_000),
                        price,
                        price,
                        (low + high) / 2,
                        high,
                        low,
                        opens + minute * 60_000,
                        chance.randrange(90, 4_000),
                    )
                )
        day += timedelta(days=1)
    return bars


def _page(bars: list[bytes]) -> bytes:
    return b'{"ticker":"AAPL","results":[%b],"status":"OK"}' % b",".join(bars)


def _question(first: str, last: str) -> BarsQuestion:
    question = question_of(parse_request(f"/v2/aggs/ticker/AAPL/range/1/minute/{first}/{last}", "limit=50000"))
    assert question is not None
    return question


def _merge(store: SeriesStore, question: BarsQuestion, body: bytes, now: float) -> None:
    page = split_page(body, question.key.size)
    store.merge(question.key, question.span, page, [(question.span, _FOR_WEEKS)], now, now)


def _filled(bars: list[bytes]) -> SeriesStore:
    store = SeriesStore(1 << 30)
    kept = bars[:-_A_DAY]
    for low in range(0, len(kept), _PAGE):
        part = kept[low : low + _PAGE]
        _merge(store, _between(part), _page(part), 1.0)
    return store


def _between(part: list[bytes]) -> BarsQuestion:
    return _question(str(_time_of(part[0])), str(_time_of(part[-1])))


def _time_of(bar: bytes) -> int:
    return int(bar.split(b'"t":')[1].split(b",")[0])


def _weights(bars: list[bytes]) -> list[Figure]:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    store = _filled(bars)
    count = len(bars) - _A_DAY
    hot, counted = tracemalloc.get_traced_memory()[0] - before, store.weight_bytes
    while store.pack_oldest(64):
        pass
    cold = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return [
        Figure("bytes a bar, allocated", hot / count, "B", 110),
        Figure("bytes a bar, as the cache counts them", counted / count, "B", 110),
        Figure("bytes a bar packed, allocated", cold / count, "B", 50),
        Figure("bytes a bar packed, as the cache counts them", store.weight_bytes / count, "B", 50),
    ]


def _times(bars: list[bytes]) -> list[Figure]:
    store = _filled(bars)
    middle = len(bars) // 2 // _A_DAY * _A_DAY
    day, across = bars[middle : middle + _A_DAY], bars[middle + 100 : middle + 100 + _A_DAY]
    page, last = bars[middle : middle + _PAGE], bars[-_A_DAY:]
    body, new_day = _page(page), _page(last)
    decoded = decode_bars(body).results
    gc.collect()
    gc.freeze()  # as the service does once it has started
    few, two, many, newest = (_between(each) for each in (day, across, page, last))
    figures = [
        Figure("390 bars as JSON, a day", _best(lambda: _answer(store, few), 300), "ms", 0.1),
        Figure("390 bars as JSON, across two days", _best(lambda: _answer(store, two), 300), "ms", 0.1),
        Figure("50,000 bars as JSON", _best(lambda: _answer(store, many), 40), "ms", 2),
        Figure("merge of a new day, its page split", _best(lambda: _merge(store, newest, new_day, 2.0), 40), "ms", 1),
        Figure("split of a 50,000-bar page, in a thread", _best(lambda: split_page(body, many.key.size), 12), "ms", 30),
    ]
    for form in ("csv", "arrow"):
        cost = _best(lambda form=form: _written(form, decoded), 6)  # type: ignore[misc]
        figures.append(Figure(f"50,000 bars as {form}", cost, "ms", 60))
    figures.append(Figure("decoding them first", _best(lambda: decode_bars(body), 6), "ms"))
    return figures


def _answer(store: SeriesStore, question: BarsQuestion) -> bytes:
    store.plan(question, 3.0)
    return b"".join(envelope(question, store.slice(question), "id", _ORIGIN))


def _written(form: str, bars: list[Any]) -> bytes:
    writer = make_writer(form)
    writer.add(bars)
    return writer.finish(BarsAnswer("AAPL", "1m", True, len(bars), 0, False, []))


def _best(work: Callable[[], object], times: int) -> float:
    """Return the milliseconds of the quickest of so many runs."""
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best * 1_000
