"""What goes wrong at the vendor, one phase after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from stock_service.simulator.faults import FaultKind, FaultRule


class Gone(Enum):
    """How a vendor is away altogether."""

    REFUSING = "refusing"  # every connection is refused
    SILENT = "silent"  # every connection attempt is left unanswered, as behind a firewall


@dataclass(frozen=True, slots=True)
class Phase:
    """One fault. `rules` are put into the simulator; `gone` says what becomes of its socket instead."""

    name: str
    rules: tuple[FaultRule, ...] = ()
    gone: Gone | None = None
    short: bool = False  # part of the short form
    lasting: bool = False  # the gateway keeps its distance for minutes afterwards, as it was told: start another


def _all(kind: FaultKind, **params: str | float) -> tuple[FaultRule, ...]:
    return (FaultRule(kind, params=params),)


def _failing(share: float) -> tuple[FaultRule, ...]:
    return (FaultRule(FaultKind.STATUS, probability=share, seed=7, params={"status": 500}),)


_LONG_FROM_NOW = "Wed, 21 Oct 2099 07:28:00 GMT"

PHASES = (
    Phase("refused", gone=Gone.REFUSING, short=True),
    Phase("blackhole", gone=Gone.SILENT, short=True),
    Phase("hang", _all(FaultKind.HANG), short=True),
    Phase("slow first byte, in time", _all(FaultKind.SLOW_FIRST_BYTE, seconds=0.6)),
    Phase("slow first byte, too late", _all(FaultKind.SLOW_FIRST_BYTE, seconds=1.4)),
    Phase("drip", _all(FaultKind.DRIP, bytes=1, every=0.4)),
    Phase("reset inside the body", _all(FaultKind.RESET), short=True),
    Phase("short body", _all(FaultKind.SHORT_BODY)),
    Phase("chunks without an end", _all(FaultKind.UNENDED_CHUNKS)),
    Phase("cut JSON", _all(FaultKind.CUT_JSON), short=True),
    Phase("idle connections closed", _all(FaultKind.CLOSE_IDLE, seconds=0.02)),
    Phase("HTML", _all(FaultKind.HTML)),
    Phase("error inside a 200", _all(FaultKind.ERROR_IN_OK)),
    Phase("500 at 10 %", _failing(0.1)),
    Phase("500 at 40 %", _failing(0.4)),
    Phase("500 at 60 %", _failing(0.6)),
    Phase("500 at 100 %", _failing(1.0), short=True),
    Phase("503, Retry-After 2", _all(FaultKind.STATUS, status=503, retry_after="2")),
    Phase("503, Retry-After 120", _all(FaultKind.STATUS, status=503, retry_after="120"), lasting=True),
    Phase("503, a date", _all(FaultKind.STATUS, status=503, retry_after=_LONG_FROM_NOW), lasting=True),
    Phase("503, garbage", _all(FaultKind.STATUS, status=503, retry_after="soon")),
    Phase("503, -1", _all(FaultKind.STATUS, status=503, retry_after="-1")),
    Phase("503, 10^9", _all(FaultKind.STATUS, status=503, retry_after="1000000000"), lasting=True),
    Phase("429, Retry-After 1", _all(FaultKind.LIMITED, retry_after="1"), short=True),
    Phase("429, Retry-After 120", _all(FaultKind.LIMITED, retry_after="120"), lasting=True),
    Phase("429, a date", _all(FaultKind.LIMITED, retry_after=_LONG_FROM_NOW), lasting=True),
    Phase("429, garbage", _all(FaultKind.LIMITED, retry_after="soon")),
    Phase("429, -1", _all(FaultKind.LIMITED, retry_after="-1")),
    Phase("429, 10^9", _all(FaultKind.LIMITED, retry_after="1000000000"), lasting=True),
    Phase("429, silent", _all(FaultKind.LIMITED)),
    Phase("revoked key", _all(FaultKind.REVOKED), lasting=True),
    Phase("huge body", _all(FaultKind.HUGE)),
    Phase("endless body", _all(FaultKind.ENDLESS)),
    Phase("gzip bomb", _all(FaultKind.GZIP_BOMB), short=True),
    Phase("lying coding", _all(FaultKind.LYING_CODING)),
    Phase("1 MiB header", _all(FaultKind.BIG_HEADER)),
    Phase("100,000 headers", _all(FaultKind.MANY_HEADERS)),
    Phase("redirect", _all(FaultKind.REDIRECT)),
    Phase("flapping", (FaultRule(FaultKind.STATUS, good_for=1.0, bad_for=1.0, params={"status": 500}),)),
)
