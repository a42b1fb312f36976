"""Answers made of bars: ranges, previous close, whole market, open and close of a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from stock_service.simulator.ask import Ask, bad_parameter, not_found
from stock_service.simulator.instruments import Instrument, instrument_of
from stock_service.simulator.prices import Bar
from stock_service.simulator.ranges import Range, day_bar, page_of
from stock_service.simulator.sessions import Market, midnight_ms, ordinal_at
from stock_service.simulator.ticks import Tick, ticks_of_second
from stock_service.simulator.windows import DAY_MS, Timespan, Window
from stock_service.simulator.world import World, iso_day, known

_MOST_BARS = 50_000
_MOST_MULTIPLIER = 10_000
_LAST_MS = midnight_ms(Market.STOCKS, date(2200, 1, 1).toordinal())


class WireBar(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A bar as the vendor spells it. Indices have neither volume nor trades."""

    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    t: int
    v: float | int | None = None
    vw: float | None = None
    n: int | None = None
    T: str | None = None


def wire_bar(bar: Bar, instrument: Instrument, start: int | None = None, ticker: str | None = None) -> WireBar:
    """`bar` in the vendor's spelling, at another time or with its ticker when given."""
    scale = instrument.scale
    prices = (bar.open / scale, bar.close / scale, bar.high / scale, bar.low / scale)
    at = bar.start if start is None else start
    if instrument.market is Market.INDICES:
        return WireBar(*prices, at, T=ticker)
    return WireBar(*prices, at, amount(bar.volume, instrument.lot), bar.mean / scale, bar.trades, ticker)


