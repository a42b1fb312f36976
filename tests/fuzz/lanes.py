"""Target: the same bytes to a service with the fast lane taught and to one without get the same bytes back.

The slow lane is the reference. Beside that, on both: no exception escapes, what is held stays bounded, every byte
belongs to a whole answer, answers keep the order of their questions, and nothing stays behind a closed connection.
"""

from __future__ import annotations

from stock_service.vendor.request import parse_request
from tests.fuzz.conversation import Plan, Quirk, check_order, converse, read_plan
from tests.fuzz.service import SOFT_HIT, Service
from tests.fuzz.turns import make_loop
from tests.support.corpus import PLAIN_ETAG, SAMPLES
from tests.support.wire import HIT, KEY, OTHER_KEY, REVOKED_KEY, get, parse_answers

_SEED_MAX_BYTES = 2_000
_RENEW_AFTER = 20_000  # inputs; then the services are made anew, so that a finding has a short past


class Lanes:
    """The differential of both lanes."""

    words = (
        b"GET ", b"HEAD ", b"POST /admin/echo", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: gateway\r\n",
        f"Authorization: Bearer {KEY}\r\n".encode(), f"Authorization: Bearer {REVOKED_KEY}\r\n".encode(),
        f"?apiKey={OTHER_KEY}".encode(), b"Content-Length: 3\r\n", b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n",
        b"Accept-Encoding: gzip\r\n", b"Accept-Encoding: gzip;q=0\r\n", b"If-None-Match: *\r\n",
        b"Accept: text/csv\r\n",
        b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"Cache-Control: no-cache\r\n", b"Range: bytes=0-1\r\n",
        b"X-Request-Id: r1\r\n", b"X-Request-Id: r2\r\n", b"traceparent: 00-ab-cd-01\r\n", b"0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"GET http://other:81/", b"OPTIONS * HTTP/1.1\r\n", b"%2F", b"//", b"?", b"&", b"#",
        HIT.encode(), SOFT_HIT.encode(), get(), get(SOFT_HIT, method="HEAD"),
        b"X-Changing: 4\r\n", get(HIT, "X-Changing: 4444", "X-Request-Id: r4"),
    )  # fmt: skip

    def __init__(self) -> None:
        self._inputs = 0
        self._renew()
        self.seeds = conversation_seeds(self._slow)

    def _renew(self) -> None:
        loop = make_loop()
        self._fast, self._slow = Service(loop, taught=True).ready(), Service(loop, taught=False).ready()

    @property
    def hits(self) -> int:
        """How many answers the fast lane gave since the services were made."""
        return sum(series.count for series in self._fast.lookup.series())

    def check(self, data: bytes) -> None:
        self._inputs += 1
        if self._inputs % _RENEW_AFTER == 0:
            self._renew()
        plan, segments = read_plan(data)
        for _ in range(2 if Quirk.TWICE in plan else 1):
            self._compare(plan, segments)

    def _compare(self, plan: Plan, segments: list[bytes]) -> None:
        self._slow.methods.clear()
        fast, fast_ended = converse(self._fast, plan, segments)
        slow, slow_ended = converse(self._slow, plan, segments)
        assert fast == slow, f"the lanes differ: {fast!r} != {slow!r}"
        assert fast_ended == slow_ended, f"one lane ended the connection: {fast_ended=} {slow_ended=}"
        answers = parse_answers(slow, self._slow.methods)
        ids = [answer.header("x-request-id") for answer in answers]
        check_order([each for each in ids if each], b"".join(segments))


def conversation_seeds(service: Service) -> tuple[bytes, ...]:
    """Return the corpus as inputs: each sample behind some plan, with the validator of the kept answer in it."""
    entry = service.memory.peek(parse_request(HIT, "").key)
    assert entry is not None
    real = entry.plain.etag.strip(b'"')
    raws = [each.raw.replace(PLAIN_ETAG.strip('"').encode(), real) for each in SAMPLES]
    raws = [raw for raw in raws if len(raw) <= _SEED_MAX_BYTES]
    return tuple(bytes((number * 7 % 256, number % 256)) + raw for number, raw in enumerate(raws))
