"""Answers a hit and counts it, or declines and leaves no trace: the hot path, a microsecond of Python.

Decides nothing a client could argue with: who may ask, what a line means and what an answer says were settled on the
ASGI path or when the entry was stored. Declines whatever is not simple; the ASGI path then starts from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer
from stock_service.cache.entry import Entry, Variant
from stock_service.web.conditional import matches_etag
from stock_service.web.guard_connection import GuardedConnection
from stock_service.web.hit_head import Head
from stock_service.web.hit_series import Series
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import HitClient, Lookup, Target, Trusted
from stock_service.web.origin import Networks, client_origin

RENEW_EVERY = 1.0  # how often a hit past the fresh time asks for a renewal of one entry

Renew = Callable[[Entry, HitClient], None]


class Answers:
    """Gives hits.

    Args:
        renew: asked for a renewal of an entry that was served past its fresh time, at most once a second each.
        names: begins the request ids given here; must differ from the ASGI path's.
        public_url, trusted_proxies: what links are made of, as on the ASGI path.
    """

    __slots__ = (
        "_date",
        "_monotonic",
        "_names",
        "_numbers",
        "_observer",
        "_public_url",
        "_renew",
        "_trusted",
        "_trusted_proxies",
    )

    def __init__(
        self,
        lookup: Lookup,
        *,
        clock: Clock,
        date: HttpDate,
        observer: Observer,
        renew: Renew,
        names: str,
        public_url: str = "",
        trusted_proxies: Networks = (),
    ) -> None:
        self._date = date
        self._monotonic = clock.monotonic
        self._names = b"x-request-id: %b" % names.encode("ascii")
        self._numbers: Iterator[int] = count(1)
        self._observer = observer
        self._public_url = public_url
        self._renew = renew
        self._trusted: dict[str | None, Trusted] = lookup.trusted
        self._trusted_proxies = trusted_proxies

    def give(self, connection: GuardedConnection, target: Target, head: Head) -> bool:
        """Answer from the entry `target` leads to, and count it; False, and nothing sent, if that is not simple."""
        now = self._monotonic()
        entry = target.entry
        if entry is None or now >= entry.soft_until or (target.credential and head.credential):
            return False
        trusted = self._trusted.get(target.credential or head.credential)
        if trusted is None or now >= trusted.until:
            return False
        series, client = target.series, trusted.client
        try:
            variant = entry.ready[head.packed] or self._pointed(connection, entry, head)
            if variant is None or not client.take(now):
                return False
            if now >= entry.fresh_until:
                self._serve_stale(entry, client, series, now)
            client.requests += 1
            entry.hits += 1
            connection.since = now
            if head.unusual or target.head_only or variant.small is None:
                self._send_unusual(connection, target, entry, variant, head, client, now)
            else:
                if now >= variant.ok_until:
                    variant.render_ok(entry, now, self._date.value())
                series.answered += 1
                number = next(self._numbers)
                connection.transport.write(
                    b"%b%b%b%x\r\n\r\n%b" % (variant.ok, client.limit_lines(now), self._names, number, variant.small)
                )
        except Exception as error:  # noqa: BLE001 - a fault here costs speed, not the answer
            self._observer.notify(Faulted("hit", error))
            return False
        series.observe(self._monotonic() - now)
        return True

    def _send_unusual(
        self,
        connection: GuardedConnection,
        target: Target,
        entry: Entry,
        variant: Variant,
        head: Head,
        client: HitClient,
        now: float,
    ) -> None:
        """Answer a head with validators or a request id of its own, a HEAD, or with a large body."""
        if head.request_id is None:
            own_lines = b"%b%b%x\r\n\r\n" % (client.limit_lines(now), self._names, next(self._numbers))
        else:
            own_lines = b"%bx-request-id: %b\r\n\r\n" % (client.limit_lines(now), head.request_id)
        etags = head.etags
        if etags is not None and entry.status == 200 and (etags == variant.etag or matches_etag(etags, variant.etag)):
            if now >= variant.not_modified_until:
                variant.render_not_modified(entry, now, self._date.value())
            target.series.not_modified += 1
            connection.transport.write(variant.not_modified + own_lines)
            return
        if now >= variant.ok_until:
            variant.render_ok(entry, now, self._date.value())
        target.series.answered += 1
        if target.head_only:
            connection.transport.write(variant.ok + own_lines)
        else:
            connection.transport.writelines((variant.ok + own_lines, *variant.pieces))

    def _pointed(self, connection: GuardedConnection, entry: Entry, head: Head) -> Variant | None:
        """Return the variant whose links lead to the host this client used, if it has been made."""
        if not entry.links:
            return None
        origin = head.origin
        if origin is None:
            server, client = connection.server, connection.client
            local = f"{server[0]}:{server[1]}".encode("latin-1") if server else b"localhost"
            scheme, peer = connection.scheme or "http", client[0] if client else ""
            fields = tuple(head.fields)
            origin = client_origin(fields, scheme, local, peer, self._public_url, self._trusted_proxies)
            head.origin = origin
        return entry.ready_variant(origin, head.packed)

    def _serve_stale(self, entry: Entry, client: HitClient, series: Series, now: float) -> None:
        series.stale += 1
        if now >= entry.renew_at:
            entry.renew_at = now + RENEW_EVERY
            self._renew(entry, client)
