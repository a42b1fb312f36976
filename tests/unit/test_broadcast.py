"""Several observers hear of an event in order, and a listener only of what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stock_service.base.broadcast import Broadcast
from stock_service.base.events import CacheHit, CacheMissed, Event, Faulted

HIT, MISS = CacheHit("prev", "a"), CacheMissed("prev", "a")


class Everything:
    """An observer."""

    def __init__(self, heard: list[tuple[str, Event]]) -> None:
        self.heard = heard

    def notify(self, event: Event) -> None:
        """Keep `event`."""
        self.heard.append(("everything", event))


class Broken(Everything):
    """An observer with a fault; `heard` tells that it was asked."""

    def notify(self, event: Event) -> None:
        """Raise."""
        super().notify(event)
        raise ValueError


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


def test_an_observer_that_raises_disturbs_nobody_and_the_others_hear_of_its_fault_once() -> None:
    """Its fault to hear of a fault is told to nobody: that would not end."""
    before: list[tuple[str, Event]] = []
    broken: list[tuple[str, Event]] = []
    after: list[tuple[str, Event]] = []
    broadcast = Broadcast(Everything(before), Broken(broken), Everything(after))
    broadcast.notify(HIT)
    assert [type(event) for _, event in before] == [CacheHit, Faulted]
    assert [type(event) for _, event in broken] == [CacheHit, Faulted]
    assert [type(event) for _, event in after] == [Faulted, CacheHit]
    assert [(each.where, type(each.error)) for _, each in after if isinstance(each, Faulted)] == [
        ("observer", ValueError)
    ]
