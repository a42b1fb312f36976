"""Changes an input a little, as a careless or hostile sender would; the same seed gives the same changes.

Byte noise alone rarely gets past the first line of a request. So half of the changes keep to what structure there
is: they move, double and drop lines, join two inputs, insert words that mean something.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_EDGES = (b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"%", b"\x7f", b"\x80", b"\xff", b'"', b"\\")

Change = Callable[[bytes, random.Random], bytes]


class Mutator:
    """Makes inputs of at most `max_bytes` from `seeds` and `words`."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], max_bytes: int = 4_096) -> None:
        self._seeds = seeds
        self._words = (*words, *_EDGES)
        self._max_bytes = max_bytes
        self._changes: tuple[Change, ...] = (
            _flip, _drop, _double, self._insert, self._insert, self._splice, _move_line, _double_line, _drop_line, _cut
        )  # fmt: skip

    def make(self, draw: random.Random) -> bytes:
        """Return a new input: a seed, changed a few times."""
        return self.change(draw.choice(self._seeds), draw)

    def change(self, data: bytes, draw: random.Random) -> bytes:
        """Return `data` with one to six changes; sometimes as it is."""
        for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 6))):
            data = draw.choice(self._changes)(data, draw)
        return data[: self._max_bytes]

    def _insert(self, data: bytes, draw: random.Random) -> bytes:
        at = draw.randint(0, len(data))
        return data[:at] + draw.choice(self._words) + data[at:]

    def _splice(self, data: bytes, draw: random.Random) -> bytes:
        other = draw.choice(self._seeds)
        return data[: draw.randint(0, len(data))] + other[draw.randint(0, len(other)) :]


def _flip(data: bytes, draw: random.Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[draw.randrange(len(data))] = draw.choice((draw.randrange(256), 0x20, 0x0D, 0x0A, 0x30))
    return bytes(changed)


def _drop(data: bytes, draw: random.Random) -> bytes:
    start, end = _span(data, draw, 16)
    return data[:start] + data[end:]


def _double(data: bytes, draw: random.Random) -> bytes:
    start, end = _span(data, draw, 64)
    return data[:end] + data[start:end] * draw.choice((1, 1, 2, 8)) + data[end:]


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randint(0, len(data))]


def _move_line(data: bytes, draw: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    line = lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randint(0, len(lines)), line)
    return b"\r\n".join(lines)


def _double_line(data: bytes, draw: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    lines.insert(draw.randint(0, len(lines)), draw.choice(lines))
    return b"\r\n".join(lines)


def _drop_line(data: bytes, draw: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    del lines[draw.randrange(len(lines))]
    return b"\r\n".join(lines)


def _span(data: bytes, draw: random.Random, longest: int) -> tuple[int, int]:
    start = draw.randint(0, len(data))
    return start, min(len(data), start + draw.randint(1, longest))
