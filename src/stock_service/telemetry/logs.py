"""Turns events, and what libraries log, into lines.

An observer only: it decides nothing. Answers given below the framework are counted and not logged one by one.
Always holds: a probe or a scrape is below INFO; a line is an error only when somebody got an error, or would; lines
that a flood would repeat come at most every `REPEAT_AFTER` seconds, with the number of those left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from stock_service.base import events
from stock_service.base.clock import Clock
from stock_service.base.events import Event
from stock_service.telemetry.log_lines import Fields, FieldValue, Form, Level, Line, render_console, render_json
from stock_service.telemetry.scrub import Scrubber

REPEAT_AFTER = 30.0  # seconds
_PROBES = frozenset({"health", "ready", "metrics"})
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NORMAL_OUTCOMES = frozenset({"ok", "client_fault", "local"})


class Log:
    """Takes lines: filters by level, renders, scrubs, hands on.

    Args:
        put: takes a finished line, end included, and returns at once.
        level: the least level that is written.
    """

    def __init__(
        self, put: Callable[[bytes], None], clock: Clock, scrubber: Scrubber, level: Level, form: Form
    ) -> None:
        self._put = put
        self._clock = clock
        self._scrub = scrubber.scrub
        self.level = level
        self._render = render_json if form is Form.JSON else render_console

    def write(
        self, level: Level, event: str, message: str, fields: Fields | None = None, error: BaseException | None = None
    ) -> None:
        """Write one line, if `level` is high enough."""
        if level >= self.level:
            line = Line(self._clock.wall(), level, event, message, fields or {}, error)
            self._put(f"{self._render(line, self._scrub)}\n".encode())


class Sieve:
    """Lets one of many equal lines through."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], tuple[float, int]] = {}

    def ask(self, key: tuple[str, ...], now: float) -> int | None:
        """Return how many equal lines were left out since the last one; None when this one is to be left out."""
        told_at, left_out = self._last.get(key, (None, 0))
        if told_at is not None and now - told_at < REPEAT_AFTER:
            self._last[key] = (told_at, left_out + 1)
            return None
        self._last[key] = (now, 0)
        return left_out


