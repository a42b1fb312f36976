"""The simulator's own record of every call: the truth tests count by.

Bounded: the oldest calls fall out of the ring, the counters go on. Holds no key and no part of one.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

IN_FLIGHT = 0
"""The status of a call that has no answer yet, or never got one (hung, reset, refused mid-way)."""


@dataclass(slots=True)
class Call:
    """One call. `at` is the monotonic second it arrived, `target` its path and query without the key."""

    at: float
    path: str
    target: str
    status: int = IN_FLIGHT
    fault: str = ""


class CallLog:
    """The calls in order of arrival, the newest `capacity` of them."""

    def __init__(self, capacity: int = 200_000) -> None:
        self._calls: deque[Call] = deque(maxlen=capacity)
        self.total = 0
        self.statuses: Counter[int] = Counter()

    def begin(self, at: float, path: str, target: str) -> Call:
        """Note a call that arrived; its status follows with `settle`."""
        call = Call(at, path, target)
        self._calls.append(call)
        self.total += 1
        return call

    def settle(self, call: Call, status: int) -> None:
        """Note how a call was answered."""
        call.status = status
        self.statuses[status] += 1

    def calls(self, path_prefix: str = "") -> list[Call]:
        """The kept calls whose path begins so, oldest first."""
        return [call for call in self._calls if call.path.startswith(path_prefix)]

    def count(self, path_prefix: str = "") -> int:
        """How many kept calls have a path that begins so."""
        return sum(call.path.startswith(path_prefix) for call in self._calls)

    def busiest(self, window: float, path_prefix: str = "") -> int:
        """The most calls that arrived within any `window` seconds; a call exactly `window` later does not count."""
        times: deque[float] = deque()
        most = 0
        for call in self._calls:
            if not call.path.startswith(path_prefix):
                continue
            times.append(call.at)
            while times[0] <= call.at - window:
                times.popleft()
            most = max(most, len(times))
        return most

    def clear(self) -> None:
        """Forget everything, the counters too."""
        self._calls.clear()
        self.statuses.clear()
        self.total = 0
