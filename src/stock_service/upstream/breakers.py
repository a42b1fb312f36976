"""The breakers of all endpoint classes, the credential latch, and the news they make.

One breaker per class: a broken route must not silence the others. The latch is one machine for the key, with its
own numbers. Each replica judges for itself; health is never shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stock_service.base.events import (
    BreakerMoved,
    BreakerOverridden,
    CredentialAccepted,
    CredentialLatched,
    LateResultDropped,
    Observer,
)
from stock_service.upstream.breaker import (
    LATCH_SETTINGS,
    Breaker,
    BreakerSettings,
    BreakerView,
    Override,
    Permit,
    Settlement,
    State,
    Verdict,
    Wait,
)

_CLASSES_MAX = 64  # classes come from a closed table; the bound keeps a mistake there from growing memory
_REST = "rest"


class Breakers:
    """Breakers by endpoint class, made when first needed."""

    def __init__(self, settings: BreakerSettings, draw: Callable[[], float], observer: Observer) -> None:
        self._settings = settings
        self._draw = draw
        self._observer = observer
        self._override = Override.NONE
        self._breakers: dict[str, Breaker] = {}

    def ask(self, group: str, now: float) -> Permit | Wait:
        """Ask to make one call of class `group`."""
        breaker = self._breakers.get(group) or self._make(group)
        answer = breaker.ask(now)
        if breaker.moves:
            self._tell(group, breaker)
        return answer

    def settle(
        self, group: str, permit: Permit, verdict: Verdict, now: float, retry_after: float | None = None
    ) -> None:
        """Report the result of a permitted call."""
        breaker = self._breakers.get(group) or self._make(group)
        settlement = breaker.settle(permit, verdict, now, retry_after)
        if breaker.moves:
            self._tell(group, breaker)
        if settlement is Settlement.LATE:
            self._observer.notify(LateResultDropped(self._name(group)))

    def wait_until(self, group: str, now: float) -> float | None:
        """Return when a call of class `group` may be asked for again; None: now. Changes nothing."""
        breaker = self._breakers.get(group) or self._make(group)
        return breaker.wait_until(now)

    def override(self, mode: Override, by: str) -> None:
        """Force all classes, present and future; `by` is the admin key's id."""
        self._override = mode
        for breaker in self._breakers.values():
            breaker.override = mode
        self._observer.notify(BreakerOverridden(mode.value, by))

    def reset(self) -> None:
        """Close all and forget what they counted; an override stays."""
        for name, breaker in self._breakers.items():
            breaker.reset()
            self._tell(name, breaker)

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return the state of all classes for `/circuit-breaker`: `state` and `gauge` are the worst of them.

        `due_for` is for how many seconds all that are open have waited for somebody to ask.
        """
        views = {name: breaker.peek(now) for name, breaker in sorted(self._breakers.items())}
        forced = {Override.FORCE_OPEN: State.OPEN}.get(self._override, State.CLOSED)
        waited = [view.due_for for view in views.values() if view.state is State.OPEN]
        worst = max((view.state for view in views.values()), default=forced)
        return {
            "state": worst.name.lower(),
            "gauge": int(worst),
            "due_for": round(min(waited, default=0.0), 3),
            "override": self._override.value,
            "late_results": sum(view.late for view in views.values()),
            "classes": {name: describe_view(view, now) for name, view in views.items()},
        }

    def _make(self, group: str) -> Breaker:
        """Return the breaker of a class that has none yet: its own while there is room, else one for all the rest."""
        name = group if len(self._breakers) < _CLASSES_MAX - 1 else _REST
        if name not in self._breakers:
            self._breakers[name] = Breaker(self._settings, self._draw)
            self._breakers[name].override = self._override
        return self._breakers[name]

    def _name(self, group: str) -> str:
        return group if group in self._breakers else _REST

    def _tell(self, group: str, breaker: Breaker) -> None:
        for move in breaker.take_moves():
            before, after = move.before.name.lower(), move.after.name.lower()
            self._observer.notify(BreakerMoved(self._name(group), before, after, move.open_for))


class CredentialLatch:
    """Stops calling with a key the vendor keeps refusing: it burns quota and may get the key banned."""

    def __init__(self, lease_for: float, observer: Observer) -> None:
        self._breaker = Breaker(replace(LATCH_SETTINGS, lease_for=lease_for), lambda: 0.5)
        self._observer = observer

    def ask(self, now: float) -> Permit | Wait:
        """Ask to make one call with the key."""
        answer = self._breaker.ask(now)
        if self._breaker.moves:
            self._tell()
        return answer

    def settle(self, permit: Permit, verdict: Verdict, now: float) -> None:
        """Report what the vendor thought of the key; `IGNORED` when the answer did not tell."""
        if verdict is Verdict.SUCCESS and not self._breaker.run:
            return  # there is no refusal it could make good
        self._breaker.settle(permit, verdict, now)
        if self._breaker.moves:
            self._tell()

    def wait_until(self, now: float) -> float | None:
        """Return when the key may be tried again; None: now. Changes nothing."""
        return self._breaker.wait_until(now)

    def reset(self) -> None:
        """Unlatch, for instance after the key was replaced."""
        self._breaker.reset()
        self._tell()

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return the latch's state for `/status`."""
        view = self._breaker.peek(now)
        return {"latched": view.state is not State.CLOSED, "refused_in_a_row": view.run, **_next_try(view, now)}

    def _tell(self) -> None:
        for move in self._breaker.take_moves():
            if move.after is State.OPEN:
                self._observer.notify(CredentialLatched(move.open_for))
            elif move.after is State.CLOSED:
                self._observer.notify(CredentialAccepted())


def describe_view(view: BreakerView, now: float) -> dict[str, Any]:
    """Return one breaker's state as plain data; lengths in seconds from `now`."""
    return {
        "state": view.state.name.lower(),
        "calls": view.total,
        "failures": view.failures,
        "failures_in_a_row": view.run,
        **_next_try(view, now),
    }


def _next_try(view: BreakerView, now: float) -> dict[str, Any]:
    wait_for = None if view.wait_until is None else round(max(0.0, view.wait_until - now), 3)
    return {"next_try_in": wait_for}