def bars_as_csv(answer: object) -> bytes | None:
    """The rows of an answer made of bars as the vendor's table, columns in alphabetical order; None for any other."""
    rows = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], WireBar):
        return None
    members = [sorted(msgspec.to_builtins(row).items()) for row in rows]
    lines = [[name for name, _ in members[0]], *([str(value) for _, value in row] for row in members)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def amount(volume: int, lot: int) -> float | int:
    """A volume in shares or coins: whole when it is whole."""
    return volume // lot if volume % lot == 0 else volume / lot


def bars_in_range(world: World, ask: Ask, ticker: str, multiplier: str, timespan: str, first: str, last: str) -> object:
    """`/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}`"""
    asked = ask.resumed()
    limit = asked.whole("limit", 5_000, _MOST_BARS)
    descending = asked.choice("sort", "asc", "asc", "desc") == "desc"
    adjusted = asked.flag("adjusted", default=True)
    instrument = instrument_of(ticker)
    window = _window(multiplier, timespan, Market.STOCKS if instrument is None else instrument.market)
    first_ms = window.start_ms(_instant(first, "from", window.market, end=False))
    last_ms = window.end_ms(_instant(last, "to", window.market, end=True))
    if first_ms > last_ms:
        raise bad_parameter("The parameter 'to' cannot be a time that occurs before 'from'.")
    answer: dict[str, object] = {"ticker": ticker, "queryCount": 0, "resultsCount": 0, "adjusted": adjusted}
    if instrument is None:
        return answer | _closing(ask, 0)
    shown = world.entitled_to_days(instrument.market, first_ms, ask.now_ms)
    page = page_of(world.prices, Range(instrument, window, first_ms, last_ms, adjusted, descending, limit), shown)
    answer |= {"queryCount": page.base_count, "resultsCount": len(page.bars)}
    if page.bars:
        answer["results"] = [wire_bar(bar, instrument) for bar in page.bars]
    answer |= _closing(ask, len(page.bars))
    if page.next_ms is not None:
        state = {"limit": limit, "sort": "desc" if descending else "asc"} | ({} if adjusted else {"adjusted": "false"})
        ends = (first, str(page.next_ms)) if descending else (str(page.next_ms), last)
        path = f"/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{'/'.join(ends)}"
        answer["next_url"] = ask.link(state, path)
    return answer


def previous_bar(world: World, ask: Ask, ticker: str) -> object:
    """`/v2/aggs/ticker/{ticker}/prev`"""
    adjusted = ask.flag("adjusted", default=True)
    answer: dict[str, object] = {"ticker": ticker, "queryCount": 0, "resultsCount": 0, "adjusted": adjusted}
    instrument = instrument_of(ticker)
    today = 0 if instrument is None else ordinal_at(instrument.market, ask.now_ms)
    before = None if instrument is None else world.session_before(instrument, today)
    if instrument is None or before is None:
        return answer | _closing(ask, 0)
    bar = day_bar(world.prices, instrument, before, ask.now_ms, adjusted=adjusted)
    if bar is None:
        return answer | _closing(ask, 0)
    answer |= {"queryCount": 1, "resultsCount": 1, "results": [_closed_bar(world, bar, instrument)]}
    return answer | _closing(ask, 1)


def grouped_stocks(world: World, ask: Ask, day: str) -> object:
    """`/v2/aggs/grouped/locale/us/market/stocks/{date}`"""
    return _grouped(world, ask, Market.STOCKS, day)


def grouped_global(world: World, ask: Ask, market: str, day: str) -> object:
    """`/v2/aggs/grouped/locale/global/market/{crypto|fx}/{date}`"""
    return _grouped(world, ask, Market.CRYPTO if market == "crypto" else Market.FX, day)


def open_close(world: World, ask: Ask, ticker: str, day: str) -> object:
    """`/v1/open-close/{ticker}/{date}`"""
    ordinal = iso_day(day)
    instrument = known(ticker)
    shown = world.entitled_to_days(instrument.market, midnight_ms(instrument.market, ordinal), ask.now_ms)
    bar = day_bar(world.prices, instrument, ordinal, shown, adjusted=ask.flag("adjusted", default=True))
    if bar is None:
        raise not_found("Data not found.")
    wire = wire_bar(bar, instrument)
    answer: dict[str, object] = {"status": "OK", "from": day, "symbol": ticker}
    answer |= {"open": wire.o, "high": wire.h, "low": wire.l, "close": wire.c}
    if wire.v is not None:
        answer["volume"] = wire.v
    return answer | {"afterHours": wire.c, "preMarket": wire.o, "request_id": ask.request_id}


def open_close_crypto(world: World, ask: Ask, base: str, quoted: str, day: str) -> object:
    """`/v1/open-close/crypto/{from}/{to}/{date}`"""
    ordinal = iso_day(day)
    instrument = known(f"X:{base}{quoted}")
    bar = day_bar(world.prices, instrument, ordinal, ask.now_ms)
    if bar is None:
        raise not_found("Data not found.")
    midnight = midnight_ms(instrument.market, ordinal)
    minutes = [minute for minute in world.prices.minutes(instrument, ordinal) if minute.start + 60_000 <= ask.now_ms]
    first = next(world.prices.seconds(instrument, ordinal, midnight, midnight + DAY_MS))
    last = list(world.prices.seconds(instrument, ordinal, minutes[-1].start, minutes[-1].start))[-1]
    return {
        "symbol": f"{base}-{quoted}",
        "isUTC": True,
        "day": f"{day}T00:00:00.000Z",
        "open": bar.open / instrument.scale,
        "close": bar.close / instrument.scale,
        "openTrades": [_crypto_trade(tick) for tick in ticks_of_second(first, instrument)[:2]],
        "closingTrades": [_crypto_trade(tick) for tick in ticks_of_second(last, instrument)[:-3:-1]],
    }


def _grouped(world: World, ask: Ask, market: Market, day: str) -> object:
    ordinal = iso_day(day)
    adjusted = ask.flag("adjusted", default=True)
    shown = world.entitled_to_days(market, midnight_ms(market, ordinal), ask.now_ms)
    rows = []
    for instrument in world.listed(market):
        bar = day_bar(world.prices, instrument, ordinal, shown, adjusted=adjusted)
        if bar is not None:
            rows.append(_closed_bar(world, bar, instrument))
    answer: dict[str, object] = {"queryCount": len(rows), "resultsCount": len(rows), "adjusted": adjusted}
    return answer | ({"results": rows} if rows else {}) | _closing(ask, len(rows))


def _closed_bar(world: World, bar: Bar, instrument: Instrument) -> WireBar:
    """A day's bar stamped with the end of its session, as whole-market answers have it."""
    session = world.prices.session(instrument, ordinal_at(instrument.market, bar.start))
    if instrument.market in (Market.CRYPTO, Market.FX) or session is None:
        return wire_bar(bar, instrument, bar.start + DAY_MS - 1, instrument.ticker)
    return wire_bar(bar, instrument, bar.start + session.regular_end * 60_000, instrument.ticker)


def _crypto_trade(tick: Tick) -> Mapping[str, object]:
    return {"p": tick.price, "s": tick.size, "x": 1, "c": [1], "t": tick.at_ns // 1_000_000, "i": tick.name}


def _closing(ask: Ask, count: int) -> dict[str, object]:
    return {"status": "OK", "request_id": ask.request_id, "count": count}


def _window(multiplier: str, timespan: str, market: Market) -> Window:
    if not (multiplier.isascii() and multiplier.isdigit() and 1 <= int(multiplier[:9]) <= _MOST_MULTIPLIER):
        raise bad_parameter(f"The parameter 'multiplier' must be a number between 1 and {_MOST_MULTIPLIER}.")
    try:
        return Window(market, int(multiplier), Timespan(timespan))
    except ValueError as error:
        raise bad_parameter(f"The parameter 'timespan' must be one of {', '.join(Timespan)}.") from error


def _instant(text: str, name: str, market: Market, *, end: bool) -> int:
    """Unix milliseconds of a date or a millisecond stamp; of a date its first or last millisecond."""
    if text.isascii() and text.isdigit() and len(text) != 10:
        return min(int(text[:15]), _LAST_MS)
    ordinal = iso_day(text, name)
    return midnight_ms(market, ordinal + 1) - 1 if end else midnight_ms(market, ordinal)
