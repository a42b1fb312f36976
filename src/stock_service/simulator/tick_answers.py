"""Answers made of single ticks: trades, quotes, the last of each, currency conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice

from stock_service.simulator.ask import Ask, bad_parameter, not_found
from stock_service.simulator.instruments import Instrument, instrument_of
from stock_service.simulator.sessions import Market, midnight_ms
from stock_service.simulator.ticks import NS_PER_MS, Stretch, Tick, ticks_of_second, ticks_within
from stock_service.simulator.windows import DAY_MS
from stock_service.simulator.world import World, iso_day, known

_MOST_TICKS = 50_000
_EXCHANGES = (4, 10, 11, 12, 19)
_FX_EXCHANGE = 48


def trades(world: World, ask: Ask, ticker: str) -> object:
    """`/v3/trades/{ticker}`"""
    return _ticks(world, ask, ticker, _trade)


def quotes(world: World, ask: Ask, ticker: str) -> object:
    """`/v3/quotes/{ticker}`"""
    return _ticks(world, ask, ticker, _quote)


def last_trade(world: World, ask: Ask, ticker: str) -> object:
    """`/v2/last/trade/{ticker}`"""
    instrument, tick = newest_tick(world, ask, ticker)
    times = {"t": tick.at_ns, "y": tick.at_ns - 350_000, "f": tick.at_ns - 35_000}
    row = {"T": ticker, "c": [12, 37], "i": tick.name, "p": tick.price, "q": tick.sequence, "r": 202, **times}
    row |= {"s": tick.size, "x": exchange_of(tick, instrument), "z": 3}
    return {"status": "OK", "request_id": ask.request_id, "results": row}


def last_quote(world: World, ask: Ask, ticker: str) -> object:
    """`/v2/last/nbbo/{ticker}`"""
    instrument, tick = newest_tick(world, ask, ticker)
    bid, ask_price = bid_ask(tick)
    where = exchange_of(tick, instrument)
    row = {"T": ticker, "P": ask_price, "S": 1 + tick.number % 9, "X": where, "p": bid, "s": 1 + tick.number % 7}
    row |= {"x": where, "q": tick.sequence, "t": tick.at_ns, "y": tick.at_ns - 350_000, "z": 3}
    return {"status": "OK", "request_id": ask.request_id, "results": row}


def last_crypto(world: World, ask: Ask, base: str, quoted: str) -> object:
    """`/v1/last/crypto/{from}/{to}`"""
    _, tick = newest_tick(world, ask, f"X:{base}{quoted}")
    row = {"conditions": [1], "exchange": 4, "price": tick.price, "size": tick.size}
    row["timestamp"] = tick.at_ns // NS_PER_MS
    return {"status": "success", "symbol": f"{base}-{quoted}", "last": row, "request_id": ask.request_id}


def last_currency(world: World, ask: Ask, base: str, quoted: str) -> object:
    """`/v1/last_quote/currencies/{from}/{to}`"""
    _, tick = newest_tick(world, ask, f"C:{base}{quoted}")
    return {
        "status": "success",
        "symbol": f"{base}/{quoted}",
        "last": _currency_quote(tick),
        "request_id": ask.request_id,
    }


def conversion(world: World, ask: Ask, base: str, quoted: str) -> object:
    """`/v1/conversion/{from}/{to}`"""
    try:
        amount = float(ask.params.get("amount") or 1)
    except ValueError as error:
        raise bad_parameter("The parameter 'amount' must be a number.") from error
    _, tick = newest_tick(world, ask, f"C:{base}{quoted}")
    converted = round(amount * tick.price, ask.whole("precision", 2, 4, least=0))
    answer = {"status": "success", "from": base, "to": quoted, "initialAmount": amount, "converted": converted}
    return answer | {"last": _currency_quote(tick), "request_id": ask.request_id}


def retired(world: World, ask: Ask) -> object:  # noqa: ARG001 - every answer has the same arguments
    """The old tick routes: a notice, as the vendor gives it."""
    raise not_found("This endpoint has been deprecated. Please use /v3/trades or /v3/quotes.")


def newest_tick(world: World, ask: Ask, ticker: str) -> tuple[Instrument, Tick]:
    """The newest tick of a ticker. Raises Refusal when the plan has none or the ticker never traded."""
    world.entitled_to_live()
    instrument = known(ticker)
    state = world.state(instrument, ask.now_ms)
    if state is None:
        raise not_found("Data not found.")
    return instrument, ticks_of_second(state.last, instrument)[-1]


def bid_ask(tick: Tick) -> tuple[float, float]:
    """The best bid and offer around a trade."""
    return round(tick.price - tick.spread, 6), round(tick.price + tick.spread, 6)


def exchange_of(tick: Tick, instrument: Instrument) -> int:
    """Where the tick happened."""
    return _FX_EXCHANGE if instrument.market is Market.FX else _EXCHANGES[tick.sequence % len(_EXCHANGES)]


def _ticks(world: World, ask: Ask, ticker: str, spelt: Callable[[Tick, Instrument], Mapping[str, object]]) -> object:
    world.entitled_to_live()
    asked = ask.resumed()
    limit = asked.whole("limit", 1_000, _MOST_TICKS)
    descending = asked.choice("order", "desc", "asc", "desc") == "desc"
    instrument = instrument_of(ticker)
    answer: dict[str, object] = {"status": "OK", "request_id": ask.request_id, "results": []}
    if instrument is None:
        return answer
    stretch = _stretch(asked.params, ask.now_ms, instrument, descending=descending)
    found = list(islice(ticks_within(world.prices, instrument, stretch), limit + 1))
    answer["results"] = [spelt(tick, instrument) for tick in found[:limit]]
    if len(found) > limit:
        last = found[limit - 1].at_ns
        ends = (stretch.first_ns, last - 1) if descending else (last + 1, stretch.last_ns)
        state: dict[str, object] = {"limit": limit, "order": "desc" if descending else "asc", "sort": "timestamp"}
        answer["next_url"] = ask.link(state | {"timestamp.gte": ends[0], "timestamp.lte": ends[1]})
    return answer


def _stretch(params: Mapping[str, str], now_ms: int, instrument: Instrument, *, descending: bool) -> Stretch:
    first, last = 0, now_ms * NS_PER_MS - 1
    for name, text in params.items():
        base, _, test = name.partition(".")
        if base != "timestamp" or not text:
            continue
        begin, end = _moment(text, instrument)
        first = max(first, {"": begin, "gte": begin, "gt": end + 1}.get(test, first))
        last = min(last, {"": end, "lte": end, "lt": begin - 1}.get(test, last))
    return Stretch(first, last, descending)


def _moment(text: str, instrument: Instrument) -> tuple[int, int]:
    """First and last nanosecond of a date, a date and time, or a nanosecond stamp."""
    if text.isascii() and text.isdigit():
        return int(text[:19]), int(text[:19])
    if len(text) == 10:
        begin = midnight_ms(instrument.market, iso_day(text, "timestamp"))
        return begin * NS_PER_MS, (begin + DAY_MS) * NS_PER_MS - 1
    try:
        exact = int(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1_000
    except ValueError as error:
        raise bad_parameter("Could not parse the time parameter: 'timestamp'.") from error
    return exact, exact


def _trade(tick: Tick, instrument: Instrument) -> Mapping[str, object]:
    row: dict[str, object] = {"conditions": [12, 37] if tick.number % 3 else [12], "price": tick.price}
    row |= {"exchange": exchange_of(tick, instrument), "id": tick.name, "size": tick.size}
    if instrument.market in (Market.CRYPTO, Market.FX):
        return row | {"participant_timestamp": tick.at_ns}
    row |= {"participant_timestamp": tick.at_ns - 350_000, "sip_timestamp": tick.at_ns}
    return row | {"sequence_number": tick.sequence, "tape": 3}


def _quote(tick: Tick, instrument: Instrument) -> Mapping[str, object]:
    bid, offer = bid_ask(tick)
    where = exchange_of(tick, instrument)
    row: dict[str, object] = {"ask_exchange": where, "ask_price": offer, "bid_exchange": where, "bid_price": bid}
    if instrument.market in (Market.CRYPTO, Market.FX):
        return row | {"participant_timestamp": tick.at_ns}
    row |= {"ask_size": 1 + tick.number % 9, "bid_size": 1 + tick.number % 7, "conditions": [1]}
    row |= {"participant_timestamp": tick.at_ns - 350_000, "sip_timestamp": tick.at_ns}
    return row | {"sequence_number": tick.sequence, "tape": 3}


def _currency_quote(tick: Tick) -> Mapping[str, object]:
    bid, offer = bid_ask(tick)
    return {"ask": offer, "bid": bid, "exchange": _FX_EXCHANGE, "timestamp": tick.at_ns // NS_PER_MS}
