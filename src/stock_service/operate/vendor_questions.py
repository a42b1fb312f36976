"""What only a question answers: can the vendor be reached from this machine, and what may the key do?"""

from __future__ import annotations

from datetime import UTC, datetime

from stock_service.base.clock import Clock
from stock_service.operate.asking import NobodyAnswers, Service, Told
from stock_service.operate.checks import Check, Finding, check

_DAY = 86_400
_KINDS = {
    "daily bars": "/v2/aggs/ticker/AAPL/prev",
    "minute bars": "/v2/aggs/ticker/AAPL/range/1/minute/{day}/{day}",
    "snapshots": "/v2/snapshot/locale/us/markets/stocks/tickers/AAPL",
    "last trades": "/v2/last/trade/AAPL",
    "quotes": "/v3/quotes/AAPL?limit=1",
}


def look_at_vendor(vendor: Service) -> Check:
    """Return whether any HTTP answer comes from the vendor to this very machine. Without a key, so no call is spent."""
    name = "vendor from here"
    try:
        told = vendor.ask("/v1/marketstatus/now")
    except NobodyAnswers as error:
        return check(name, False, f"no HTTP answer from {vendor.url}: {error.reason}", "vendor-unreachable")
    return check(name, True, f"{vendor.url} answers {told.status} in {told.seconds:.3f} s")


def look_at_rights(service: Service, clock: Clock) -> list[Check]:
    """Ask the service for one of each kind of data that plans tell apart; this spends vendor calls.

    Raises:
        NobodyAnswers: there is nothing at the address.
    """
    return [_right(kind, service.ask(path.format(day=_yesterday(clock)))) for kind, path in _KINDS.items()]


def _right(kind: str, told: Told) -> Check:
    words = {200: "in the plan", 403: "not in the plan"}
    sure = told.status in words
    said = words.get(told.status, f"{told.status}: cannot tell now")
    return Check(f"key may: {kind}", Finding.GOOD if sure else Finding.UNKNOWN, said)


def _yesterday(clock: Clock) -> str:
    return f"{datetime.fromtimestamp(clock.wall() - _DAY, UTC):%Y-%m-%d}"
