"""A clock whose wall time stands still while monotonic time and sleeping are real."""

from __future__ import annotations

from stock_service.base.clock import SystemClock


class FrozenWall(SystemClock):
    """Always the same instant: two questions asked one after the other get the same answer from a simulator."""

    __slots__ = ("_wall",)

    def __init__(self, wall: float) -> None:
        self._wall = wall

    def wall(self) -> float:
        return self._wall
