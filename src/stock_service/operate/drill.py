"""Drills: one trouble each, brought about on a stage, found by the doctor, and over when its cause is.

What is rehearsed is what the runbook says of it: which cause `doctor` names and where it sends the reader, that
questions answered before go on being answered, and that the service recovers by itself once the trouble has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

from stock_service.base.clock import Clock
from stock_service.operate.asking import Service
from stock_service.operate.checks import Check, Finding, check
from stock_service.operate.diagnosis import Cause, likely_cause
from stock_service.operate.doctor import look_at_service
from stock_service.operate.stage import Stage

_KNOWN = tuple(f"/v2/aggs/ticker/{ticker}/prev" for ticker in ("AAPL", "MSFT", "NVDA", "SPY", "QQQ"))
_TICKERS = ("AMD", "AMZN", "BAC", "COST", "CSCO", "GE", "IBM", "INTC", "KO", "META")
_FIRST_DAY = date(2023, 1, 9)
_KNOWN_A_LOOK = 25  # answers between two looks, so that what happens now is told from what was
_NEW_A_LOOK = 8
_FOUND_WITHIN = 60.0
_OVER_WITHIN = 60.0
_QUICK = {
    "STOCKS_QUOTA__CALLS": "1000",
    "STOCKS_QUOTA__PER": "1s",
    "STOCKS_UPSTREAM__FIRST_BYTE_TIMEOUT": "1s",
    "STOCKS_BREAKER__SLEEP": "2s",
    "STOCKS_BREAKER__SLEEP_MAX": "5s",
}


@dataclass(frozen=True, slots=True)
class Drill:
    """A trouble. `faults` are the vendor's, `anchor` is the runbook's section that `doctor` has to name.

    With `restart` the runbook's remedy is a restart; else the service recovers without anybody's help.
    """

    about: str
    anchor: str
    alerts: str
    faults: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    restart: bool = False


DRILLS: dict[str, Drill] = {
    "vendor-errors": Drill(
        "The vendor answers every call with 500.",
        "circuit-breaker-open",
        "CircuitBreakerOpen, StockServiceBreakerOpen",
        ({"kind": "status", "params": {"status": 500}},),
    ),
    "vendor-unreachable": Drill(
        "No answer comes from the vendor.",
        "vendor-unreachable",
        "CircuitBreakerOpen, StockServiceVendorUnreachable",
        ({"kind": "hang"},),
    ),
    "vendor-slow": Drill(
        "The vendor takes three seconds for every answer.",
        "high-latency",
        "HighLatency, StockServiceHighLatency",
        ({"kind": "slow-first-byte", "params": {"seconds": 3}},),
        {"STOCKS_UPSTREAM__FIRST_BYTE_TIMEOUT": "4s"},
    ),
    "key-refused": Drill(
        "The vendor refuses our key.",
        "vendor-key-refused",
        "StockServiceVendorKeyRefused",
        ({"kind": "revoked"},),
        restart=True,
    ),
    "quota-spent": Drill(
        "More is asked than the vendor's plan allows.",
        "vendor-quota",
        "StockServiceVendorQuotaNearEnd, StockServiceVendorQuotaSpent",
        settings={"STOCKS_QUOTA__CALLS": "6", "STOCKS_QUOTA__PER": "6s", "STOCKS_QUOTA__MAX_WAIT": "4s"},
    ),
}


def settings_of(drill: Drill) -> dict[str, str]:
    """Return the service's settings for a drill, by variable: short times, so that it ends soon."""
    return {**_QUICK, **drill.settings}


class Rehearsal:
    """One drill on its stage. `say` is told what happens, as it happens."""

    def __init__(self, drill: Drill, stage: Stage, clock: Clock, say: Callable[[str], None]) -> None:
        self._drill = drill
        self._stage = stage
        self._clock = clock
        self._say = say
        self._questions = _never_asked()
        self._workers = ThreadPoolExecutor(_NEW_A_LOOK)
        self._asked: list[Future[int]] = []

    def run(self, practise: Callable[[], None]) -> list[Check]:
        """Return one check for each thing that had to happen. `practise` is called while the trouble lasts.

        Raises:
            NobodyAnswers: the service has gone.
        """
        with self._workers:
            before = self._known()
            self._say(f"{before[200]} questions asked and answered")
            self._say(f"trouble: {self._drill.about} It would fire: {self._drill.alerts}")
            self._stage.break_vendor(self._drill.faults)
            found = self._wait_for("the cause is found", self._busy, lambda it: it == self._drill.anchor, _FOUND_WITHIN)
            during = self._known()
            self._say(f"{during[200]} of {len(_KNOWN)} known questions are still answered; new ones: {self._new()}")
            practise()
            self._say("the trouble ends" + (", and the service is restarted" if self._drill.restart else ""))
            self._stage.break_vendor([])
            wait(self._asked)
            if self._drill.restart:
                self._stage.restart_service()
            over = self._wait_for("it is over", self._calm, lambda it: it != self._drill.anchor, _OVER_WITHIN)
        kept = check("known questions", during[200] == len(_KNOWN), f"{during[200]} of {len(_KNOWN)} answered")
        return [found, kept, over]

    def _wait_for(
        self, name: str, traffic: Callable[[float], None], wanted: Callable[[str], bool], within: float
    ) -> Check:
        """Look until the doctor names what is wanted."""
        begun_at = self._clock.monotonic()
        while True:
            cause = self._doctor(traffic)
            passed = self._clock.monotonic() - begun_at
            if wanted(cause.anchor) or passed > within:
                break
        self._say(f"doctor: {cause.told} Read docs/runbook.md#{cause.anchor}")
        good = wanted(cause.anchor)
        return check(name, good, f"after {passed:.0f} s" if good else f"not within {within:.0f} s", self._drill.anchor)

    def _doctor(self, traffic: Callable[[float], None]) -> Cause:
        checks = look_at_service(Service(self._stage.service_url), traffic, 1.0)
        return likely_cause([one for one in checks if one.finding is Finding.BAD])

    def _busy(self, seconds: float) -> None:
        """Ask for new things without waiting for them, and for known ones; this is the doctor's pause."""
        self._asked += [self._workers.submit(self._stage.ask, self._unasked()) for _ in range(_NEW_A_LOOK)]
        self._known(_KNOWN_A_LOOK)
        self._stage.pause(seconds)

    def _calm(self, _: float) -> None:
        """Ask for one new thing, which a half-open breaker needs, and for known ones."""
        self._stage.ask(self._unasked())
        self._known(_KNOWN_A_LOOK)

    def _known(self, times: int = len(_KNOWN)) -> Counter[int]:
        return Counter(self._stage.ask(_KNOWN[number % len(_KNOWN)]) for number in range(times))

    def _unasked(self) -> str:
        """Return a question that was never asked before."""
        return next(self._questions)

    def _new(self) -> str:
        done = Counter(str(one.result()) for one in self._asked if one.done() and not one.exception())
        waiting = sum(not one.done() for one in self._asked)
        told = [f"{times} times {status}" for status, times in sorted(done.items())]
        return ", ".join([*told, *([f"{waiting} wait"] if waiting else [])])


def _never_asked() -> Iterator[str]:
    """Yield questions about ten tickers on one working day after the other, each once."""
    for days in count():
        day = _FIRST_DAY + timedelta(days)
        if day.weekday() < 5:
            yield from (f"/v1/open-close/{ticker}/{day}" for ticker in _TICKERS)
