"""Header blocks that differ from request to request only in a trace or request id, recognised without parsing.

A template is made of a block the parser has accepted; the value of a few named fields is a hole. Another block fits
when every byte outside the holes is the same and each hole holds as many characters as before, letters, digits and
hyphens only: such a value cannot end its line, nor mean anything to the framing or to our answer. Pure.
"""

from __future__ import annotations

import re

# Sent with every request by tracing libraries and ingresses, always with a new value of the same length.
_HOLE = re.compile(
    rb"^(?:traceparent|x-request-id|x-correlation-id|x-trace-id|b3|x-b3-traceid|x-b3-spanid|x-b3-parentspanid)"
    rb": ?([0-9A-Za-z-]+)\r$",
    re.IGNORECASE | re.MULTILINE,
)
_REQUEST_ID = b"x-request-id"
_HOLES_MAX = 4


class Template:
    """What stays the same in a block of header lines, and where the rest is."""

    __slots__ = ("_fixed", "_holes", "_length", "request_id")

    def __init__(self, block: bytes) -> None:
        fixed: list[tuple[slice, bytes]] = []
        holes: list[slice] = []
        at = 0
        self.request_id: slice | None = None
        for match in list(_HOLE.finditer(block))[:_HOLES_MAX]:
            hole = slice(*match.span(1))
            fixed.append((slice(at, hole.start), block[at : hole.start]))
            holes.append(hole)
            at = hole.stop
            if match[0][: len(_REQUEST_ID)].lower() == _REQUEST_ID:
                self.request_id = hole
        fixed.append((slice(at, None), block[at:]))
        self._fixed = tuple(fixed)
        self._holes = tuple(holes)
        self._length = len(block)

    def __bool__(self) -> bool:
        """Whether there are holes: without, comparing the whole block is simpler."""
        return bool(self._holes)

    def fits(self, block: bytes) -> bool:
        """Return whether `block` differs from the template in harmless values only."""
        if len(block) != self._length:
            return False
        for part, expected in self._fixed:
            if block[part] != expected:
                return False
        for hole in self._holes:  # noqa: SIM110 - a generator would double the cost of the whole call
            if not block[hole].replace(b"-", b"").isalnum():
                return False
        return True
