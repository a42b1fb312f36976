"""The faults that lie on the wire: raw bytes instead of an answer.

No HTTP library lets one lie about lengths, so these write to the connection themselves; it ends with them.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from stock_service.simulator.faults import FaultKind, FaultRule
from stock_service.simulator.wire import Script, Wire

_FOREVER = 1e9


@dataclass(frozen=True, slots=True)
class WireFault:
    """A fault and the right answer it spoils: its status, body and type."""

    rule: FaultRule
    status: int
    body: bytes
    content_type: str

    @property
    def framed(self) -> bytes:
        """The right answer as bytes."""
        return self.head(f"Content-Length: {len(self.body)}") + self.body

    def head(self, *fields: str) -> bytes:
        """The right answer's head with these fields too."""
        line = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"
        lines = (line, "Server: nginx/1.19.2", f"Content-Type: {self.content_type}", *fields, "", "")
        return "\r\n".join(lines).encode("latin-1")


def script_for(fault: WireFault) -> Script | None:
    """What to write instead of the right answer; None when the fault does not work on the wire."""
    script = _SCRIPTS.get(fault.rule.kind)
    return None if script is None else lambda wire: script(wire, fault)


async def _hang(wire: Wire, fault: WireFault) -> None:
    await wire.pause(fault.rule.number("seconds", _FOREVER))


async def _slow_first_byte(wire: Wire, fault: WireFault) -> None:
    await wire.pause(fault.rule.number("seconds", 2.0))
    await wire.send(fault.framed)


async def _drip(wire: Wire, fault: WireFault) -> None:
    size = max(1, int(fault.rule.number("bytes", 1)))
    for start in range(0, len(fault.framed), size):
        await wire.send(fault.framed[start : start + size])
        await wire.pause(fault.rule.number("every", 0.5))


async def _reset(wire: Wire, fault: WireFault) -> None:
    await wire.send(fault.framed[: len(fault.framed) - max(1, len(fault.body) // 2)])
    wire.reset()


async def _short_body(wire: Wire, fault: WireFault) -> None:
    await wire.send(
        fault.head(f"Content-Length: {len(fault.body) + int(fault.rule.number('missing', 100))}") + fault.body
    )


async def _unended_chunks(wire: Wire, fault: WireFault) -> None:
    await wire.send(fault.head("Transfer-Encoding: chunked") + _chunk(fault.body))


async def _cut_json(wire: Wire, fault: WireFault) -> None:
    cut = fault.body[: max(1, len(fault.body) // 2)]
    await wire.send(fault.head(f"Content-Length: {len(cut)}") + cut)


async def _huge(wire: Wire, fault: WireFault) -> None:
    size = int(fault.rule.number("bytes", 1 << 30))
    await wire.send(fault.head(f"Content-Length: {size}"))
    await _flood(wire, size, lambda block: block)


async def _endless(wire: Wire, fault: WireFault) -> None:
    await wire.send(fault.head("Transfer-Encoding: chunked"))
    await _flood(wire, int(fault.rule.number("bytes", 1 << 40)), _chunk)


async def _gzip_bomb(wire: Wire, fault: WireFault) -> None:
    await wire.send(fault.head("Content-Encoding: gzip", "Transfer-Encoding: chunked"))
    for block in _bomb(int(fault.rule.number("bytes", 1 << 30))):
        await wire.send(_chunk(block))
    await wire.send(b"0\r\n\r\n")


async def _lying_coding(wire: Wire, fault: WireFault) -> None:
    coding = fault.rule.text("coding", "gzip")
    await wire.send(fault.head(f"Content-Encoding: {coding}", f"Content-Length: {len(fault.body)}") + fault.body)


async def _big_header(wire: Wire, fault: WireFault) -> None:
    filler = "X-Filler: " + "a" * int(fault.rule.number("bytes", 1 << 20))
    await wire.send(fault.head(filler, f"Content-Length: {len(fault.body)}") + fault.body)


async def _many_headers(wire: Wire, fault: WireFault) -> None:
    fillers = [f"X-Filler-{number}: a" for number in range(int(fault.rule.number("count", 100_000)))]
    await wire.send(fault.head(*fillers, f"Content-Length: {len(fault.body)}") + fault.body)


def _chunk(block: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(block), block)


async def _flood(wire: Wire, size: int, framed: Callable[[bytes], bytes]) -> None:
    block = b" " * 65_536
    for start in range(0, size, len(block)):
        await wire.send(framed(block[: size - start]))


def _bomb(size: int) -> Iterator[bytes]:
    """A gzip stream of `size` spaces, made a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    block = b" " * (1 << 20)
    for start in range(0, size, len(block)):
        packed = packer.compress(block[: size - start])
        if packed:
            yield packed
    yield packer.flush()


_SCRIPTS: dict[FaultKind, Callable[[Wire, WireFault], Awaitable[None]]] = {
    FaultKind.HANG: _hang,
    FaultKind.SLOW_FIRST_BYTE: _slow_first_byte,
    FaultKind.DRIP: _drip,
    FaultKind.RESET: _reset,
    FaultKind.SHORT_BODY: _short_body,
    FaultKind.UNENDED_CHUNKS: _unended_chunks,
    FaultKind.CUT_JSON: _cut_json,
    FaultKind.HUGE: _huge,
    FaultKind.ENDLESS: _endless,
    FaultKind.GZIP_BOMB: _gzip_bomb,
    FaultKind.LYING_CODING: _lying_coding,
    FaultKind.BIG_HEADER: _big_header,
    FaultKind.MANY_HEADERS: _many_headers,
}
