"""The moment an answer is about."""

from __future__ import annotations

import pytest

from stock_service.vendor.endpoints import Group
from stock_service.vendor.moments import moment_of

STAMPED = [
    (Group.LAST, b'{"status":"OK","results":{"T":"AAPL","t":1763740800000000512,"y":1}}', 1_763_740_800_000_000_512.0),
    (Group.LAST, b'{"status":"success","symbol":"BTC-USD","last":{"timestamp":1763740800123}}', 1_763_740_800_123.0),
    (Group.CONV, b'{"status":"success","converted":1.2,"last":{"ask":1.1,"timestamp":17}}', 17.0),
    (Group.SNAP_STK, b'{"status":"OK","ticker":{"ticker":"AAPL","updated":42,"day":{"c":1}}}', 42.0),
    (Group.SNAP_CC, b'{"status":"OK","ticker":{"ticker":"X:BTCUSD","updated":43}}', 43.0),
    (Group.PREV, b'{"ticker":"AAPL","results":[{"T":"AAPL","t":1763740800000,"c":1.5}]}', 1_763_740_800_000.0),
]


@pytest.mark.parametrize(("group", "body", "moment"), STAMPED)
def test_the_vendors_stamp_is_read(group: Group, body: bytes, moment: float) -> None:
    """Wherever the route has it."""
    assert moment_of(group, body) == moment


@pytest.mark.parametrize(
    ("group", "body"),
    [
        (Group.BARS, b'{"results":[{"t":1}]}'),  # a range: its last bar is no moment
        (Group.SNAP_STK, b'{"ticker":{"updated":0}}'),  # cleared in the morning
        (Group.PREV, b'{"ticker":"AAPL","results":[]}'),
        (Group.PREV, b'{"ticker":"AAPL","resultsCount":0}'),
        (Group.LAST, b'{"results":{"t":"noon"}}'),
        (Group.LAST, b"\xff{"),
        (Group.LAST, b"[" * 4_000),
        (Group.LAST, b'{"results":{"t":1},"x":"' + b"x" * 4_096 + b'"}'),
    ],
)
def test_where_none_is_said_there_is_none(group: Group, body: bytes) -> None:
    """Nothing is compared then."""
    assert moment_of(group, body) is None
