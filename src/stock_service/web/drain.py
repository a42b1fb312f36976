"""Whether this process is leaving; asked by readiness, by both HTTP paths and by background work.

One way: a drain that started never ends otherwise than with the process.
"""

from __future__ import annotations

from collections.abc import Callable


class Drain:
    """Starts once and tells everyone who asked to be told, in the order they asked."""

    def __init__(self) -> None:
        self.started = False
        self._followers: list[Callable[[], None]] = []

    def on_start(self, follower: Callable[[], None]) -> None:
        """Have `follower` called when the drain starts."""
        self._followers.append(follower)

    def start(self) -> None:
        """Start draining; a second call changes nothing."""
        if self.started:
            return
        self.started = True
        for follower in self._followers:
            follower()
