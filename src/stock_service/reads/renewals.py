"""When a failed renewal may be tried again, per key: 1 s doubling to 30 s, jittered. A pure machine.

Without it every request for a stale answer would try the failing vendor again (Varnish's "saint mode").
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_AFTER = 1.0
LONGEST_AFTER = 30.0
_KEYS_MAX = 10_000


class Renewals:
    """Failed renewals by key.

    Args:
        jitter: returns a number in [0, 1); spreads the retries of keys that failed together.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._failed: dict[str, tuple[int, float]] = {}

    def __len__(self) -> int:
        """How many keys are backing off."""
        return len(self._failed)

    def retry_at(self, key: str) -> float:
        """Return the monotonic second from which `key` may be renewed; 0 when its last renewal did not fail."""
        failed = self._failed.get(key)
        return 0.0 if failed is None else failed[1]

    def settle_failure(self, key: str, now: float, retry_after: float | None = None) -> float:
        """Note a failed renewal and return the seconds until the next may be tried.

        A `retry_after` of the refusal (open breaker, spent quota) is a floor up to `LONGEST_AFTER`.
        """
        count = self._failed.get(key, (0, 0.0))[0] + 1
        step = min(LONGEST_AFTER, FIRST_AFTER * 2.0 ** min(count - 1, 10))
        after = step * (0.75 + 0.5 * self._jitter())
        if retry_after is not None:
            after = max(after, min(retry_after, LONGEST_AFTER))
        while len(self._failed) >= _KEYS_MAX and key not in self._failed:
            self._failed.pop(next(iter(self._failed)))
        self._failed[key] = (count, now + after)
        return after

    def settle_success(self, key: str) -> None:
        """Forget the failures of `key`."""
        self._failed.pop(key, None)
