"""One service for fuzzing: the real protocol class, ASGI frame, gateway and gate, before answers that stand still.

The clock stands still as well and every request id is the same, so two services that are asked the same must answer
the same bytes. Limits are small, so that a few hundred bytes reach every one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from itertools import repeat

from uvicorn.config import Config
from uvicorn.server import ServerState

from stock_service.access.gate import Gate
from stock_service.base.errors import NotFound
from stock_service.base.events import Event, Faulted
from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import Memory
from stock_service.reads.decide import Wishes
from stock_service.reads.read_path import Answer, Via
from stock_service.vendor.links import find_links, vendor_origins
from stock_service.vendor.request import VendorRequest, parse_request
from stock_service.web.app import App, RequestIds
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.drain import Drain
from stock_service.web.exchange import Exchange, Receive, Response, Scope, Send, text_response
from stock_service.web.gateway import Gateway
from stock_service.web.guard_head import HeadLimits
from stock_service.web.guard_limits import Limits
from stock_service.web.hit_protocol import HitProtocol, make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup
from stock_service.web.origin import Networks
from stock_service.web.routes import Part
from tests.fuzz.turns import TurnLoop
from tests.support.clock import ManualClock
from tests.support.wire import (
    HIT,
    LINKED_HIT,
    LOST,
    OTHER_KEY,
    SMALL_HIT,
    VENDOR,
    FakeTransport,
    StaticKeys,
    get,
    vendor_body,
)

SOFT_HIT = "/v2/aggs/ticker/SOFT/prev"  # past its fresh time: answered, and to be renewed
LIMITS = Limits(
    head=HeadLimits(url_bytes=400, header_bytes=1_500, header_count=40),
    body_bytes=1_000,
    ignored_body_bytes=300,
    chunk_overhead_bytes=200,
    pipelined=4,
)
HELD_MAX_BYTES = 400 + 40 + 1_500 + 200  # the longest head that may still be good, with room for what is being read
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]
REQUEST_ID = "t-h0"  # of every request on the ASGI path; the fast lane counts on behind `t-h`

_LIFETIME = Lifetime(fresh_for=60.0, stale_while_for=60.0, stale_error_for=600.0)
_ORIGINS = vendor_origins(VENDOR)
_AGED_FOR = 70.0


class Service:
    """Answers on fake connections. `taught=False`: the fast lane knows nothing, ever. `trusted` name our clients."""

    def __init__(self, loop: TurnLoop, *, taught: bool, trusted: Networks = ()) -> None:
        self.loop = loop
        self.clock = ManualClock()
        self.faults: list[str] = []
        self.lookup = Lookup()
        self.memory = Memory(1 << 20)
        self.methods: list[str] = []  # of the requests that reached the ASGI application, in order
        self.renewed: list[str] = []
        self.server_state = ServerState()
        date = HttpDate(self.clock)
        gate = Gate(StaticKeys(), anonymous=False)
        self._keep()
        self.protocol_class = make_protocol(
            self.lookup if taught else Lookup(),
            clock=self.clock,
            date=date,
            drain=Drain(),
            limits=LIMITS,
            observer=self,
            renew=lambda entry, client: self.renewed.append(entry.key),
            names=REQUEST_ID[:-1],
            trusted_proxies=trusted,
        )
        self.protocol_class._refusals = repeat(0)  # type: ignore[assignment]
        gateway = Gateway(
            reads=self,  # type: ignore[arg-type]
            doorkeeper=Doorkeeper(gate, self.clock),
            hits=self.lookup,
            clock=self.clock,
            public_url="",
            trusted=trusted,
        )
        self.app: ASGI = App(
            handlers={Part.GATEWAY: gateway.handle, Part.OPS: _ops, Part.ADMIN: _echo},
            route_of=lambda part, path: part.value,
            ids=_SameId(),
            clock=self.clock,
            date=date,
            observer=self,
            request_for=9.0,
            requests_max=1_000,
        )
        self.config = Config(
            self._serve, interface="asgi3", ws="none", log_config=None, server_header=False, date_header=False
        )
        self.config.load()
        logging.getLogger("uvicorn.error").addFilter(self._heard)

    def ready(self) -> Service:
        """Teach the fast lane every kept answer, plain and by HEAD."""
        targets = (HIT, SMALL_HIT, SOFT_HIT, LINKED_HIT, LOST)
        for raw in [get(each, method=method) for each in targets for method in ("GET", "HEAD")] * 2:
            self.ask(raw)
        self.ask(get(key=OTHER_KEY))
        return self

    def connect(self) -> tuple[HitProtocol, FakeTransport]:
        """Open a connection; to be used within `loop.current()`."""
        protocol = self.protocol_class(self.config, self.server_state, {}, self.loop)
        transport = FakeTransport(protocol)
        protocol.connection_made(transport)
        return protocol, transport

    def ask(self, raw: bytes) -> bytes:
        """Return what is answered to `raw` on a connection of its own."""
        with self.loop.current():
            protocol, transport = self.connect()
            protocol.data_received(raw)
            self.loop.turn()
            self.hang_up(protocol)
        return bytes(transport.written)

    def hang_up(self, protocol: HitProtocol) -> None:
        """Let the client go away; nothing may stay behind."""
        if protocol in self.server_state.connections:
            protocol.connection_lost(None)
        self.loop.turn()
        assert not self.server_state.connections, "a connection stayed"
        assert not self.server_state.tasks, "a task stayed"
        faults = self.faults + self.loop.faults
        assert not faults, faults

    def notify(self, event: Event) -> None:
        if isinstance(event, Faulted):
            self.faults.append(f"{event.where}: {event.error!r}")

    async def read(self, request: VendorRequest, asker: object, *, deadline: float, wishes: Wishes) -> Answer:
        """Stand in for the read path: what is kept, or nothing."""
        entry = self.memory.peek(request.key)
        if entry is None:
            raise NotFound("answer", "asked")
        return Answer(entry, Via.MISS if wishes.force else Via.HIT)

    def _keep(self) -> None:
        now = self.clock.monotonic()
        for path, age in ((HIT, 0.0), (SMALL_HIT, 0.0), (LINKED_HIT, 0.0), (LOST, 0.0), (SOFT_HIT, _AGED_FOR)):
            request, body = parse_request(path, ""), vendor_body(path)
            reply = Reply(404 if path == LOST else 200, "application/json", body, now - age)
            links = find_links(body, _ORIGINS)
            kept = self.memory.put(Entry(request.key, request.endpoint.group, reply, _LIFETIME, now - age, links))
            assert kept, path

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.methods.append(scope["method"])
        await self.app(scope, receive, send)

    def _heard(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            self.faults.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")
        return False


class _SameId(RequestIds):
    def __init__(self) -> None:
        super().__init__("t")

    def next(self) -> str:
        return REQUEST_ID


async def _ops(exchange: Exchange) -> Response:
    return text_response(200, b"application/json", b'{"status":"ok"}')


async def _echo(exchange: Exchange) -> Response:
    body = await exchange.body(10_000)
    assert body is not None
    named = b"|".join(b"%b=%b" % pair for pair in exchange.headers)
    return text_response(200, b"text/plain", b"%b|%b|%b" % (exchange.method.encode(), body, named))


async def answer_plainly(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body and answer with its length, at the least cost."""
    size, more = 0, scope["method"] not in ("GET", "HEAD")
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    names = [pair for pair in scope["headers"] if pair[0] == b"x-request-id"]
    length = (b"content-length", b"%d" % len(str(size)))
    await send({"type": "http.response.start", "status": 200, "headers": [length, *names[:1]]})
    body = b"" if scope["method"] == "HEAD" else str(size).encode()
    await send({"type": "http.response.body", "body": body})
