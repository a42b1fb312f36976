"""Several observers where one is expected. Each is told of every event, in order, or only of the kinds it takes.

Always holds: what one of them raises reaches neither the others nor whoever tells; it is an event of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from stock_service.base.events import Event, Faulted, Observer


@runtime_checkable
class Listener(Observer, Protocol):
    """An observer that knows beforehand which kinds of events it takes."""

    def taker_of(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """Return what takes events of `kind`, or None when they are ignored; the answer never changes."""
        ...


class Broadcast:
    """Passes each event to several observers in order; to listeners only what they take."""

    __slots__ = ("_observers", "_takers")

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self._takers: dict[type[Event], list[Callable[[Any], None]]] = {}

    def notify(self, event: Event) -> None:
        """Pass `event` on."""
        takers = self._takers.get(type(event))
        if takers is None:
            takers = self._takers[type(event)] = self._find(type(event))
        for take in takers:
            try:
                take(event)
            except Exception as error:  # noqa: BLE001 - whoever tells is at its own work; an observer must not end it
                if not isinstance(event, Faulted):  # nobody is left to tell of what is wrong with telling of faults
                    self.notify(Faulted("observer", error))

    def _find(self, kind: type[Event]) -> list[Callable[[Any], None]]:
        takers = [each.taker_of(kind) if isinstance(each, Listener) else each.notify for each in self._observers]
        return [taker for taker in takers if taker is not None]
