"""What a hit costs, counted in calls: the same on every machine, however busy it is.

`python -m bench micro` has the nanoseconds. A call is worth thirty to sixty of them; one that slips into every hit is
seen here before anybody measures.
"""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from tests.support.wire import HIT, KEY_LINES, Connection, Wire, get, key_line

_QUICK_KEY = "stk_quick_0123456789abcdef0123456789abcdef"
_TRACE = "traceparent: 00-0af7651916cd43dd8448eb211c80319{}-b7ad6b7169203331-01"


def _calls(connection: Connection, raw: bytes) -> int:
    """Return how many functions, of Python or C, one request calls."""
    seen = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call") and argument is not sys.setprofile

    sys.setprofile(count)
    try:
        connection.protocol.data_received(raw)
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize(
    ("most", "method", "fields", "key"),
    [
        (10, "GET", "", None),
        (10, "HEAD", "", None),
        (10, "GET", "", _QUICK_KEY),
        (11, "GET", "If-None-Match: {etag}", None),
        (18, "GET", _TRACE, None),
        (18, "GET", "X-Of-Another-Make: {0};{0}", None),
    ],
)
async def test_a_hit_calls_few_functions(most: int, method: str, fields: str, key: str | None) -> None:
    wire = Wire()
    wire.keys.become((*KEY_LINES, key_line(_QUICK_KEY, limit="1000/s")))
    wire.gate.refresh(wire.clock.monotonic(), wire.clock.wall())

    def asked(number: int) -> bytes:
        line = fields.format(number, etag=wire.entry(HIT).pack().etag.decode()) if fields else ""
        return get(HIT, *([line] if line else []), method=method, **({"key": key} if key else {}))

    await wire.warm(get(HIT, method=method))
    connection = await wire.connect().send(asked(0), asked(1), asked(2), asked(3))
    hits = wire.hits
    assert _calls(connection, asked(4)) <= most
    assert wire.hits == hits + 1
