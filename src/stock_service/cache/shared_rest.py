"""When to leave the shared store alone. A pure machine: decides, asks nothing.

The store is a help, never a need: from the first failure on everybody does without it and only a background beat
tries it again, so no request pays for finding out. Always holds: a store in doubt or at rest is asked by beats only;
a beat that succeeds ends both; besides those already waiting, at most `suspect_after` askers meet a store that hangs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_WINDOW_FOR = 10.0
_WINDOW_LEAST = 20


@dataclass(frozen=True, slots=True)
class RestSettings:
    """One failure, and the store is in doubt: the next beat, `doubt_for` seconds later at most, decides.

    Failures in a row, or a half of at least twenty within ten seconds, and it rests for `rest_for` seconds.
    `suspect_after` questions without any answer for `suspect_for` seconds: more would only wait as well.
    """

    consecutive: int = 5
    rest_for: float = 2.0
    doubt_for: float = 0.05
    suspect_after: int = 4
    suspect_for: float = 0.02


class Rest:
    """The state of one store as one process sees it. Starts away: the first beat says whether it is there."""

    __slots__ = ("_away_until", "_failures", "_recent", "_settings", "_waiting", "away", "doubtful")

    def __init__(self, settings: RestSettings) -> None:
        self._settings = settings
        self._recent: deque[tuple[float, bool]] = deque(maxlen=1_000)
        self._waiting: deque[float] = deque()  # when each unanswered question was asked, since the last answer
        self._failures = 0
        self._away_until = 0.0
        self.away = True
        self.doubtful = False

    def admits(self, now: float) -> bool:
        """Return whether another question may be asked now; changes nothing."""
        if self.away or self.doubtful:
            return False
        waiting, settings = self._waiting, self._settings
        return len(waiting) < settings.suspect_after or now - waiting[0] < settings.suspect_for

    def begin(self, now: float) -> None:
        """Take note of a question on its way."""
        self._waiting.append(now)

    def settle(self, now: float, *, ok: bool) -> bool:
        """Take note of its end; return whether that sent the store to rest."""
        if ok:
            self._waiting.clear()  # whoever still waits has seen it is alive
            self._failures = 0
            self.doubtful = False
        else:
            self._failures += 1
            self.doubtful = True
            if self._waiting:
                self._waiting.popleft()
        self._recent.append((now, ok))
        return not self.away and self._is_failing(now) and self.rest(now)

    def rest(self, now: float, for_seconds: float | None = None) -> bool:
        """Send the store to rest; return whether it was up."""
        was_up = not self.away
        self.away = True
        self._away_until = max(self._away_until, now + (for_seconds or self._settings.rest_for))
        return was_up

    def beat_due(self, now: float) -> bool:
        """Return whether a beat may try the store: always while it is up, after the rest while it is away."""
        return not self.away or now >= self._away_until

    def beat(self, now: float, *, ok: bool) -> bool:
        """Take note of a beat; return whether the store is up after it and was not before."""
        if not ok:
            self.settle(now, ok=False)
            return False
        came_back = self.away
        self.away = self.doubtful = False
        self._failures = 0
        self._waiting.clear()
        if came_back:
            self._recent.clear()
        return came_back

    def _is_failing(self, now: float) -> bool:
        if self._failures >= self._settings.consecutive:
            return True
        while self._recent and self._recent[0][0] < now - _WINDOW_FOR:
            self._recent.popleft()
        bad = sum(not ok for _, ok in self._recent)
        return len(self._recent) >= _WINDOW_LEAST and bad * 2 >= len(self._recent)
