"""Connections keep at hand whom a remembered credential belongs to; what the table says still counts at once."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any, cast

from stock_service.access.gate import Client
from stock_service.vendor.request import parse_request
from stock_service.web.exchange import Exchange
from stock_service.web.lookup import TRUSTED_MAX, HitClient
from tests.support.wire import HIT, KEY, Wire, get


def _learn(wire: Wire, credential: str, client: HitClient) -> None:
    """Let the tables take note that `client` was answered with this credential just now."""
    now = wire.clock.monotonic()
    exchange = Exchange(
        method="GET",
        path=HIT,
        query=b"",
        headers=(),
        peer="",
        scheme="http",
        local=b"",
        started_at=now,
        deadline=now,
        request_id="",
        receive=cast("Any", None),
        credential=credential,
    )
    wire.lookup.learn(exchange, parse_request(HIT, ""), wire.entry(HIT), client)


async def test_a_credential_that_changed_hands_is_its_new_owners() -> None:
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    old, new = wire.lookup.trusted[KEY].client, Client("another")
    asked = old.requests
    _learn(wire, KEY, new)
    await connection.send(get(), get())
    assert (old.requests - asked, new.requests) == (0, 2)


async def test_a_credential_pushed_out_of_the_table_is_checked_anew() -> None:
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    hits, client = wire.hits, wire.lookup.trusted[KEY].client
    for number in range(TRUSTED_MAX):
        _learn(wire, str(number), client)
    assert KEY not in wire.lookup.trusted
    await connection.send(get())
    assert wire.hits == hits
    await connection.send(get())
    assert wire.hits == hits + 1


async def test_long_credentials_are_judged_and_not_remembered() -> None:
    """Whoever may send any, or is refused each time, could fill the memory with them: 30 KB each, by the thousand."""
    for anonymous, status in ((False, 401), (True, 200)):
        wire = Wire(anonymous=anonymous)
        await wire.warm(get())
        connection = wire.connect()
        tracemalloc.start()
        try:
            for number in range(200):
                await connection.send(get(key=f"{number:030000}"))
                assert connection.transport.written.startswith(b"HTTP/1.1 %d" % status)
                connection.transport.written.clear()
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 50 * 30_000
        finally:
            tracemalloc.stop()


async def test_a_credential_is_believed_on_while_it_is_checked() -> None:
    """Each full check counts from its own beginning, on connections that were there before too."""
    wire = Wire()
    await wire.warm(get())
    connection = await wire.connect().send(get(), get(), get())
    hits = wire.hits
    for _ in range(3):
        wire.clock.shift(1.9)
        _learn(wire, KEY, wire.lookup.trusted[KEY].client)
        await connection.send(get())
    assert wire.hits == hits + 3
    wire.clock.shift(2.0)
    await connection.send(get())
    assert wire.hits == hits + 3
