"""Whether an answer that says "nothing there" may take the place of one that said something. A pure machine.

The vendor has answered "no results" under load (docs/vendor.md), so the first such answer is doubted and the second
in a row believed. While in doubt the kept answer stays, as if the renewal had failed.
"""

from __future__ import annotations

from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.policy import confirms_empty
from stock_service.vendor.payloads import inspect_body

_KEYS_MAX = 10_000
_NOTHING_BYTES = 4_096  # no answer without content is longer; longer bodies are not looked into


class Doubts:
    """The keys whose last answer said "nothing" against a kept one that says something."""

    def __init__(self) -> None:
        self._doubted: dict[str, None] = {}

    def __len__(self) -> int:
        """How many keys are in doubt."""
        return len(self._doubted)

    def confirm(self, kept: Entry, reply: Reply) -> bool:
        """Return whether `reply` may replace `kept`, and remember the doubt when it may not yet."""
        new = _results(reply.status, reply.content_type, reply.body)
        old = _results(kept.status, kept.content_type.decode("ascii"), kept.body)
        if confirms_empty(old, new, kept.key in self._doubted):
            self._doubted.pop(kept.key, None)
            return True
        while len(self._doubted) >= _KEYS_MAX:
            self._doubted.pop(next(iter(self._doubted)))
        self._doubted[kept.key] = None
        return False


def _results(status: int, content_type: str, body: bytes) -> int:
    """Return 0 for "nothing there", any other number for something."""
    if status == 404:
        return 0
    if len(body) > _NOTHING_BYTES:
        return 1
    found = inspect_body(status, content_type, body).results
    return 1 if found is None else found
