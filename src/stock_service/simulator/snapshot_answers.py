"""Answers that show where a ticker stands now: the old snapshots, the universal one, indices, options, summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stock_service.simulator.ask import Ask, bad_parameter, not_found
from stock_service.simulator.bars_answers import amount, wire_bar
from stock_service.simulator.calendar_answers import market_status
from stock_service.simulator.instruments import Instrument, contract_of, instrument_of
from stock_service.simulator.listing import Listing, page_rows
from stock_service.simulator.options import chain_of, contract_name
from stock_service.simulator.prices import Bar
from stock_service.simulator.reference_answers import name_of
from stock_service.simulator.sessions import Market
from stock_service.simulator.tick_answers import bid_ask, exchange_of
from stock_service.simulator.ticks import NS_PER_MS, Tick, ticks_of_second
from stock_service.simulator.world import State, World, known

_MOVERS = 20
_MARKETS = {"stocks": Market.STOCKS, "crypto": Market.CRYPTO, "forex": Market.FX}
_TYPES = {Market.STOCKS: "stocks", Market.OPTIONS: "options", Market.INDICES: "indices"} | {
    Market.CRYPTO: "crypto",
    Market.FX: "fx",
}


def one(world: World, ask: Ask, market: str, ticker: str) -> object:
    """`/v2/snapshot/locale/{locale}/markets/{market}/tickers/{ticker}`"""
    instrument = known(ticker)
    state = _live(world, ask, instrument)
    if instrument.market is not _MARKETS[market] or state is None:
        raise not_found()
    return {"status": "OK", "request_id": ask.request_id, "ticker": _old(state)}


def several(world: World, ask: Ask, market: str) -> object:
    """`/v2/snapshot/locale/{locale}/markets/{market}/tickers`"""
    tickers = sorted(set(ask.words("tickers")))
    found = [instrument_of(ticker) for ticker in tickers] if tickers else world.listed(_MARKETS[market])
    wanted = [instrument for instrument in found if instrument is not None and instrument.market is _MARKETS[market]]
    rows = [_old(state) for state in _states(world, ask, wanted)]
    return {"status": "OK", "request_id": ask.request_id, "count": len(rows), "tickers": rows}


def movers(world: World, ask: Ask, market: str, direction: str) -> object:
    """`/v2/snapshot/locale/{locale}/markets/{market}/{gainers|losers}`"""
    states = _states(world, ask, world.listed(_MARKETS[market]))
    wanted = [state for state in states if (state.change > 0) is (direction == "gainers") and state.change]
    wanted.sort(key=lambda state: state.change_percent, reverse=direction == "gainers")
    return {"status": "OK", "request_id": ask.request_id, "tickers": [_old(state) for state in wanted[:_MOVERS]]}


def crypto_book(world: World, ask: Ask, ticker: str) -> object:
    """`/v2/snapshot/locale/global/markets/crypto/tickers/{ticker}/book`"""
    instrument = known(ticker)
    state = _live(world, ask, instrument)
    if instrument.market is not Market.CRYPTO or state is None:
        raise not_found()
    tick = _newest(state)
    bid, offer = bid_ask(tick)
    sizes = [round(0.5 + (tick.number + step) % 7 / 3, 6) for step in range(5)]
    bids = [{"p": round(bid - step * tick.spread, 4), "x": {"1": size}} for step, size in enumerate(sizes)]
    asks = [{"p": round(offer + step * tick.spread, 4), "x": {"2": size}} for step, size in enumerate(sizes)]
    book: dict[str, object] = {"ticker": instrument.ticker, "bids": bids, "asks": asks}
    book |= {"bidCount": sum(sizes), "askCount": sum(sizes), "spread": round(offer - bid, 6)}
    book["updated"] = tick.at_ns // NS_PER_MS
    return {"status": "OK", "request_id": ask.request_id, "data": book}


def universal(world: World, ask: Ask) -> object:
    """`/v3/snapshot`: any asset class; unknown tickers get an error item, not an error answer."""
    asked = ask.resumed()
    tickers = asked.words("ticker.any_of") or asked.words("ticker")
    if len(tickers) > 250:
        raise bad_parameter("The parameter 'ticker.any_of' must have at most 250 tickers.")
    kind = asked.params.get("type")
    listed = [ticker for ticker in sorted(world.universe) if kind in (None, "", _type_of(ticker))]
    names = [{"ticker": ticker} for ticker in (sorted(set(tickers)) or listed)]
    page = page_rows(ask, names, Listing(limit=10, most=250, sort="ticker"))
    return _described(world, ask, page)


def indices(world: World, ask: Ask) -> object:
    """`/v3/snapshot/indices`"""
    tickers = ask.resumed().words("ticker.any_of") or ask.resumed().words("ticker")
    listed = [instrument.ticker for instrument in world.listed(Market.INDICES)]
    names = [{"ticker": ticker} for ticker in (sorted(set(tickers)) or listed)]
    return _described(world, ask, page_rows(ask, names, Listing(limit=10, most=250, sort="ticker")))


def summaries(world: World, ask: Ask) -> object:
    """`/v1/summaries`"""
    world.entitled_to_live()
    tickers = ask.words("ticker.any_of") or ask.words("ticker")
    # In the tickers' order, whatever order they were asked in: a set of tickers is one question (docs/vendor.md).
    rows = [_summary(world, ask, ticker) for ticker in sorted(set(tickers))[:250]]
    return {"status": "OK", "request_id": ask.request_id, "results": rows}


def option(world: World, ask: Ask, underlying: str, contract: str) -> object:
    """`/v3/snapshot/options/{underlyingAsset}/{optionContract}`"""
    instrument = known(contract if contract.startswith("O:") else f"O:{contract}")
    terms = contract_of(instrument.ticker)
    state = _live(world, ask, instrument)
    if terms is None or terms.underlying != underlying.removeprefix("I:") or state is None:
        raise not_found("Options contract not found.")
    return {"status": "OK", "request_id": ask.request_id, "results": _option(world, ask, state)}


def option_chain(world: World, ask: Ask, underlying: str) -> object:
    """`/v3/snapshot/options/{underlyingAsset}`"""
    world.entitled_to_live()
    known(underlying)
    rows = chain_of(world, underlying, ask.now_ms)
    page = page_rows(ask, rows, Listing(limit=10, most=250, sort="ticker"))
    found = [instrument_of(str(row["ticker"])) for row in _rows(page)]
    states = _states(world, ask, [instrument for instrument in found if instrument is not None])
    return page | {"results": [_option(world, ask, state) for state in states]}


def _live(world: World, ask: Ask, instrument: Instrument) -> State | None:
    world.entitled_to_live()
    return world.state(instrument, ask.now_ms)


def _states(world: World, ask: Ask, instruments: Sequence[Instrument]) -> list[State]:
    found = (_live(world, ask, instrument) for instrument in instruments)
    return [state for state in found if state is not None]


def _newest(state: State) -> Tick:
    return ticks_of_second(state.last, state.instrument)[-1]


def _old(state: State) -> Mapping[str, object]:
    """A ticker in the spelling of the v2 snapshots; parts not yet traded are zeros."""
    instrument, tick = state.instrument, _newest(state)
    bid, offer = bid_ask(tick)
    row: dict[str, object] = {"ticker": instrument.ticker, "todaysChange": state.change}
    row |= {"todaysChangePerc": state.change_percent, "updated": tick.at_ns}
    row |= {"day": _old_bar(state.today, state), "prevDay": _old_bar(state.previous, state)}
    minute = _old_bar(state.minute, state)
    if state.minute is not None:
        minute |= {"t": state.minute.start, "n": state.minute.trades}
    where = exchange_of(tick, instrument)
    trade = {"c": [14, 41], "i": tick.name, "p": tick.price, "s": tick.size, "t": tick.at_ns, "x": where}
    if instrument.market is Market.FX:
        quote = {"a": offer, "b": bid, "i": 0, "t": tick.at_ns // NS_PER_MS, "x": 48}
        return row | {"min": minute, "lastQuote": quote, "updated": tick.at_ns // NS_PER_MS}
    if instrument.market is Market.CRYPTO:
        last = trade | {"t": tick.at_ns // NS_PER_MS, "c": [2]}
        return row | {"min": minute, "lastTrade": last, "updated": tick.at_ns // NS_PER_MS}
    minute["av"] = 0 if state.today is None else amount(state.today.volume, instrument.lot)
    quote = {"P": offer, "S": 1 + tick.number % 9, "p": bid, "s": 1 + tick.number % 7, "t": tick.at_ns}
    return row | {"min": minute, "lastQuote": quote, "lastTrade": trade}


def _old_bar(bar: Bar | None, state: State) -> dict[str, object]:
    if bar is None:
        return {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0, "vw": 0}
    wire = wire_bar(bar, state.instrument)
    return {"o": wire.o, "h": wire.h, "l": wire.l, "c": wire.c, "v": wire.v, "vw": wire.vw}


def _type_of(ticker: str) -> str:
    instrument = instrument_of(ticker)
    return "" if instrument is None else _TYPES[instrument.market]


def _rows(page: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    rows = page["results"]
    assert isinstance(rows, list)
    return rows


def _described(world: World, ask: Ask, page: Mapping[str, object]) -> object:
    world.entitled_to_live()
    answer = {name: value for name, value in page.items() if name != "count"}
    return answer | {"results": [_universal(world, ask, str(row["ticker"])) for row in _rows(page)]}


def _universal(world: World, ask: Ask, ticker: str) -> Mapping[str, object]:
    instrument = instrument_of(ticker)
    state = None if instrument is None else world.state(instrument, ask.now_ms)
    if instrument is None or state is None:
        return {"ticker": ticker, "error": "NOT_FOUND", "message": "Ticker not found."}
    tick = _newest(state)
    row: dict[str, object] = {"ticker": ticker, "type": _TYPES[instrument.market], "name": name_of(ticker)}
    row |= {"market_status": market_status(instrument.market, ask.now_ms), "session": _session(state)}
    if instrument.market is Market.INDICES:
        return row | {"value": state.price, "last_updated": tick.at_ns, "timeframe": "REAL-TIME"}
    bid, offer = bid_ask(tick)
    quote = {"ask": offer, "ask_size": 1 + tick.number % 9, "bid": bid, "bid_size": 1 + tick.number % 7}
    row["last_quote"] = quote | {"last_updated": tick.at_ns, "timeframe": "REAL-TIME"}
    if instrument.market is Market.OPTIONS:
        option_row = _option(world, ask, state)
        kept = ("break_even_price", "greeks", "implied_volatility", "open_interest", "underlying_asset", "details")
        row |= {name: option_row[name] for name in kept}
    if instrument.market is not Market.FX:
        trade = {"price": tick.price, "size": tick.size, "exchange": exchange_of(tick, instrument), "conditions": [12]}
        row["last_trade"] = trade | {"id": tick.name, "last_updated": tick.at_ns, "timeframe": "REAL-TIME"}
    if state.minute is not None:
        wire = wire_bar(state.minute, instrument)
        minute = {"open": wire.o, "high": wire.h, "low": wire.l, "close": wire.c, "volume": wire.v, "vwap": wire.vw}
        row["last_minute"] = minute | {"transactions": wire.n, "last_updated": wire.t * NS_PER_MS}
    return row


def _session(state: State) -> dict[str, object]:
    wire = wire_bar(state.today or state.previous or state.last, state.instrument)
    before = state.previous.close / state.instrument.scale if state.previous is not None else wire.o
    row: dict[str, object] = {"change": state.change, "change_percent": state.change_percent}
    row |= {"open": wire.o, "high": wire.h, "low": wire.l, "close": wire.c, "previous_close": before}
    if state.instrument.market is Market.STOCKS:
        row |= {"early_trading_change": 0.0, "early_trading_change_percent": 0.0}
        row |= {"late_trading_change": 0.0, "late_trading_change_percent": 0.0}
    return row | ({} if wire.v is None else {"volume": wire.v})


def _summary(world: World, ask: Ask, ticker: str) -> Mapping[str, object]:
    instrument = instrument_of(ticker)
    state = None if instrument is None else world.state(instrument, ask.now_ms)
    if instrument is None or state is None:
        return {"ticker": ticker, "error": "NOT_FOUND", "message": "Ticker not found."}
    row: dict[str, object] = {"ticker": ticker, "type": _TYPES[instrument.market], "name": name_of(ticker)}
    row |= {"market_status": market_status(instrument.market, ask.now_ms), "price": state.price}
    return row | {"last_updated": _newest(state).at_ns, "session": _session(state)}


def _option(world: World, ask: Ask, state: State) -> Mapping[str, object]:
    """An option contract; greeks and volatility are plausible constants of its terms, not a pricing model."""
    terms = contract_of(state.instrument.ticker)
    assert terms is not None
    underlying = instrument_of(terms.underlying) or instrument_of(f"I:{terms.underlying}")
    spot = None if underlying is None else world.state(underlying, ask.now_ms)
    tick, price = _newest(state), terms.strike if spot is None else spot.price
    bid, offer = bid_ask(tick)
    sign = 1 if terms.kind == "call" else -1
    break_even = round(terms.strike + sign * tick.price, 4)
    inside = sign * (price - terms.strike) > 0
    details = {"contract_type": terms.kind, "exercise_style": "american", "ticker": state.instrument.ticker}
    details |= {"expiration_date": terms.expires.isoformat()}
    day = _session(state) | {"last_updated": tick.at_ns, "vwap": wire_bar(state.last, state.instrument).vw}
    quote = {"ask": offer, "ask_size": 4, "bid": bid, "bid_size": 8, "midpoint": tick.price}
    times = {"last_updated": tick.at_ns, "timeframe": "REAL-TIME"}
    trade = {"conditions": [209], "exchange": 316, "price": tick.price, "sip_timestamp": tick.at_ns, "size": tick.size}
    asset = {"change_to_break_even": round(break_even - price, 4), "price": price, "ticker": terms.underlying}
    return {
        "break_even_price": break_even,
        "day": day,
        "details": details | {"shares_per_contract": 100, "strike_price": terms.strike},
        "greeks": {"delta": sign * (0.7 if inside else 0.3), "gamma": 0.01, "theta": -0.02, "vega": 0.7},
        "implied_volatility": 0.3,
        "last_quote": quote | times,
        "last_trade": trade | {"timeframe": "REAL-TIME"},
        "open_interest": len(contract_name(terms)) * 100 + state.last.volume,
        "underlying_asset": asset | times,
    }
