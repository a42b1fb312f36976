"""Who may call, and how often: the vendor's key check and call limit.

Decides on a presented credential, never keeps or repeats it. The limit is a sliding window; only admitted calls fill
it, so a caller who waits is served again.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Sequence

from stock_service.simulator.ask import Refusal

_EXCEEDED = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://polygon.io/pricing"
)


class Admission:
    """The keys that are accepted and the calls they may make; without `calls` any number."""

    def __init__(self, keys: Sequence[str], calls: int | None, per: float) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._calls, self._per = calls, per
        self._admitted: deque[float] = deque()

    def ask(self, credential: str | None, now: float) -> None:
        """Let a call through, or raise Refusal: 401 for a key that is not ours, 429 when the window is full."""
        if not credential:
            raise Refusal(401, {"status": "ERROR", "error": "API Key was not provided"})
        given = credential.encode("utf-8", "surrogateescape")
        if not any(hmac.compare_digest(given, key) for key in self._keys):
            raise Refusal(401, {"status": "ERROR", "error": "Unknown API Key"})
        while self._admitted and self._admitted[0] <= now - self._per:
            self._admitted.popleft()
        if self._calls is not None and len(self._admitted) >= self._calls:
            raise Refusal(429, {"status": "ERROR", "error": _EXCEEDED})
        self._admitted.append(now)

    def clear(self) -> None:
        """Begin with an empty window."""
        self._admitted.clear()
