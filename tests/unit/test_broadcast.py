"""Several observers hear of an event in order, and a listener only of what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stock_service.base.broadcast import Broadcast
from stock_service.base.events import CacheHit, CacheMissed, Event

HIT, MISS = CacheHit("prev", "a"), CacheMissed("prev", "a")


class Everything:
    """An observer."""

    def __init__(self, heard: list[tuple[str, Event]]) -> None:
        self.heard = heard

    def notify(self, event: Event) -> None:
        """Keep `event`."""
        self.heard.append(("everything", event))


class MissesOnly(Everything):
    """A listener; counts how often it is asked."""

    asked = 0

    def taker_of(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """Take misses."""
        self.asked += 1
        return self.take if kind is CacheMissed else None

    def take(self, event: Event) -> None:
        """Keep `event`."""
        self.heard.append(("misses", event))


def test_each_observer_hears_in_order_what_it_takes_and_is_asked_once_per_kind() -> None:
    heard: list[tuple[str, Event]] = []
    misses = MissesOnly(heard)
    broadcast = Broadcast(misses, Everything(heard))
    for event in (HIT, MISS, MISS):
        broadcast.notify(event)
    assert heard == [("everything", HIT), *[("misses", MISS), ("everything", MISS)] * 2]
    assert misses.asked == 2
