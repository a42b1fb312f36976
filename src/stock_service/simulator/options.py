"""Option contracts of an underlying: monthly expirations, a handful of strikes around its price. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from stock_service.simulator.instruments import Contract, instrument_of
from stock_service.simulator.levels import level_at
from stock_service.simulator.sessions import Market, ordinal_at
from stock_service.simulator.world import World

_MONTHS = 4
_STRIKES = 7


def chain_of(world: World, underlying: str, now_ms: int, *, expired: bool = False) -> list[Mapping[str, object]]:
    """The listed contracts of `underlying` on the day of `now_ms`, or those that expired in the months before."""
    instrument = instrument_of(underlying)
    if instrument is None:
        return []
    today = date.fromordinal(ordinal_at(Market.OPTIONS, now_ms))
    anchor = date(today.year, today.month, 1).toordinal()
    spot = level_at(world.prices.seed, instrument, anchor)
    step = max(1.0, round(spot / 40))
    base = round(spot / step) * step
    rows = []
    for expires in _expirations(today, expired=expired):
        for offset in range(-(_STRIKES // 2), _STRIKES // 2 + 1):
            for kind in ("call", "put"):
                strike = base + offset * step
                if strike > 0:
                    rows.append(contract_row(Contract(underlying.removeprefix("I:"), expires, kind, strike)))
    return rows


def contract_row(contract: Contract) -> Mapping[str, object]:
    """The reference row of a contract."""
    return {
        "cfi": "OCASPS" if contract.kind == "call" else "OPASPS",
        "contract_type": contract.kind,
        "exercise_style": "american",
        "expiration_date": contract.expires.isoformat(),
        "primary_exchange": "BATO",
        "shares_per_contract": 100,
        "strike_price": contract.strike,
        "ticker": f"O:{contract_name(contract)}",
        "underlying_ticker": contract.underlying,
    }


def contract_name(contract: Contract) -> str:
    """The contract's terms in the spelling of the options exchanges."""
    kind = "C" if contract.kind == "call" else "P"
    return f"{contract.underlying}{contract.expires:%y%m%d}{kind}{round(contract.strike * 1000):08d}"


def _expirations(today: date, *, expired: bool) -> list[date]:
    """Third Fridays of the coming months, or of the past ones."""
    found: list[date] = []
    index = today.year * 12 + today.month - 1
    while len(found) < _MONTHS:
        year, month = divmod(index, 12)
        first = date(year, month + 1, 1)
        friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
        if (friday < today) is expired:
            found.append(friday)
        index += -1 if expired else 1
    return sorted(found)
