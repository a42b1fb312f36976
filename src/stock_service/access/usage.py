"""The meters of a client: requests made, the vendor calls those caused, and what its own limit refused.

Counts only; decides nothing. Days are UTC. Always holds: a day's totals of one process only ever grow, so telling
them twice, or late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEPT_DAYS = 92


class ClientUsage(NamedTuple):
    """What one client has used since the process started. `limited` counts requests its own limit refused."""

    client: str
    requests: int
    vendor_calls: int
    limited: int


class Counts(NamedTuple):
    """Requests, vendor calls and refused requests."""

    requests: int = 0
    vendor_calls: int = 0
    limited: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return both together."""
        return Counts(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))

    def most(self, other: Counts) -> Counts:
        """Return the larger of each: two tellings of one total, the later of which is right."""
        return Counts(*(max(ours, theirs) for ours, theirs in zip(self, other, strict=True)))


ByClient = Mapping[str, Counts]


class Tally:
    """What this process counted, by day and client."""

    def __init__(self) -> None:
        self._seen: dict[str, Counts] = {}
        self._days: dict[str, dict[str, Counts]] = {}
        self._untold: set[tuple[str, str]] = set()

    def note(self, usage: Iterable[ClientUsage], day: str) -> None:
        """Take note of the meters as they stand on `day` (`2026-03-01`); what is new since the last time is of it."""
        for client, *meters in usage:
            now, before = Counts(*meters), self._seen.get(client, Counts())
            if now == before:
                continue
            self._seen[client] = now
            new = Counts(*(after - earlier for after, earlier in zip(now, before, strict=True)))
            clients = self._days.setdefault(day, {})
            clients[client] = clients.get(client, Counts()).plus(new)
            self._untold.add((day, client))
        while len(self._days) > KEPT_DAYS:
            oldest = min(self._days)
            del self._days[oldest]
            self._untold = {each for each in self._untold if each[0] != oldest}

    def of_day(self, day: str) -> ByClient:
        """Return the totals of `day`."""
        return self._days.get(day, {})

    def untold(self) -> Mapping[str, ByClient]:
        """Return the totals, by day, that have changed since they were `told`."""
        days: dict[str, dict[str, Counts]] = {}
        for day, client in self._untold:
            days.setdefault(day, {})[client] = self._days[day][client]
        return days

    def told(self, day: str, totals: ByClient) -> None:
        """Take note that the fleet knows these totals."""
        for client, counts in totals.items():
            if self._days.get(day, {}).get(client) == counts:
                self._untold.discard((day, client))

    def forget_told(self) -> None:
        """Take note that the fleet knows nothing any more."""
        self._untold = {(day, client) for day, clients in self._days.items() for client in clients}