class LogObserver:
    """Writes a line for each event that somebody may want to read later."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._talks = log.level <= Level.DEBUG
        self._clock = clock
        self._sieve = Sieve()
        self._tellers: dict[type[Event], Callable[[Any], None]] = {
            events.RequestFinished: self._request_finished,
            events.StaleServed: self._stale_served,
            events.RefreshFailed: self._refresh_failed,
            events.Rescaled: self._rescaled,
            events.Purged: self._purged,
            events.Warmed: self._warmed,
            events.VendorCalled: self._vendor_called,
            events.VendorLimited: self._vendor_limited,
            events.SlotRefused: self._slot_refused,
            events.BreakerMoved: self._breaker_moved,
            events.BreakerOverridden: self._breaker_overridden,
            events.KeyChanged: self._key_changed,
            events.CredentialLatched: self._credential_latched,
            events.CredentialAccepted: self._credential_accepted,
            events.SharedMoved: self._shared_moved,
            events.SharedDamaged: self._shared_damaged,
            events.BudgetMoved: self._budget_moved,
            events.Started: self._started,
            events.DrainStarted: self._drain_started,
            events.DrainFinished: self._drain_finished,
            events.LoopStalled: self._loop_stalled,
            events.Faulted: self._faulted,
            events.Warned: self._warned,
        }

    def notify(self, event: Event) -> None:
        """Write the line of `event`; what only metrics need shows at DEBUG."""
        teller = self.taker_of(type(event))
        if teller is not None:
            teller(event)

    def taker_of(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """Return what writes the line of events of `kind`, or None when they have none."""
        return self._tellers.get(kind) or (self._any_event if self._talks else None)

    def _any_event(self, event: Event) -> None:
        self._tell(Level.DEBUG, event, type(event).__name__, _fields_of(event))

    def _request_finished(self, event: events.RequestFinished) -> None:
        fields: dict[str, FieldValue] = {
            "request_id": event.request_id,
            "client": event.client,
            "method": event.method,
            "route": event.route,
            "status": event.status,
            "duration_ms": round(event.seconds * 1e6) / 1_000,
            "cache": event.cache,
        }
        trace = _TRACEPARENT.match(event.traceparent)
        if trace is not None:
            fields["trace_id"] = trace[1]
        level = Level.ERROR if event.status >= 500 else Level.INFO
        level = Level.DEBUG if event.route in _PROBES else level
        self._tell(level, event, f"{event.method} {event.target} {event.status}", fields)

    def _stale_served(self, event: events.StaleServed) -> None:
        if event.reason != "refreshing":
            self._tell_rarely(event, f"stale {event.group} served: {event.reason}", event.group, event.reason)

    def _refresh_failed(self, event: events.RefreshFailed) -> None:
        self._tell_rarely(event, f"refresh of {event.group} failed: {event.error}", event.group, event.error)

    def _rescaled(self, event: events.Rescaled) -> None:
        message = f"splits: adjusted prices of {event.tickers} tickers are asked for anew"
        self._tell(Level.INFO, event, message, _fields_of(event))

    def _purged(self, event: events.Purged) -> None:
        message = f"purged {event.tickers}: {event.entries} answers, {event.series} series; reached: {event.reached}"
        self._tell(Level.WARNING, event, message, _fields_of(event))

    def _warmed(self, event: events.Warmed) -> None:
        text = f"warm: {event.targets - event.unfilled} of {event.targets} ready, {event.calls} vendor calls"
        self._tell(Level.WARNING if event.unfilled else Level.INFO, event, text, _fields_of(event))

    def _vendor_called(self, event: events.VendorCalled) -> None:
        if event.outcome in _NORMAL_OUTCOMES:
            if self._talks:
                self._tell(Level.DEBUG, event, f"vendor call: {event.outcome}", _fields_of(event))
        else:
            self._tell_rarely(event, f"vendor call failed: {event.outcome}", event.group, event.outcome)

    def _vendor_limited(self, event: events.VendorLimited) -> None:
        message = f"the vendor says too many calls; pausing for {event.pause:.1f} s"
        self._tell(Level.WARNING, event, message, _fields_of(event))

    def _slot_refused(self, event: events.SlotRefused) -> None:
        self._tell_rarely(event, f"vendor call budget spent: a call ({event.priority}) was refused", event.priority)

    def _breaker_moved(self, event: events.BreakerMoved) -> None:
        level = Level.ERROR if event.after == "open" else Level.INFO
        self._tell(
            level, event, f"circuit breaker {event.endpoint}: {event.before} to {event.after}", _fields_of(event)
        )

    def _breaker_overridden(self, event: events.BreakerOverridden) -> None:
        self._tell(Level.WARNING, event, f"circuit breaker override: {event.mode}", _fields_of(event))

    def _key_changed(self, event: events.KeyChanged) -> None:
        self._tell(Level.WARNING, event, f"client key {event.key} {event.change} by {event.by}", _fields_of(event))

    def _credential_latched(self, event: events.CredentialLatched) -> None:
        message = f"the vendor refuses our key; not asking for {event.latched_for:.0f} s"
        self._tell(Level.ERROR, event, message, _fields_of(event))

    def _credential_accepted(self, event: events.CredentialAccepted) -> None:
        self._tell(Level.INFO, event, "the vendor accepts our key again", {})

    def _shared_moved(self, event: events.SharedMoved) -> None:
        level = Level.INFO if event.state == "up" else Level.WARNING
        words = "in use" if event.state == "up" else f"away ({event.reason}); answering without it"
        self._tell(level, event, f"the shared store is {words}", _fields_of(event))

    def _shared_damaged(self, event: events.SharedDamaged) -> None:
        self._tell_rarely(event, f"a value of the shared store was unreadable: {event.kind}", event.kind)

    def _budget_moved(self, event: events.BudgetMoved) -> None:
        level = Level.INFO if event.mode == "shared" else Level.WARNING
        words = "kept by all pods together" if event.mode == "shared" else "kept by this pod alone, to its own share"
        self._tell(level, event, f"the vendor's budget is {words}", _fields_of(event))

    def _started(self, event: events.Started) -> None:
        self._tell(Level.INFO, event, f"ready on {event.address}", _fields_of(event))

    def _drain_started(self, event: events.DrainStarted) -> None:
        self._tell(Level.INFO, event, f"draining after {event.signal}", _fields_of(event))

    def _drain_finished(self, event: events.DrainFinished) -> None:
        level = Level.WARNING if event.aborted else Level.INFO
        self._tell(level, event, f"drained; {event.aborted} requests cut off", _fields_of(event))

    def _loop_stalled(self, event: events.LoopStalled) -> None:
        self._tell(Level.WARNING, event, f"the event loop stood still for {event.seconds:.2f} s", _fields_of(event))

    def _faulted(self, event: events.Faulted) -> None:
        message = f"unexpected {type(event.error).__name__} in {event.where}"
        self._log.write(Level.ERROR, "Faulted", message, {"where": event.where}, event.error)

    def _warned(self, event: events.Warned) -> None:
        self._tell(Level.WARNING, event, event.message, {})

    def _tell(self, level: Level, event: Event, message: str, fields: Fields) -> None:
        self._log.write(level, type(event).__name__, message, fields)

    def _tell_rarely(self, event: Event, message: str, *key: str) -> None:
        left_out = self._sieve.ask((type(event).__name__, *key), self._clock.monotonic())
        if left_out is not None:
            fields = {**_fields_of(event), **({"left_out": left_out} if left_out else {})}
            self._tell(Level.WARNING, event, message, fields)


def _fields_of(event: Event) -> dict[str, FieldValue]:
    """Return the fields of `event` that a line can hold; absent ones are left out."""
    values = ((name, getattr(event, name)) for name in type(event).__dataclass_fields__)
    return {name: value for name, value in values if isinstance(value, str | int | float)}


class LibraryLogs(logging.Handler):
    """Routes what libraries log through `log`, from WARNING on; from DEBUG on when `log` is at DEBUG."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def install(self) -> None:
        """Become the only handler there is; loggers that brought their own lose it."""
        logging.captureWarnings(True)
        for name in list(logging.root.manager.loggerDict):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
        logging.root.handlers[:] = [self]
        logging.root.setLevel(
            self._log.level if self._log.level is Level.DEBUG else max(self._log.level, Level.WARNING)
        )

    def remove(self) -> None:
        """Stop handling."""
        logging.captureWarnings(False)
        logging.root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record` as a line; more than an error is an error too."""
        level = max(each for each in Level if each <= max(record.levelno, Level.DEBUG))
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a library that miscounted its arguments
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        self._log.write(level, "Library", message, {"logger": record.name}, error)
