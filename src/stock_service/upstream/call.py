"""One question to the vendor, from the deadline inwards: retry ▸ bulkhead ▸ pacer ▸ breaker ▸ exchange ▸ verdict.

The driver of this package: it waits and calls, the machines decide. What always holds: no exchange without a slot and
the permits of breaker and key; each of them settled exactly once, also on cancellation; an answer that does not pass
the outcome table is never returned; errors and events carry no path, text or key.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from typing import Any

from stock_service.base.clock import Clock
from stock_service.base.errors import CredentialRefused, QuotaSpent, ServiceError, VendorFailed, VendorSlow
from stock_service.base.events import Observer, SlotGranted, SlotRefused, VendorCalled, VendorLimited, VendorRetried
from stock_service.base.reply import Reply
from stock_service.upstream.breaker import BreakerSettings, Override
from stock_service.upstream.bulkhead import Bulkhead
from stock_service.upstream.client import ClientSettings, Exchange
from stock_service.upstream.health import Admission, Health
from stock_service.upstream.judged import Client, Judged, JudgingClient
from stock_service.upstream.outcome import Judgement, Outcome
from stock_service.upstream.pacer import NoRoom, PacerSettings, Spent
from stock_service.upstream.retry import Pause, Retries, RetrySettings, Stopped
from stock_service.upstream.slots import Slots
from stock_service.vendor.request import VendorRequest


class Priority(StrEnum):
    """Who asks; later ones give way to earlier ones."""

    INTERACTIVE = "interactive"
    RENEWAL = "renewal"  # somebody waits, with a stale answer to fall back on: sent away, nobody comes back
    REFRESH = "refresh"
    BACKFILL = "backfill"

    @property
    def waits(self) -> bool:
        """Whether somebody waits for it."""
        return self in _WAITING


_WAITING = frozenset({Priority.INTERACTIVE, Priority.RENEWAL})


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """Everything between a miss and the vendor. Lengths in seconds.

    `max_wait` bounds the queue for seats and slots; the official client reads for 10 s. `exchange_needs` of the
    deadline are kept for the exchange itself. `refresh_keeps` and `backfill_keeps` are the shares of each window
    that background work leaves free. Calls under way are bounded by the client's `connections`.
    """

    client: ClientSettings = field(default_factory=ClientSettings)
    pacer: PacerSettings = field(default_factory=PacerSettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    max_wait: float = 8.0
    exchange_needs: float = 1.0
    refresh_keeps: float = 0.2
    backfill_keeps: float = 0.5
    background_calls: int = 4
    queue_max: int = 1000

    @property
    def breaker_in_force(self) -> BreakerSettings:
        """The breaker's numbers as the plan and the attempt's limit make them."""
        most_calls = self.pacer.most_within(self.breaker.window_for)
        return replace(self.breaker.for_volume(most_calls), lease_for=self.client.attempt_for + 1.0)


_CANCELLED = Judged(Judgement(Outcome.LOCAL))


def _unmetered() -> None:
    """Count the call for nobody."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A sent attempt that brought no answer: what to raise, unless another attempt is worth it.

    `free`: the vendor most likely never saw it, so another one is no retry as far as the budget is concerned.
    """

    error: ServiceError
    retry: bool
    free: bool


class Upstream:
    """Asks the vendor, at most as often as the plan allows and only while it makes sense."""

    def __init__(
        self,
        settings: UpstreamSettings,
        client: Client,
        slots: Slots,
        clock: Clock,
        observer: Observer,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._client = JudgingClient(client, settings.client.attempt_for, clock)
        self._slots = slots
        self._clock = clock
        self._observer = observer
        self._health = Health(settings.breaker_in_force, draw, observer)
        self._retries = Retries(settings.retry, draw)
        self._bulkhead = Bulkhead(settings.client.connections, settings.background_calls, settings.queue_max)
        self._keep_free = {
            Priority.INTERACTIVE: 0.0,
            Priority.RENEWAL: 0.0,
            Priority.REFRESH: settings.refresh_keeps,
            Priority.BACKFILL: settings.backfill_keeps,
        }

    async def fetch(
        self,
        request: VendorRequest,
        *,
        deadline: float,
        priority: Priority,
        edge: Mapping[str, str] | None = None,
        spend: Callable[[], None] = _unmetered,
    ) -> Reply:
        """Return the vendor's complete answer: 200, or a 4xx that is the asker's own.

        Args:
            request: the question.
            deadline: monotonic instant by which this must be over.
            priority: who asks; background work never waits.
            edge: headers naming the asker's own user, to pass on; others are dropped (`vendor/edge.py`).
            spend: called for each exchange as it begins: a repeated attempt is a call too, a refused one is none.

        Raises:
            QuotaSpent: no slot soon enough, or the vendor said 429; with the true time to the next slot.
            CircuitOpen: the breaker of this class of endpoints refuses.
            CredentialRefused: the vendor refused our key; with `retry_after` while it is latched.
            VendorSlow: no answer in time.
            VendorFailed: an unusable answer or none.
            Overloaded: no seat for another call.
        """
        for attempt in count(1):
            result = await self._attempt(request, deadline, priority, edge, spend)
            if isinstance(result, Reply):
                return result
            pause = self._decide_pause(request, result, attempt, deadline, priority)
            if pause is None:
                raise result.error
            await self._clock.sleep(pause)
        raise AssertionError

    async def _attempt(
        self,
        request: VendorRequest,
        deadline: float,
        priority: Priority,
        edge: Mapping[str, str] | None,
        spend: Callable[[], None],
    ) -> Reply | _Failure:
        group, background = request.endpoint.group, not priority.waits
        now = self._in_time(deadline)
        latest = max(now, min(now + self._settings.max_wait, deadline - self._settings.exchange_needs))
        self._health.check(group, now)
        queued = await self._bulkhead.take(background=background, wait_for=latest - now)
        try:
            if queued:
                self._health.check(group, self._in_time(deadline))
            spent = await self._take_slot(priority, latest, request.key)
            try:
                began_at = self._in_time(deadline)
                admission = self._health.admit(group, began_at)
            except ServiceError:
                self._slots.refund(spent)
                raise
            spend()
            return await self._exchange(request, spent, admission, began_at, deadline, edge)
        finally:
            self._bulkhead.leave(background=background)

    async def _exchange(
        self,
        request: VendorRequest,
        spent: Spent,
        admission: Admission,
        began_at: float,
        deadline: float,
        edge: Mapping[str, str] | None,
    ) -> Reply | _Failure:
        self._retries.note_sent(began_at)
        judged = _CANCELLED  # which it remains unless something comes back
        try:
            judged = await self._client.ask(request, deadline - began_at, edge)
        finally:
            now, judgement = self._clock.monotonic(), judged.judgement
            took = now - began_at
            self._health.settle(admission, judgement, now, _wish(judged))
            self._observer.notify(VendorCalled(admission.group, judgement.outcome, judgement.status, took))
        answer, passes = judged.exchange, judgement.rule.passes
        if answer is not None:
            self._heed_limits(answer, judgement.outcome, spent, passes=passes)
            if passes:
                return Reply(
                    answer.status, answer.content_type, answer.body, began_at, answer.request_id, judged.results
                )
        retry = judgement.retry and not _wish(judged)
        return _Failure(self._error(judged, took), retry, free=judgement.outcome is Outcome.IDLE_CLOSED)

    async def _take_slot(self, priority: Priority, latest: float, key: str) -> Spent:
        asked_at = self._clock.monotonic()
        returns = key if priority is Priority.INTERACTIVE else None
        answer = await self._slots.take(self._keep_free[priority], latest, returns)
        now = self._clock.monotonic()
        if isinstance(answer, NoRoom):
            self._observer.notify(SlotRefused(priority))
            raise QuotaSpent(max(0.0, answer.next_at - now))
        self._observer.notify(SlotGranted(priority, now - asked_at))
        return answer

    def _heed_limits(self, answer: Exchange, outcome: Outcome, spent: Spent, *, passes: bool) -> None:
        """Tell the pacer what the answer says about the budget."""
        if outcome is Outcome.QUOTA:
            pause = self._slots.limited(spent, answer.retry_after or answer.spent_for)
            self._observer.notify(VendorLimited(pause))
            return
        if passes:
            self._slots.answered(spent)
        if answer.spent_for:
            self._slots.hold(answer.spent_for)

    def _decide_pause(
        self, request: VendorRequest, failure: _Failure, attempt: int, deadline: float, priority: Priority
    ) -> float | None:
        now = self._clock.monotonic()
        group = request.endpoint.group
        if not failure.retry or not self._health.admits(group, now):
            return None
        retry = self._settings.retry
        attempts = retry.interactive_attempts if priority.waits else retry.background_attempts
        decision = self._retries.decide(
            attempt=attempt, attempts=attempts, now=now, deadline=deadline, free=failure.free
        )
        if decision is Stopped.ATTEMPTS:
            return None
        self._observer.notify(VendorRetried(group, "done" if isinstance(decision, Pause) else decision.value))
        return decision.seconds if isinstance(decision, Pause) else None

    def _error(self, judged: Judged, took: float) -> ServiceError:
        judgement = judged.judgement
        match judgement.outcome:
            case Outcome.QUOTA:
                return QuotaSpent(max(0.0, self._slots.peek().next_at - self._clock.monotonic()))
            case Outcome.CREDENTIAL:
                return CredentialRefused(judgement.status or 401)
            case Outcome.TIMEOUT | Outcome.LOCAL:
                return VendorSlow(took)
            case _:
                return VendorFailed(judgement.outcome.value, judgement.status, _wish(judged))

    def _in_time(self, deadline: float) -> float:
        """Return the time, unless it is over."""
        now = self._clock.monotonic()
        if now >= deadline:
            raise VendorSlow(0.0)
        return now

    def override(self, mode: Override, by: str) -> None:
        """Force the breakers; `by` is the admin key's id."""
        self._health.override(mode, by)

    def reset(self) -> None:
        """Close the breakers and unlatch the key; an override stays."""
        self._health.reset()

    def snapshot(self) -> dict[str, Any]:
        """Return what `/status` shows, as plain data; lengths in seconds from now."""
        now = self._clock.monotonic()
        pacer = self._slots.peek()
        return {
            "quota": {
                "plan": self._settings.pacer.text,
                "level": round(pacer.level, 3),
                "remaining": pacer.remaining,
                "waiting": pacer.waiting,
                "next_slot_in": round(max(0.0, pacer.next_at - now), 3),
                "held_for": None if pacer.held_until is None else round(pacer.held_until - now, 3),
            },
            "calls": {"under_way": self._bulkhead.taken, "queued": self._bulkhead.waiting},
            "circuit_breaker": self._health.breaker_snapshot(now),
            "credential": self._health.key_snapshot(now),
        }

    def breaker_snapshot(self) -> dict[str, Any]:
        """Return what `/circuit-breaker` shows: `state`, `gauge` (0, 1, 2), `override` and each class."""
        return self._health.breaker_snapshot(self._clock.monotonic())

    async def aclose(self) -> None:
        """Close the connections to the vendor."""
        await self._client.aclose()


def _wish(judged: Judged) -> float | None:
    """Return the vendor's own Retry-After on a server error, in seconds; that of a 429 is the pacer's."""
    if judged.exchange is None or judged.judgement.outcome is not Outcome.SERVER:
        return None
    return judged.exchange.retry_after
