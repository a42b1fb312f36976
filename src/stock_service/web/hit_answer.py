"""Answers a hit and counts it, or declines and leaves no trace: the hot path, a microsecond of Python.

Decides nothing a client could argue with: who may ask, what a line means and what an answer says were settled on the
ASGI path or when the entry was stored. Declines whatever is not simple; the ASGI path then starts from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer
from stock_service.cache.entry import Entry, Variant
from stock_service.web.conditional import matches_etag
from stock_service.web.guard_connection import GuardedConnection
from stock_service.web.hit_head import Head
from stock_service.web.hit_series import QUICK_FOR, Series
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import HitClient, Lookup, Target, Trusted
from stock_service.web.origin import Networks, client_origin, local_authority

_ID_LINE = b"x-request-id: %b\r\n\r\n"
_ID_ENDS = [b"%02x\r\n\r\n" % low for low in range(256)]
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
        "_id_begins",
        "_id_ends",
        "_monotonic",
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
        self._id_begins = b""  # the last line of the head, with what goes before it; belongs to the end taken last
        self._id_ends: Iterator[bytes] = chain.from_iterable(self._make_ids(names.encode("ascii")))
        self._observer = observer
        self._public_url = public_url
        self._renew = renew
        self._trusted: dict[str | None, Trusted] = lookup.trusted
        self._trusted_proxies = trusted_proxies

    def give(self, connection: GuardedConnection, target: Target, head: Head) -> bool:
        """Answer from the entry `target` leads to, and count it; False, and nothing sent, if that is not simple."""
        monotonic = self._monotonic
        now = monotonic()
        entry = target.entry
        trusted = head.trusted if target.credential is None else None
        if trusted is None or now >= trusted.until:
            trusted = self._find_trusted(target, head, now)
        if entry is None or trusted is None:
            return False
        series, client = target.series, trusted.client
        take_lines = client.take_lines
        try:
            variant = entry.ready[head.packed] or self._pointed(connection, entry, head)
            if variant is None:
                return False
            limit_lines = take_lines(now) if now < entry.fresh_until else self._take_stale(entry, client, series, now)
            if limit_lines is None:
                return False
            client.requests += 1
            entry.hits += 1
            connection.since = now
            if head.unusual:
                self._send_unusual(connection, target, entry, variant, head, limit_lines, now)
            else:
                if now >= variant.ok_until:
                    variant.render_ok(entry, now, self._date.value())
                series.answered += 1
                id_ends = next(self._id_ends)
                body = b"" if target.head_only else variant.small
                if body is None:
                    whole = b"".join((variant.ok, limit_lines, self._id_begins, id_ends))
                    connection.transport.writelines((whole, *variant.pieces))
                else:
                    whole = b"".join((variant.ok, limit_lines, self._id_begins, id_ends, body))
                    connection.transport.write(whole)
        except Exception as error:  # noqa: BLE001 - a fault here costs speed, not the answer
            self._observer.notify(Faulted("hit", error))
            return False
        spent = monotonic() - now
        series.seconds += spent
        if spent > QUICK_FOR:
            series.note_slow(spent)
        return True

    def _send_unusual(
        self,
        connection: GuardedConnection,
        target: Target,
        entry: Entry,
        variant: Variant,
        head: Head,
        limit_lines: bytes,
        now: float,
    ) -> None:
        """Answer a head with validators or a request id of its own, or one about whose connection something is said."""
        id_ends = next(self._id_ends)
        id_line = self._id_begins + id_ends if head.request_id is None else _ID_LINE % head.request_id
        body: bytes | None = b""
        etags = head.etags
        if etags is not None and entry.status == 200 and (etags == variant.etag or matches_etag(etags, variant.etag)):
            if now >= variant.not_modified_until:
                variant.render_not_modified(entry, now, self._date.value())
            target.series.not_modified += 1
            whole = b"".join((variant.not_modified, limit_lines, id_line))
        else:
            if now >= variant.ok_until:
                variant.render_ok(entry, now, self._date.value())
            target.series.answered += 1
            whole = b"".join((variant.ok, limit_lines, id_line))
            body = b"" if target.head_only else variant.small
        if head.says:
            whole = _with_connection(whole, head.says)
        if body is None:
            connection.transport.writelines((whole, *variant.pieces))
        else:
            connection.transport.write(whole + body if body else whole)

    def _pointed(self, connection: GuardedConnection, entry: Entry, head: Head) -> Variant | None:
        """Return the variant whose links lead to the host this client used, if it has been made."""
        if not entry.links:
            return None
        origin = head.origin
        if origin is None:
            server, client, scheme = connection.ends
            local, peer = local_authority(server), client[0] if client else ""
            fields = tuple(head.fields)
            origin = client_origin(fields, scheme, local, peer, self._public_url, self._trusted_proxies)
            head.origin = origin
        return entry.ready_variant(origin, bool(head.packed))

    def _find_trusted(self, target: Target, head: Head, now: float) -> Trusted | None:
        """Return whose the credential is, wherever it was sent; None if that is not known, or there are two."""
        if target.credential and head.credential:
            return None
        trusted = self._trusted.get(target.credential or head.credential)
        if trusted is None or now >= trusted.until:
            return None
        if target.credential is None:
            head.trusted = trusted
        return trusted

    def _take_stale(self, entry: Entry, client: HitClient, series: Series, now: float) -> bytes | None:
        """Take one request about an answer past its fresh time, and have it renewed; None if it may not be served."""
        limit_lines = client.take_lines(now) if now < entry.soft_until else None
        if limit_lines is not None:
            series.stale += 1
            if now >= entry.renew_at:
                entry.renew_at = now + RENEW_EVERY
                self._renew(entry, client)
        return limit_lines

    def _make_ids(self, names: bytes) -> Iterator[list[bytes]]:
        """Yield the ends of 256 lines that name an answer, each another; half as dear as making them one by one."""
        for high in count(1):
            self._id_begins = b"x-request-id: %b%x" % (names, high)
            yield _ID_ENDS


def _with_connection(head: bytes, says: bytes) -> bytes:
    """Return `head` with a `Connection` line where the ASGI path has it: the farewell last, the promise first."""
    if says == b"close":
        return b"%bconnection: close\r\n\r\n" % head[:-2]
    status_line, end, rest = head.partition(b"\r\n")
    return b"%b%bconnection: %b\r\n%b" % (status_line, end, says, rest)
