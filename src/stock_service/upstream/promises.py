"""Whom we sent away with a time, so that a slot is free when each of them comes back.

Told the same time, twenty clients would come back at once for five slots, and one that asks four times, as the
official client does, would give up. So each hears a time of its own, and what it was told is kept for it until it is
plainly not coming. Where several in a row did not come (a scan that asks and goes), nothing is kept until one does.
Pure: `now` is monotonic seconds. Bounded in number and in time.
"""

from __future__ import annotations

from collections.abc import Hashable

_ABSENT_AFTER = 2.0  # `Retry-After` is in whole seconds, rounded up; and there is the way
_BROKEN_MAX = 5  # absent in a row: a slot kept for nobody is a slot lost, and the others are sent away for longer


class Promises:
    """Times told, by asker. At most `most` of them: more are told a time, but nothing is kept for them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._told: dict[Hashable, float] = {}
        self._broken = 0  # since one was kept

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._told)

    def told(self, asker: Hashable) -> float | None:
        """Return the time `asker` was told, if something is kept for it."""
        return self._told.get(asker)

    def give(self, asker: Hashable, at: float) -> None:
        """Note that `asker` was told to come back at `at`; what it was told before is void."""
        self._told.pop(asker, None)
        if len(self._told) < self._most:
            self._told[asker] = at

    def end(self, asker: Hashable) -> None:
        """Keep nothing for `asker` any longer: it has what it came for."""
        if self._told.pop(asker, None) is not None:
            self._broken = 0

    def times(self, now: float, other_than: Hashable = None) -> list[float]:
        """Return the times to keep for others, ascending."""
        for asker in [asker for asker, at in self._told.items() if at < now - _ABSENT_AFTER]:
            del self._told[asker]
            self._broken += 1
        if self._broken >= _BROKEN_MAX:
            return []
        return sorted(at for asker, at in self._told.items() if asker != other_than)
