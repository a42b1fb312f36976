"""A block of header lines that only resembles the remembered one is read anew: same length, another meaning.

Each connection remembers a block first, whole or with holes for what changes in it. Then comes one in which a line of
no meaning, or the inside of a hole, has made room for a line that matters; the slow lane says what it means.
"""

from __future__ import annotations

import pytest

from tests.support.told import Told, told_on, warmed
from tests.support.wire import HIT, KEY, LINKED_HIT, OTHER_KEY, REVOKED_KEY, Wire

_ROOM = 90
_LINES = (
    "Connection: close",
    "Connection: keep-alive, close",
    "If-None-Match: *",
    "X-Request-Id: mine",
    "Accept: text/csv",
    "Accept-Encoding: identity",
    "Cache-Control: only-if-cached",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "Host: other:81",
    "Host : gateway",
    f"Authorization: Bearer {KEY}",
    f"Authorization: Bearer {OTHER_KEY}",
    f"Authorization: Bearer {REVOKED_KEY}",
    "\r\nGET /health HTTP/1.1\r\nHost: gateway\r\n",
)
_TRACES = {
    "no trace id": (),
    "trace ids": (f"traceparent: {'0' * _ROOM}", "X-Correlation-Id: 17", f"X-Request-ID: {'a' * 32}"),
}


def _block(*lines: str, key: str | None = KEY, version: str = "1.1", target: str = HIT) -> bytes:
    credential = [f"Authorization: Bearer {key}"] if key else []
    stays = ["Connection: keep-alive"] if version == "1.0" else []
    fields = ("Host: gateway", "Accept-Encoding: gzip", *credential, *stays, *lines)
    return "\r\n".join((f"GET {target} HTTP/{version}", *fields, "", "")).encode()


def _lookalikes(trace: tuple[str, ...], **of: str) -> list[bytes]:
    """Return the plain block, and every block as long as it with one of `_LINES` in it."""
    plain = _block(f"X-Pad: {'p' * _ROOM}", *trace, **of)
    found = [plain]
    for line in map(str.encode, _LINES):
        for room in (b"p", b"0"):
            start = plain.find(room * _ROOM)
            if start >= 0:
                whole = b"\r\n%b\r\nX-Rest: " % line
                found.append(plain[: start + 1] + whole + plain[start + 1 + len(whole) :])
                instead = b"%b\r\nX-Rest: " % line
                line_start = plain.rindex(b"\r\n", 0, start) + 2
                found.append(plain[:line_start] + instead + plain[line_start + len(instead) :])
    return found


def _changed(plain: bytes) -> bytes:
    """Return the block with other values, and other lengths, where nobody looks."""
    return plain.replace(b"0" * _ROOM, b"1" * 7).replace(b"p" * _ROOM, b"q" * 200).replace(b"a" * 32, b"b" * 30)


async def _told(wire: Wire, plain: bytes, lookalike: bytes, *, changing: bool) -> Told:
    """Return what a connection that remembers `plain` hears to `lookalike`, and to `plain` after it."""
    connection = await wire.connect().send(_changed(plain) if changing else plain, plain, plain)
    since = len(connection.output)
    await connection.send(lookalike)
    await connection.send(plain, plain + lookalike)
    return told_on(connection, since=since)


@pytest.mark.parametrize("trace", _TRACES)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("target", [HIT, LINKED_HIT])
async def test_a_block_that_resembles_the_remembered_one_is_read_anew(trace: str, version: str, target: str) -> None:
    """Whatever hides where a harmless line, or a trace id, was a moment ago."""
    fast, slow = await warmed(), await warmed(taught=False)
    plain, *others = _lookalikes(_TRACES[trace], version=version, target=target)
    for other in others:
        assert len(other) == len(plain)
        hits = fast.hits
        changing = bool(_TRACES[trace])
        told = await _told(fast, plain, other, changing=changing)
        assert told == await _told(slow, plain, other, changing=changing), other
        assert fast.hits - hits >= 3, "the plain block is a hit"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Host: gateway", "Host: other:81"),
        ("Accept-Encoding: gzip", "Accept-Encoding: identity"),
        (f"Bearer {KEY}", f"Bearer {OTHER_KEY}"),
        (f"Bearer {KEY}", f"Bearer {REVOKED_KEY}"),
        ("X-Pad: p", "Accept: text/csv"),
        *((f"X-Pad: {value}", f"X-Pad: {value} {value}") for value in ("keep-alive", "5", "chunked")),
        ("X-Pad: p", "X-Pad: \x80"),
        ("X-Pad: p", "X-Pad:"),
    ],
)
async def test_whatever_changes_by_turns_is_told_as_if_it_had_been_read(old: str, new: str) -> None:
    """A value that means something, one that means nothing, and one the parser alone understands."""
    pad = old if old.startswith("X-Pad") else "X-Pad: p"
    for target in (HIT, LINKED_HIT):
        one = _block(pad, target=target)
        two = one.replace(old.encode(), new.encode("latin-1"))
        assert one != two
        heard = []
        for wire in (await warmed(), await warmed(taught=False)):
            connection = await wire.connect().send(one, two, one, two, two, one, one + two)
            heard.append(told_on(connection))
        assert heard[0] == heard[1]
        assert len(heard[0][0]) == 8


async def test_a_remembered_block_with_holes_hides_nobody_elses_key() -> None:
    """A hole holds the value of its own line only: the credential beside it is compared, byte for byte."""
    wire = await warmed()
    trace = _TRACES["trace ids"]
    connection = await wire.connect().send(_changed(_block(*trace)), *[_block(*trace)] * 3)
    assert connection.protocol._template is not None
    for key in (REVOKED_KEY, OTHER_KEY[:-1] + "0", KEY[:-1] + "0"):
        await connection.send(_block(*trace, key=key))
    assert [answer.status for answer in connection.answers()] == [200] * 4 + [401] * 3
