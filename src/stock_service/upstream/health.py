"""Whether a call makes sense now, and what its result says: breakers and credential latch as one question.

Both permits are given or neither, both are settled or neither. Looking costs nothing and comes before any wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stock_service.base.errors import CircuitOpen, CredentialRefused
from stock_service.base.events import Observer
from stock_service.base.record import record
from stock_service.upstream.breaker import BreakerSettings, Override, Permit
from stock_service.upstream.breakers import Breakers, CredentialLatch
from stock_service.upstream.outcome import Judgement, Outcome


@record
class Admission:
    """The right to make one call of class `group`; must be settled exactly once."""

    group: str
    permit: Permit
    key_permit: Permit


class Health:
    """What is known about the vendor's and the key's condition."""

    def __init__(self, settings: BreakerSettings, draw: Callable[[], float], observer: Observer) -> None:
        self._breakers = Breakers(settings, draw, observer)
        self._latch = CredentialLatch(settings.lease_for, observer)
        self._refused_status = 401

    def check(self, group: str, now: float) -> None:
        """Raise what a call would meet now; changes nothing.

        Raises:
            CredentialRefused: the key is latched.
            CircuitOpen: the class is.
        """
        latched_until = self._latch.wait_until(now)
        if latched_until is not None:
            raise CredentialRefused(self._refused_status, latched_until - now)
        open_until = self._breakers.wait_until(group, now)
        if open_until is not None:
            raise CircuitOpen(open_until - now)

    def admit(self, group: str, now: float) -> Admission:
        """Return the right to make one call.

        Raises:
            CredentialRefused, CircuitOpen: as `check`.
        """
        self.check(group, now)
        permit, key_permit = self._breakers.ask(group, now), self._latch.ask(now)
        assert isinstance(permit, Permit)  # nothing ran since the check
        assert isinstance(key_permit, Permit)
        return Admission(group, permit, key_permit)

    def settle(self, admission: Admission, judgement: Judgement, now: float, retry_after: float | None) -> None:
        """Report what an admitted call came to."""
        if judgement.outcome is Outcome.CREDENTIAL and judgement.status is not None:
            self._refused_status = judgement.status
        rule = judgement.rule
        self._breakers.settle(admission.group, admission.permit, rule.health, now, retry_after)
        self._latch.settle(admission.key_permit, rule.key, now)

    def admits(self, group: str, now: float) -> bool:
        """Return whether a call would be let through now."""
        return self._breakers.wait_until(group, now) is None and self._latch.wait_until(now) is None

    def override(self, mode: Override, by: str) -> None:
        """Force the breakers, never the latch; `by` is the admin key's id."""
        self._breakers.override(mode, by)

    def reset(self) -> None:
        """Close the breakers and unlatch the key; an override stays."""
        self._breakers.reset()
        self._latch.reset()

    def breaker_snapshot(self, now: float) -> dict[str, Any]:
        """Return the breakers' state as plain data."""
        return self._breakers.snapshot(now)

    def key_snapshot(self, now: float) -> dict[str, Any]:
        """Return the latch's state as plain data."""
        return self._latch.snapshot(now)
