"""The vendor's paths, answered from the read path: same questions, bodies and status codes as the vendor's.

Credentials are checked before anything else and never travel further than the gate. An answer that came from
memory is also taught to the hit path, which from then on gives the same bytes without coming here.
"""

from __future__ import annotations

import asyncio

from stock_service.base.clock import Clock
from stock_service.base.errors import BadRequest
from stock_service.cache.entry import GZIP_INLINE_BYTES, Entry, Variant
from stock_service.reads.decide import ANY_WAY, Wishes
from stock_service.reads.read_path import Answer, ReadPath
from stock_service.vendor.edge import EDGE_FIELDS, edge_headers
from stock_service.vendor.request import VendorRequest, parse_request
from stock_service.web.cache_status import cache_status
from stock_service.web.conditional import accepts_gzip, matches_etag
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.exchange import Asker, Exchange, Response
from stock_service.web.lookup import Lookup
from stock_service.web.origin import Networks, client_origin


class Gateway:
    """Answers GET and HEAD on the vendor's routes."""

    def __init__(
        self,
        *,
        reads: ReadPath,
        doorkeeper: Doorkeeper,
        hits: Lookup,
        clock: Clock,
        public_url: str,
        trusted: Networks,
    ) -> None:
        self._reads = reads
        self._doorkeeper = doorkeeper
        self._hits = hits
        self._clock = clock
        self._public_url = public_url
        self._trusted = trusted

    async def handle(self, exchange: Exchange) -> Response:
        """Return the answer to a vendor-shaped question.

        Raises:
            ServiceError: the asker may not, the question is malformed, or nobody could answer it.
        """
        asker = await self._doorkeeper.admit(exchange)
        request = parse_question(exchange)
        exchange.route = request.endpoint.group
        wishes = read_wishes(exchange, asker)
        answer = await self._reads.read(request, asker, deadline=exchange.deadline, wishes=wishes)
        response = await self._respond(exchange, answer)
        self._hits.learn(exchange, request, answer.entry, asker)
        return response

    async def _respond(self, exchange: Exchange, answer: Answer) -> Response:
        entry = answer.entry
        origin = b""
        if entry.links:
            origin = client_origin(
                exchange.headers, exchange.scheme, exchange.local, exchange.peer, self._public_url, self._trusted
            )
        packed = accepts_gzip(exchange.header(b"accept-encoding") or b"")
        variant = entry.ready_variant(origin, packed) or await make_variant(entry, origin, packed)
        now = self._clock.monotonic()
        status = cache_status(answer, now)
        asked = exchange.header(b"if-none-match")
        if asked and entry.status == 200 and matches_etag(asked, variant.etag):
            headers = variant.not_modified_headers(entry, now, status)
            return Response(304, headers, cache=answer.via)
        headers = variant.headers(entry, now, status)
        return Response(entry.status, headers, variant.content(), answer.via)


def parse_question(exchange: Exchange) -> VendorRequest:
    """Return the canonical question of an exchange.

    Raises:
        BadRequest: it is malformed; `field` names the part.
    """
    accept = (exchange.header(b"accept") or b"").decode("latin-1")
    if not (exchange.path.isascii() and exchange.query.isascii()):
        raise BadRequest("url", "contains characters outside ASCII", "percent-encode them")
    return parse_request(exchange.path, exchange.query.decode("ascii"), accept)


def read_wishes(exchange: Exchange, asker: Asker) -> Wishes:
    """Return what the asker's `Cache-Control` may demand, and for whom it asks.

    `no-cache` needs the right of that name: otherwise any client could spend the vendor's quota.
    """
    asked, edge = exchange.header(b"cache-control"), exchange.fields(EDGE_FIELDS)
    if not asked and not edge:
        return ANY_WAY
    directives = {part.strip().lower() for part in asked.split(b",")} if asked else ()
    return Wishes(
        force=b"no-cache" in directives and asker.no_cache,
        only_cached=b"only-if-cached" in directives,
        edge=edge_headers(edge),
    )


async def make_variant(entry: Entry, origin: bytes, packed: bool) -> Variant:
    """Return the variant to send, made off the event loop when the body is large."""
    if len(entry.body) > GZIP_INLINE_BYTES:
        return await asyncio.to_thread(entry.make_variant, origin, packed)
    return entry.make_variant(origin, packed)
