"""One client's conversation with a service: how an input is sent, what is heard, and what must hold meanwhile.

The first two bytes of an input are the plan: whether the connection has been used before, whether the client reads,
how the rest is cut into segments.
"""

from __future__ import annotations

import random
import re
from enum import Enum
from functools import cache

from stock_service.web.hit_protocol import HitProtocol
from tests.fuzz.service import HELD_MAX_BYTES, REQUEST_ID, SOFT_HIT, Service
from tests.support.wire import HIT, FakeTransport, get

_CHANGING = [get(HIT, f"X-Changing: {number}", f"X-Request-Id: r{number}") for number in (1, 22, 333)]
_OWN_ID = re.compile(rb"(?<=\r\nx-request-id: )t-h[0-9a-f]+(?=\r\n)")


class Quirk(Enum):
    """What is unusual about a conversation; each comes with one in four values of the first byte."""

    USED = 0b11  # a plain header block is remembered on the connection
    STALLED = 0b1100  # the client reads nothing until it has sent everything
    TWICE = 0b110000  # asked on a second connection too, after the first may have taught something
    SOFT = 0b11000000  # the well-known path means an answer past its fresh time
    CHANGING = 0b10000001  # a block with holes is remembered on the connection


Plan = frozenset[Quirk]


def read_plan(data: bytes) -> tuple[Plan, list[bytes]]:
    """Return how to send an input, and its segments; the second byte is the seed of where they are cut."""
    plan, cut, raw = _plan_of(data[:1]), data[1] if len(data) > 1 else 0, data[2:]
    if Quirk.SOFT in plan:
        raw = raw.replace(HIT.encode(), SOFT_HIT.encode())
    if cut % 4 == 0 or len(raw) < 2:
        return plan, [raw]
    if cut == 1:
        return plan, [raw[at : at + 1] for at in range(len(raw))]
    draw = random.Random(cut)
    offsets = sorted(draw.randrange(1, len(raw)) for _ in range(cut % 8))
    return plan, [raw[start:end] for start, end in zip([0, *offsets], [*offsets, len(raw)], strict=True)]


@cache
def _plan_of(first: bytes) -> Plan:
    return frozenset(each for each in Quirk if first and first[0] & each.value == each.value)


def converse(service: Service, plan: Plan, segments: list[bytes]) -> tuple[bytes, bool]:
    """Return what a client hears that sends `segments`, and whether the server ended the connection."""
    with service.loop.current():
        protocol, transport = service.connect()
        before = [get()] * 3 if Quirk.USED in plan else []
        before += _CHANGING if Quirk.CHANGING in plan else []
        for raw in before:
            protocol.data_received(raw)
            service.loop.turn()
        service.methods.clear()
        transport.written.clear()
        transport.stalled = Quirk.STALLED in plan
        waiting = b""
        for segment in segments:
            waiting = _deliver(service, protocol, transport, waiting + segment)
        if transport.stalled:
            transport.drained()
            service.loop.turn()
        while waiting and transport.reading and not transport.is_closing():
            waiting = _deliver(service, protocol, transport, waiting)
        ended = transport.is_closing() or transport.ended
        service.hang_up(protocol)
    return _OWN_ID.sub(REQUEST_ID.encode(), transport.written), ended


def _deliver(service: Service, protocol: HitProtocol, transport: FakeTransport, data: bytes) -> bytes:
    """Deliver what the server reads; return what waits in the socket."""
    if not data or not transport.reading or transport.is_closing():
        return data
    protocol.data_received(data)
    service.loop.turn()
    if transport.reading:
        assert len(protocol.rest) <= HELD_MAX_BYTES, f"{len(protocol.rest)} bytes are held while more are read"
    assert len(protocol.rest) <= HELD_MAX_BYTES + len(data)
    assert not protocol.pipeline, "uvicorn's own queue was used"
    return b""


def check_order(ids: list[str], raw: bytes) -> None:
    """The ids that clients gave come back in the order they were sent in."""
    at = 0
    for each in ids:
        if each not in (REQUEST_ID, "refused-0"):
            at = raw.find(each.encode("latin-1"), at) + len(each)
            assert at >= len(each), f"answers are out of order: {ids}"
