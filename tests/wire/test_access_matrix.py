"""Who is let in depends neither on the lane nor on what is kept: thirty-four credentials, five kinds of answer."""

from __future__ import annotations

import pytest

from tests.support.corpus import head
from tests.support.told import Told, told_on
from tests.support.wire import HIT, KEY, OTHER_KEY, REVOKED_KEY, Wire, get, key_line
from tests.support.wire import KEY_LINES as USUAL_KEY_LINES

_EXPIRED_KEY = "stk_old01_0123456789abcdef0123456789abcdef"
_KEY_LINES = (*USUAL_KEY_LINES, key_line(_EXPIRED_KEY, expires="2020-01-01T00:00:00Z"))
_BEARER, _OTHER = f"Authorization: Bearer {KEY}", f"Authorization: Bearer {OTHER_KEY}"

# What is in the query, what is in the head, and what that is worth.
CASES: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("", (_BEARER,), 200),
    ("", (_OTHER,), 200),
    ("", (f"authorization: bearer {KEY}",), 200),
    ("", (f"AUTHORIZATION: BEARER {KEY}",), 200),
    ("", (f"Authorization:Bearer {KEY}",), 200),
    ("", (f"Authorization: Bearer   {KEY}  ",), 200),
    ("", (_BEARER, _BEARER), 200),
    ("", (_BEARER, "Cookie: apiKey=whatever"), 200),
    (f"apiKey={KEY}", (), 200),
    (f"apikey={KEY}", (), 200),
    (f"api%4Bey={KEY}", (), 200),
    (f"apiKey={KEY}", (_BEARER,), 200),
    ("apiKey=", (_BEARER,), 200),
    ("", (), 401),
    ("", ("Authorization:",), 401),
    ("", ("Authorization: Bearer",), 401),
    ("", ("Authorization: Basic dXNlcjpwYXNz",), 401),
    ("", (f"Authorization: Basic {KEY}",), 401),
    ("", (f"Authorization: {KEY}",), 401),
    ("", (f"{_BEARER}x",), 401),
    ("", (_BEARER[:-1],), 401),
    ("", (f"Authorization: Bearer {KEY.upper()}",), 401),
    ("", (f"Authorization: Bearer {KEY}, Bearer {OTHER_KEY}",), 401),
    ("", (f"X-Api-Key: {KEY}",), 401),
    ("", (f"Proxy-Authorization: Bearer {KEY}",), 401),
    ("", (f"Authorization: Bearer {REVOKED_KEY}",), 401),
    ("", (f"Authorization: Bearer {_EXPIRED_KEY}",), 401),
    (f"apiKey={REVOKED_KEY}", (), 401),
    (f"apiKey={KEY}x", (), 401),
    ("apiKey", (), 401),
    ("", (_BEARER, _OTHER), 400),
    (f"apiKey={OTHER_KEY}", (_BEARER,), 400),
    (f"apiKey={KEY}&apiKey={OTHER_KEY}", (), 400),
    ("", (f"Authorization: Bearer {REVOKED_KEY}", _BEARER), 400),
)
KINDS = ("hit", "soft", "miss", "304", "HEAD")


async def _ready(kind: str, *, taught: bool) -> Wire:
    """Return a service that keeps the answer, or does not, and has believed each good credential."""
    wire = Wire(taught=taught)
    wire.keys.become(_KEY_LINES)
    wire.gate.refresh(wire.clock.monotonic(), wire.clock.wall())
    queries = {query for query, _, status in CASES if status == 200}
    queries |= {f"apiKey={OTHER_KEY}", ""}  # alone it is good
    warm = [get(f"{HIT}?{query}", key=None) for query in queries if query] + [get(), get(key=OTHER_KEY)]
    await wire.warm(*warm, get(method="HEAD"))
    if kind == "soft":
        wire.clock.shift(61.0)
        await wire.warm(get(), get(key=OTHER_KEY))  # their credentials are believed anew
    return wire


async def _verdict(wire: Wire, kind: str, query: str, fields: tuple[str, ...], name: str) -> Told:
    """Ask twice on one connection: what the first has taught, the second may use."""
    target = HIT if kind != "miss" else f"/v2/aggs/ticker/{name}/prev"
    method = "HEAD" if kind == "HEAD" else "GET"
    line = f"{method} {target}{'?' if query else ''}{query} HTTP/1.1"
    conditional = ("If-None-Match: *",) if kind == "304" else ()
    raw = head(line, "Host: gateway", *fields, *conditional)
    connection = await wire.connect().send(raw, raw)
    return told_on(connection, (method, method))


def test_there_are_at_least_thirty_cases() -> None:
    assert len({(query, fields) for query, fields, _ in CASES}) == len(CASES) >= 30


@pytest.mark.parametrize("kind", KINDS)
async def test_both_lanes_let_the_same_ones_in(kind: str) -> None:
    fast, slow = await _ready(kind, taught=True), await _ready(kind, taught=False)
    before = fast.hits
    for number, (query, fields, status) in enumerate(CASES):
        told = await _verdict(fast, kind, query, fields, f"N{number}")
        assert told == await _verdict(slow, kind, query, fields, f"N{number}"), (query, fields)
        wanted = 304 if kind == "304" and status == 200 else status
        assert [answer[0] for answer in told[0]] == [wanted, wanted], (query, fields)
    assert fast.hits - before >= 8, "the fast lane has answered some of them"
    assert slow.hits == 0
