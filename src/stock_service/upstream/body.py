"""One answer's body, collected and decoded under limits.

Decodes as it comes, in steps, so that a bomb is refused after a few hundred kilobytes and costs no more than that.
Never returns part of a body.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from stock_service.upstream.outcome import ExchangeFailed, Fault

_STEP_BYTES = 256 * 1024
_GZIP_WBITS = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`max_bytes` counts decoded bytes. `max_ratio` is decoded to coded bytes, judged beyond the first step.

    The vendor's largest page, 50,000 quotes at some 250 bytes and up to 350, must fit.
    """

    max_bytes: int = 20 * 1024 * 1024
    max_ratio: int = 100


class BodyCollector:
    """Takes chunks as they arrive; `coding` is the answer's `Content-Encoding`."""

    __slots__ = ("_coded_bytes", "_inflater", "_limits", "_parts", "_size_bytes")

    def __init__(self, coding: str, limits: BodyLimits) -> None:
        word = coding.strip().lower()
        if word not in ("", "identity", "gzip", "x-gzip"):
            raise ExchangeFailed(Fault.CODING)
        self._inflater = zlib.decompressobj(_GZIP_WBITS) if word.endswith("gzip") else None
        self._limits = limits
        self._parts: list[bytes] = []
        self._coded_bytes = 0
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk.

        Raises:
            ExchangeFailed: too large, too well compressed, or not what the coding says.
        """
        if self._inflater is None:
            self._coded_bytes += len(chunk)
            self._keep(chunk)
            return
        rest, more = chunk, True
        while rest or more:
            if self._inflater.eof:
                raise ExchangeFailed(Fault.CODING)  # a second member, or rubbish behind the first
            try:
                part = self._inflater.decompress(rest, _STEP_BYTES)
            except zlib.error:
                raise ExchangeFailed(Fault.CODING) from None
            left = self._inflater.unconsumed_tail or self._inflater.unused_data
            self._coded_bytes += len(rest) - len(left)
            self._keep(part)
            rest = left
            # A full step may leave output inside zlib although all input is taken.
            more = len(part) == _STEP_BYTES and not self._inflater.eof

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            ExchangeFailed: the coding had not ended.
        """
        if self._inflater is not None and self._coded_bytes and not self._inflater.eof:
            raise ExchangeFailed(Fault.LOST_LATE)
        return b"".join(self._parts)

    def _keep(self, part: bytes) -> None:
        self._size_bytes += len(part)
        if self._size_bytes > self._limits.max_bytes:
            raise ExchangeFailed(Fault.TOO_LARGE)
        if self._size_bytes > _STEP_BYTES and self._size_bytes > self._limits.max_ratio * self._coded_bytes:
            raise ExchangeFailed(Fault.BOMB)
        self._parts.append(part)
