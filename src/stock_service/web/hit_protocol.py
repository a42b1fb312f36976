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
from stock_service.base.events import Observer
from stock_service.cache.entry import Entry, Variant
from stock_service.web.conditional import matches_etag
from stock_service.web.drain import Drain
from stock_service.web.guard_limits import Limits
from stock_service.web.guard_protocol import HEAD_END, GuardedProtocol
from stock_service.web.hit_head import Head, read_head
from stock_service.web.hit_series import Series
from stock_service.web.hit_template import Template
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import HitClient, Lookup, Target, Trusted
from stock_service.web.origin import Networks, client_origin

_MISSES_MAX = 8  # lines of one length that differ nevertheless: this client's will never be the same
RENEW_EVERY = 1.0  # how often a hit past the fresh time asks for a renewal of one entry

Renew = Callable[[Entry, HitClient], None]


class HitProtocol(GuardedProtocol):
    """The guarded protocol with the fast lane. `make_protocol` sets the class attributes."""

    monotonic: Callable[[], float]
    names: bytes  # of requests: what comes before their number
    numbers: Iterator[int]
    public_url: str
    renew: Renew
    targets: dict[bytes, Target]
    trusted: dict[str | None, Trusted]
    trusted_proxies: Networks

    _block: bytes | None = None  # remembered header lines: the whole block, or a template of it; and their meaning
    _template: Template | None = None
    _meaning: Head | None = None
    _sighted: bytes = b""  # the header lines of the message before: only what comes twice is remembered
    _misses: int = 0
    _line: bytes = b""
    _lines: bytes = b""

    def data_received(self, data: bytes) -> None:
        if self.free:
            line, _, block = data.partition(b"\r\n")
            target = self.targets.get(line)
            if target is not None:
                if block == self._block or (self._template is not None and self._fits(block)):
                    if self._answer(target, self._meaning, self.monotonic()):
                        return
                if block.find(HEAD_END) == len(block) - len(HEAD_END) >= 0:
                    self._parse(data, line, block)
                    self.settle()
                    return
        self.receive(data)

    def begin(self, head: bytes, line: bytes, block: bytes) -> None:
        """Answer one whole head from memory, or give it to the parser."""
        known = block == self._block or (self._template is not None and self._fits(block))
        target = self.targets.get(line) if known and not self.drain.started else None
        if target is None or not self._answer(target, self._meaning, self.monotonic()):
            self._parse(head, line, block)

    def _parse(self, head: bytes, line: bytes, block: bytes) -> None:
        self._line, self._lines = line, block
        super().begin(head, line, block)

    def start(self) -> None:
        """Answer the parsed message from memory, or hand it to the ASGI application."""
        if not self.ended or self.drain.started or not self._answer_parsed():
            super().start()

    def _fits(self, block: bytes) -> bool:
        template, meaning = self._template, self._meaning
        if template is None or meaning is None or not template.fits(block):
            return False
        if template.request_id is not None:
            meaning.request_id = block[template.request_id]
        return True

    def _answer_parsed(self) -> bool:
        target = self.targets.get(self._line)
        if target is None or not self.parser.should_keep_alive():
            return False
        meaning = read_head(self.headers)
        if meaning is None:
            return False
        self._remember(meaning)
        if not self._answer(target, meaning, self.monotonic()):
            return False
        self.started = True
        self.idle_for = self.limits.keep_alive_for
        return True

    def _remember(self, meaning: Head) -> None:
        """Remember the header lines of a whole message, if the one before had the same."""
        lines, before = self._lines, self._sighted
        self._sighted = lines
        if len(lines) != len(before) or (self._misses >= _MISSES_MAX and lines != before):
            return
        template = Template(lines)
        if template.fits(before):
            self._meaning = meaning
            self._block, self._template = (None, template) if template else (lines, None)
        else:
            self._misses += 1

    def _answer(self, target: Target, head: Head | None, now: float) -> bool:
        """Answer from the entry `target` leads to, and count it; False, and nothing done, if that is not simple."""
        entry = target.entry
        if entry is None or head is None or now >= entry.soft_until:
            return False
        trusted = self.trusted.get(head.credential if target.credential is None else target.credential)
        if trusted is None or now >= trusted.until or not (target.credential is None or head.credential is None):
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
        own_lines = b"%bx-request-id: %b\r\n\r\n" % (
            client.limit_lines(now),
            head.request_id or b"%b%x" % (self.names, next(self.numbers)),
        )
        series = target.series
        if head.etags is not None and self._matches(head.etags, variant, entry, now):
            series.not_modified += 1
            self.transport.write(variant.not_modified + own_lines)
        else:
            if now >= variant.ok_until:
                variant.render_ok(entry, now, self.date.value())
            series.answered += 1
            body = b"" if target.head_only else variant.body
            self.transport.writelines((variant.ok + own_lines, body))
        series.observe(self.monotonic() - now)
        return True

    def _matches(self, etags: bytes, variant: Variant, entry: Entry, now: float) -> bool:
        if entry.status != 200 or not matches_etag(etags, variant.etag):
            return False
        if now >= variant.not_modified_until:
            variant.render_not_modified(entry, now, self.date.value())
        return True

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
        "renew": staticmethod(renew),
        "targets": lookup.targets,
        "trusted": lookup.trusted,
        "trusted_proxies": trusted_proxies,
    }
    return cast("type[HitProtocol]", type("BoundHitProtocol", (HitProtocol,), bound))
