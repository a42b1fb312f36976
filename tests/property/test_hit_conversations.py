"""Whole conversations through both lanes: what a connection has learnt never shows, but in the time an answer takes.

The messages of a conversation have the same fields, some with another value each time; now and then one of them has
a field more, a field less, another spelling, or a line hidden in a value. One service has the fast lane and one has
not. Heard must be the same bytes, and charged the same clients.
"""

from __future__ import annotations

import random
from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.conversation import converse
from tests.fuzz.service import SOFT_HIT, Service
from tests.fuzz.turns import make_loop
from tests.support.wire import HIT, KEY, LINKED_HIT, LOST, OTHER_KEY, REVOKED_KEY, SMALL_HIT

TRUSTED = (ip_network("127.0.0.0/8"),)  # the client is a proxy: it names the host of the links

READ = {
    b"Host": (b"gateway", b"other:81", b"a b"),
    b"Authorization": tuple(f"Bearer {key}".encode() for key in (KEY, OTHER_KEY, REVOKED_KEY)),
    b"Accept-Encoding": (b"gzip", b"identity", b"gzip;q=0"),
    b"Connection": (b"keep-alive", b"Keep-Alive", b"close", b"keep-alive, x-pad"),
    b"If-None-Match": (b'"x"', b"*", b""),
    b"X-Forwarded-Host": (b"gateway", b"other:81", b"gateway, b", b"a b"),
    b"X-Forwarded-Proto": (b"http", b"https", b"x"),
    b"X-Request-Id": (b"r1", b"r22", b"r" * 64, b"r" * 65, b"a b", b" r1", b"r1 ", b""),
}
"""The first of each is the usual one."""

UNREAD = (b"X-Pad", b"x-pad", b"Cookie", b"traceparent", b"baggage", b"X-Forwarded-For", b"X-Massive-Edge-ID", b"Via")
OFTEN = (*UNREAD, b"X-Request-Id")  # these change, as with real clients
VALUES = (b"1", b"22", b"", b"  x", b"x ", b"keep-alive", b"close", b"chunked", b"5", b"a: b", b"~" * 200)
SLOW = (
    b"Accept: text/csv",
    b"Cache-Control: only-if-cached",
    b"Content-Length: 0",
    b"Upgrade: h2c",
    b"Range: bytes=0-1",
)
HIDDEN = (
    *(b"\r\nHost: evil", b"\nHost: evil", b"\r\n folded", b"\r\nContent-Length: 5", b"\r\nConnection: close"),
    *(b"\r\n\r\nGET /health HTTP/1.1\r\nHost: a", b"\r", b"\0", b"\t", b"\x7f", b"\xe9"),
)
TARGETS = (
    *(HIT, HIT, HIT, LINKED_HIT, LINKED_HIT, LINKED_HIT, SOFT_HIT, LOST, SMALL_HIT, "/health", "/admin/echo"),
    *(f"{HIT}?apiKey={KEY}", f"{HIT}?apiKey={OTHER_KEY}", f"http://other:81{HIT}"),
)


class _Conversation:
    """What `seed` makes a client say on one connection."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        names = self._draw.choices((*READ, *UNREAD, *UNREAD), k=self._draw.randint(0, 4))
        self._names = [b"Host", b"Authorization", *(each for each in names if each not in (b"Host", b"Authorization"))]
        self._gaps = self._draw.choices((b": ", b": ", b":", b":  "), k=len(self._names))
        self._changing = [self._draw.random() < (0.6 if name in OFTEN else 0.2) for name in self._names]

    def segments(self) -> list[bytes]:
        """One for each message, or all of them at once, or cut anywhere."""
        messages = [self._message() for _ in range(self._draw.randint(4, 9))]
        whole, cut = b"".join(messages), self._draw.random()
        if cut < 0.6:
            return messages
        cuts = sorted(self._draw.randrange(len(whole)) for _ in range(self._draw.randrange(8))) if cut > 0.7 else []
        return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    def _message(self) -> bytes:
        lines = [self._line(*each) for each in zip(self._names, self._gaps, self._changing, strict=True)]
        if self._seldom():
            lines.pop(self._draw.randrange(len(lines)))
        if self._seldom():
            lines.insert(self._draw.randint(0, len(lines)), self._draw.choice(SLOW) + b"\r\n")
        method = self._draw.choice(("GET", "GET", "GET", "GET", "HEAD", "POST"))
        version = "1.0" if self._seldom() else "1.1"
        return f"{method} {self._draw.choice(TARGETS)} HTTP/{version}\r\n".encode() + b"".join(lines) + b"\r\n"

    def _line(self, name: bytes, gap: bytes, changes: bool) -> bytes:
        values = READ.get(name, VALUES)
        value = self._draw.choice(values) if changes else values[0]
        if self._seldom():
            value += self._draw.choice(HIDDEN)
        if self._seldom():
            name = self._draw.choice((name.upper(), name.lower(), name + b" ", name + b"s"))
        return name + gap + value + b"\r\n"

    def _seldom(self) -> bool:
        return self._draw.random() < 0.03


def _charged(service: Service) -> dict[str, int]:
    return {each.client.id: each.client.requests for each in service.lookup.trusted.values()}


def _hits(service: Service) -> int:
    return sum(series.count for series in service.lookup.series())


def test_both_lanes_say_the_same_and_charge_the_same() -> None:
    loop = make_loop()
    fast, slow = (Service(loop, taught=taught, trusted=TRUSTED).ready() for taught in (True, False))
    hits = _hits(fast)

    @settings(max_examples=1_500, deadline=None)
    @given(st.integers(0, 1 << 32))
    def check(seed: int) -> None:
        heard, charged, segments = [], [], _Conversation(seed).segments()
        for service in (fast, slow):
            before = _charged(service)
            heard.append(converse(service, frozenset(), segments))
            charged.append({owner: count - before[owner] for owner, count in _charged(service).items()})
        assert heard[0] == heard[1], segments
        assert charged[0] == charged[1], segments

    check()
    assert _hits(fast) - hits > 1_000, "conversations without hits show nothing"
    assert _hits(slow) == 0
