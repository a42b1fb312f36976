"""The value of the `Date` header, made once a second and shared by every response of that second."""

from __future__ import annotations

from email.utils import formatdate

from stock_service.base.clock import Clock


class HttpDate:
    """Caches the formatted date of the current wall-clock second."""

    __slots__ = ("_clock", "_second", "_value")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._value = b""

    def value(self) -> bytes:
        """Return the current date as RFC 9110's IMF-fixdate."""
        second = int(self._clock.wall())
        if second != self._second:
            self._second = second
            self._value = formatdate(second, usegmt=True).encode("ascii")
        return self._value
