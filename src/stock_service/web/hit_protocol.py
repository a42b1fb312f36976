"""Answers cached questions inside the HTTP parser's callback, or even before the parser: the fast lane.

Two lanes. Fast: a whole, bodiless HTTP/1.1 message whose request line the ASGI path has taught us (`lookup`), whose
header fields mean nothing unusual (`hit_head`), from a client known to be good, with room left, about an entry that
is fresh or being renewed. Everything else, whatever the reason, goes to the ASGI path as if this class were not
there. Both give the same answer but for ages, dates and request ids.

A block of header lines is remembered per connection only when the parser has seen a whole message end with it
(`on_message_complete`), and only byte for byte: what a body contains is never taken for a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, cast

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer
from stock_service.cache.entry import Entry, Variant
from stock_service.web.conditional import matches_etag
from stock_service.web.drain import Drain
from stock_service.web.guard_limits import Limits
from stock_service.web.guard_protocol import GuardedProtocol
from stock_service.web.hit_head import Head, HeadReader
from stock_service.web.hit_series import Series
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import HitClient, Lookup, Target, Trusted
from stock_service.web.origin import Networks, client_origin

RENEW_EVERY = 1.0  # how often a hit past the fresh time asks for a renewal of one entry

Renew = Callable[[Entry, HitClient], None]


class HitProtocol(GuardedProtocol):
    """The guarded protocol with the fast lane. `make_protocol` sets the class attributes."""

    monotonic: Callable[[], float]
    names: bytes  # of requests: what comes before their number
    numbers: Iterator[int]
    public_url: str
    reader: HeadReader
    renew: Renew
    targets: dict[bytes, Target]
    trusted: dict[str | None, Trusted]
    trusted_proxies: Networks

    _block: bytes | None = None  # remembered header lines, and what they mean
    _meaning: Head | None = None
    _sighted: bytes = b""  # the header lines of the message before: only what comes twice is remembered
    _line: bytes = b""
    _lines: bytes = b""

    def data_received(self, data: bytes) -> None:
        if self.free:
            line, _, block = data.partition(b"\r\n")
            if block == self._block and self._answer_known(line):
                return
        self.receive(data)

    def begin(self, head: bytes, line: bytes, block: bytes) -> None:
        """Answer one whole head from memory, or give it to the parser."""
        if block == self._block and not self.drain.started and self._answer_known(line):
            return
        self._line, self._lines = line, block
        super().begin(head, line, block)

    def start(self) -> None:
        """Answer the parsed message from memory, or hand it to the ASGI application."""
        if not self.ended or self.drain.started or not self._answer_parsed():
            super().start()

    def _answer_known(self, line: bytes) -> bool:
        target = self.targets.get(line)
        if target is None or self._meaning is None:
            return False
        return self._try_answer(target, self._meaning)

    def _answer_parsed(self) -> bool:
        target = self.targets.get(self._line)
        if target is None:
            return False
        meaning = self.reader.read(self.headers)
        if meaning is None:
            return False
        if self._lines == self._sighted:
            self._block, self._meaning = self._lines, meaning
        self._sighted = self._lines
        if not self._try_answer(target, meaning):
            return False
        self.started = True
        self.idle_for = self.limits.keep_alive_for
        return True

    def _try_answer(self, target: Target, head: Head) -> bool:
        try:
            return self._answer(target, head, self.monotonic())
        except Exception as error:  # noqa: BLE001 - a fault here costs speed, not the answer: nothing has been sent yet
            self.observer.notify(Faulted("hit", error))
            return False

    def _answer(self, target: Target, head: Head, now: float) -> bool:
        """Answer from the entry `target` leads to, and count it; False, and nothing done, if that is not simple."""
        entry = target.entry
        if entry is None or now >= entry.soft_until:
            return False
        trusted = self.trusted.get(head.credential if target.credential is None else target.credential)
        if trusted is None or now >= trusted.until or not (head.credential is None or target.credential is None):
            return False
        if entry.links:
            variant = entry.ready_variant(head.origin(self._origin_of), head.packed)
        else:
            variant = entry.packed if head.packed else entry.plain
        client = trusted.client
        if variant is None or not client.take(now):
            return False
        if now >= entry.fresh_until:
            self._serve_stale(entry, client, target.series, now)
        client.requests += 1
        entry.hits += 1
        self.since = now
        own_lines = b"%bx-request-id: %b%x\r\n\r\n" % (client.limit_lines(now), self.names, next(self.numbers))
        self._send(target, variant, entry, head.etags, own_lines, now)
        target.series.observe(self.monotonic() - now)
        return True

    def _send(
        self, target: Target, variant: Variant, entry: Entry, etags: bytes | None, own_lines: bytes, now: float
    ) -> None:
        if etags is not None and entry.status == 200 and matches_etag(etags, variant.etag):
            if now >= variant.not_modified_until:
                variant.render_not_modified(entry, now, self.date.value())
            target.series.not_modified += 1
            self.transport.write(variant.not_modified + own_lines)
            return
        if now >= variant.ok_until:
            variant.render_ok(entry, now, self.date.value())
        target.series.answered += 1
        if target.head_only:
            self.transport.write(variant.ok + own_lines)
        else:
            self.transport.writelines((variant.ok + own_lines, variant.body))

    def _serve_stale(self, entry: Entry, client: HitClient, series: Series, now: float) -> None:
        series.stale += 1
        if now >= entry.renew_at:
            entry.renew_at = now + RENEW_EVERY
            self.renew(entry, client)

    def _origin_of(self, fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
        local = f"{self.server[0]}:{self.server[1]}".encode("latin-1") if self.server else b"localhost"
        peer = self.client[0] if self.client else ""
        return client_origin(fields, self.scheme or "http", local, peer, self.public_url, self.trusted_proxies)


def make_protocol(
    lookup: Lookup,
    *,
    clock: Clock,
    date: HttpDate,
    drain: Drain,
    limits: Limits,
    observer: Observer,
    renew: Renew,
    names: str,
    public_url: str = "",
    trusted_proxies: Networks = (),
) -> type[HitProtocol]:
    """Return the protocol class for uvicorn's `http=`, bound to its devices.

    Args:
        renew: asked for a renewal of an entry that was served past its fresh time, at most once a second each.
        names: begins the request ids given here; must differ from the ASGI path's.
    """
    bound: dict[str, Any] = {
        "clock": clock,
        "date": date,
        "drain": drain,
        "limits": limits,
        "monotonic": staticmethod(clock.monotonic),
        "names": names.encode("ascii"),
        "numbers": count(1),
        "observer": observer,
        "public_url": public_url,
        "reader": HeadReader(),
        "renew": staticmethod(renew),
        "targets": lookup.targets,
        "trusted": lookup.trusted,
        "trusted_proxies": trusted_proxies,
    }
    return cast("type[HitProtocol]", type("BoundHitProtocol", (HitProtocol,), bound))
