"""Moving averages and their kin, computed from the same bars the range route serves.

A value depends on its own bar and a fixed number of bars before it, never on the page or the limit, so every page
agrees with every other. Without a time bound the newest value is the newest bar's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from stock_service.simulator.ask import Ask
from stock_service.simulator.bars_answers import wire_bar
from stock_service.simulator.instruments import Instrument
from stock_service.simulator.prices import FIRST_DAY, Bar
from stock_service.simulator.ranges import Range, bars_of
from stock_service.simulator.sessions import midnight_ms
from stock_service.simulator.windows import Timespan, Window
from stock_service.simulator.world import World, iso_day, known

_MOST_VALUES = 5_000
_MEMORY = 4
"""How many windows back a smoothed average remembers."""

Value = Mapping[str, float]
Formula = Callable[[Sequence[float]], Value]


@dataclass(frozen=True, slots=True)
class _Question:
    """The bars asked for, and which of their prices counts."""

    range: Range
    source: str


def sma(world: World, ask: Ask, ticker: str) -> object:
    """`/v1/indicators/sma/{ticker}`"""
    window = ask.resumed().whole("window", 50, _MOST_VALUES)
    return _answer(world, ask, ticker, window, lambda prices: {"value": sum(prices) / window})


def ema(world: World, ask: Ask, ticker: str) -> object:
    """`/v1/indicators/ema/{ticker}`"""
    window = ask.resumed().whole("window", 50, _MOST_VALUES)
    return _answer(world, ask, ticker, _MEMORY * window, lambda prices: {"value": _smoothed(prices, window)[-1]})


def rsi(world: World, ask: Ask, ticker: str) -> object:
    """`/v1/indicators/rsi/{ticker}`"""
    window = ask.resumed().whole("window", 14, _MOST_VALUES)
    return _answer(world, ask, ticker, _MEMORY * window + 1, lambda prices: {"value": _strength(prices, window)})


def macd(world: World, ask: Ask, ticker: str) -> object:
    """`/v1/indicators/macd/{ticker}`"""
    asked = ask.resumed()
    short, long = asked.whole("short_window", 12, _MOST_VALUES), asked.whole("long_window", 26, _MOST_VALUES)
    signal = asked.whole("signal_window", 9, _MOST_VALUES)

    def formula(prices: Sequence[float]) -> Value:
        fast, slow = _smoothed(prices, short), _smoothed(prices, long)
        gaps = [one - other for one, other in zip(fast, slow, strict=True)][-_MEMORY * signal :]
        value, line = gaps[-1], _smoothed(gaps, signal)[-1]
        return {"value": value, "signal": line, "histogram": value - line}

    return _answer(world, ask, ticker, _MEMORY * (max(short, long) + signal), formula)


def _answer(world: World, ask: Ask, ticker: str, needed: int, formula: Formula) -> object:
    """Values of a formula that looks at `needed` closing prices, the newest of them its own."""
    asked = ask.resumed()
    question = _parse(asked, ticker, ask.now_ms)
    bars = _bars(world, question, needed, ask.now_ms)
    closes = [getattr(bar, question.source) / question.range.instrument.scale for bar in bars]
    ends = [end for end in range(needed, len(bars) + 1) if bars[end - 1].start >= question.range.first_ms]
    if question.range.descending:
        ends.reverse()
    values = [
        {"timestamp": bars[end - 1].start, **formula(closes[end - needed : end])}
        for end in ends[: question.range.limit + 1]
    ]
    underlying: dict[str, object] = {"url": _underlying(ask, question.range, bars)}
    if asked.flag("expand_underlying", default=False):
        underlying["aggregates"] = [wire_bar(bar, question.range.instrument) for bar in bars]
    shown = values[: question.range.limit]
    answer: dict[str, object] = {"status": "OK", "request_id": ask.request_id}
    answer["results"] = {"underlying": underlying, "values": shown}
    if len(values) > len(shown):
        answer["next_url"] = _next(ask, asked, question.range, int(shown[-1]["timestamp"]))
    return answer


def _parse(asked: Ask, ticker: str, now_ms: int) -> _Question:
    instrument = known(ticker)
    span = asked.choice("timespan", "day", *(span for span in Timespan if span is not Timespan.SECOND))
    window = Window(instrument.market, 1, Timespan(span))
    first, last = midnight_ms(instrument.market, FIRST_DAY), now_ms
    for name, text in asked.params.items():
        base, _, test = name.partition(".")
        if base == "timestamp" and text:
            begin, end = _moment(text, instrument)
            first = max(first, {"": begin, "gte": begin, "gt": end + 1}.get(test, first))
            last = min(last, {"": end, "lte": end, "lt": begin - 1}.get(test, last))
    return _Question(
        Range(
            instrument,
            window,
            first,
            last,
            asked.flag("adjusted", default=True),
            asked.choice("order", "desc", "asc", "desc") == "desc",
            asked.whole("limit", 10, _MOST_VALUES),
        ),
        asked.choice("series_type", "close", "open", "high", "low", "close"),
    )


def _bars(world: World, question: _Question, needed: int, now_ms: int) -> list[Bar]:
    """The bars the values stand on, oldest first: those of the range and `needed - 1` before them."""
    asked = question.range
    shown = world.newest_shown(asked.instrument.market, now_ms)
    if asked.descending:
        whole = replace(asked, first_ms=midnight_ms(asked.instrument.market, FIRST_DAY))
        return list(islice(bars_of(world.prices, whole, shown), asked.limit + needed))[::-1]
    oldest = midnight_ms(asked.instrument.market, FIRST_DAY)
    before = replace(asked, first_ms=oldest, last_ms=asked.first_ms - 1, descending=True)
    earlier = list(islice(bars_of(world.prices, before, shown), needed - 1))[::-1]
    missing = needed - 1 - len(earlier)
    return earlier + list(islice(bars_of(world.prices, asked, shown), asked.limit + 1 + missing))


def _underlying(ask: Ask, asked: Range, bars: Sequence[Bar]) -> str:
    first = bars[0].start if bars else asked.first_ms
    last = bars[-1].start if bars else asked.last_ms
    path = f"/v2/aggs/ticker/{asked.instrument.ticker}/range/1/{asked.window.timespan}/{first}/{last}"
    adjusted = str(asked.adjusted).lower()
    return f"{ask.origin}{path}?adjusted={adjusted}&limit=50000&sort={'desc' if asked.descending else 'asc'}"


def _next(ask: Ask, asked: Ask, question: Range, last_ms: int) -> str:
    kept = {name: value for name, value in asked.params.items() if not name.startswith("timestamp")}
    state: dict[str, object] = {"order": "desc" if question.descending else "asc", "limit": question.limit}
    state |= {"timestamp.gte": question.first_ms, "timestamp.lt": last_ms}
    if not question.descending:
        state |= {"timestamp.gte": last_ms + 1, "timestamp.lt": question.last_ms + 1}
    return ask.link(kept | state)


def _moment(text: str, instrument: Instrument) -> tuple[int, int]:
    """First and last millisecond of a date or a millisecond stamp."""
    if text.isascii() and text.isdigit():
        return int(text[:15]), int(text[:15])
    ordinal = iso_day(text, "timestamp")
    return midnight_ms(instrument.market, ordinal), midnight_ms(instrument.market, ordinal + 1) - 1


def _smoothed(prices: Sequence[float], window: int) -> list[float]:
    """The exponential average at each place, begun with the plain average of the first `window` prices."""
    step = 2.0 / (window + 1)
    average = sum(prices[:window]) / min(window, len(prices))
    found = [average] * min(window, len(prices))
    for price in prices[window:]:
        average += step * (price - average)
        found.append(average)
    return found


def _strength(prices: Sequence[float], window: int) -> float:
    """Wilder's relative strength index: 0 to 100, 50 when nothing moved."""
    moves = [after - before for before, after in pairwise(prices)]
    gain = sum(max(0.0, move) for move in moves[:window]) / window
    loss = sum(max(0.0, -move) for move in moves[:window]) / window
    for move in moves[window:]:
        gain += (max(0.0, move) - gain) / window
        loss += (max(0.0, -move) - loss) / window
    return 50.0 if gain + loss == 0.0 else 100.0 * gain / (gain + loss)
