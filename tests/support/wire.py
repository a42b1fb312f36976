"""The whole HTTP side in one process without a socket: the real protocol class, gateway and read path on a transport
that only keeps bytes, a clock that the test moves, and a vendor that answers from a table.

`Wire(taught=False)` has the same protocol class with tables nobody teaches: every request takes the ASGI path. What
both answer to the same bytes must be equal.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
from uvicorn.config import Config
from uvicorn.server import ServerState

from stock_service.access.gate import Gate
from stock_service.access.keys import KeySet, hash_key, parse_keys
from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.flight import Flights
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import Memory
from stock_service.cache.outdated import Outdated
from stock_service.reads.read_path import ReadPath, ReadSettings
from stock_service.reads.sources import VendorSource
from stock_service.upstream.call import Priority
from stock_service.vendor.request import VendorRequest, parse_request
from stock_service.web.app import App, RequestIds
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.drain import Drain
from stock_service.web.exchange import Exchange, Response, text_response
from stock_service.web.gateway import Gateway
from stock_service.web.guard_limits import Limits
from stock_service.web.hit_protocol import HitProtocol, make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup
from stock_service.web.routes import Part
from tests.support.clock import ManualClock, settle
from tests.support.reading import Recorder

VENDOR = "https://api.polygon.io"
KEY = "stk_team1_0123456789abcdef0123456789abcdef"
OTHER_KEY = "stk_team2_0123456789abcdef0123456789abcdef"
REVOKED_KEY = "stk_gone1_0123456789abcdef0123456789abcdef"
LIMITED_KEY = "stk_slow1_0123456789abcdef0123456789abcdef"
HIT = "/v2/aggs/ticker/AAPL/prev"
SMALL_HIT = "/v2/aggs/ticker/TINY/prev"
LINKED_HIT = "/v3/reference/tickers"
LOST = "/v2/aggs/ticker/LOST/prev"  # the vendor knows no such thing
SLOW = "/v2/aggs/ticker/SLOW/prev"  # the vendor answers when told to, and forbids keeping it
LIFETIME = Lifetime(fresh_for=60.0, stale_while_for=60.0, stale_error_for=600.0)

_ORIGINS = frozenset({VENDOR.encode()})


def key_line(key: str, **fields: object) -> str:
    """One line of a keys file."""
    record = {"id": key.split("_")[1], "name": "a team", "sha256": hash_key(key), "created": "2026-01-01T00:00:00Z"}
    return msgspec.json.encode(record | fields).decode()


KEY_LINES = (
    key_line(KEY, rights=["no_cache"]),
    key_line(OTHER_KEY),
    key_line(REVOKED_KEY, revoked="2026-02-01T00:00:00Z"),
    key_line(LIMITED_KEY, limit="5/m"),
)


class StaticKeys:
    """Keys that change when the test says so."""

    complete = True

    def __init__(self, lines: Iterable[str] = KEY_LINES) -> None:
        self.keys: KeySet = parse_keys("\n".join(lines))
        self._changed = False

    def become(self, lines: Iterable[str]) -> None:
        self.keys = parse_keys("\n".join(lines))
        self._changed = True

    def reload_if_changed(self, now: float) -> bool:
        changed, self._changed = self._changed, False
        return changed


class TableVendor:
    """Answers by path; counts what it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.asked: list[str] = []
        self.held: list[asyncio.Future[None]] = []

    async def fetch(
        self,
        request: VendorRequest,
        *,
        deadline: float,
        priority: Priority,
        edge: Mapping[str, str],
        spend: Callable[[], None],
    ) -> Reply:
        spend()
        began = self._clock.monotonic()
        self.asked.append(request.target)
        path = request.target.partition("?")[0]
        if path == SLOW:
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.held.append(gate)
            await gate
        if path == LOST:
            return Reply(404, "application/json", b'{"status":"NOT_FOUND","request_id":"r","message":"none"}', began)
        return Reply(200, "application/json", vendor_body(path), began)

    def release(self) -> None:
        """Let every held question be answered."""
        for gate in self.held:
            if not gate.done():
                gate.set_result(None)
        self.held.clear()

    def judge_lifetime(self, request: VendorRequest, reply: Reply, wall: float) -> Lifetime | None:
        return None if request.target.startswith(SLOW) else LIFETIME


def vendor_body(path: str) -> bytes:
    """What the vendor says under `path`; long enough to be worth packing, but for `SMALL_HIT`."""
    content: dict[str, object] = {"status": "OK", "request_id": "vendor-1", "path": path, "results": []}
    if path == LINKED_HIT:
        content["next_url"] = f"{VENDOR}{LINKED_HIT}?cursor=abc"
    if path != SMALL_HIT:
        content["results"] = [{"t": 1_605_042_000_000 + i, "c": 115.97} for i in range(40)]
    return msgspec.json.encode(content)


class FakeTransport(asyncio.Transport):
    """Keeps what is written. `stalled`: the client reads nothing, so the buffer fills."""

    HIGH = 64 * 1024

    def __init__(self, protocol: HitProtocol) -> None:
        super().__init__()
        self._protocol = protocol
        self.written = bytearray()
        self.writes = 0
        self.unsent = 0
        self.stalled = False
        self.reading = True
        self.ended = False
        self.aborted = False
        self._closing = False
        self._paused = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"sockname": ("127.0.0.1", 8080), "peername": ("127.0.0.2", 50_000)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "written after the end"
        if self._closing:
            return
        self.writes += 1
        self.written += data
        if self.stalled:
            self.unsent += len(data)
            if self.unsent > self.HIGH and not self._paused:
                self._paused = True
                self._protocol.pause_writing()

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(pieces))

    def drained(self) -> None:
        """The client has read everything."""
        self.stalled, self.unsent = False, 0
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()
        if self._closing:
            self._lose()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.reading = False
            if not self.unsent:
                asyncio.get_running_loop().call_soon(self._lose)

    def abort(self) -> None:
        self.aborted = True
        self._closing = True
        asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        if self._protocol.parser is not None:
            self._protocol.connection_lost(None)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        assert self.reading or self._closing, "reading was paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading or self._closing, "reading was resumed twice"
        self.reading = not self._closing


class Connection:
    """One client's side."""

    def __init__(self, wire: Wire) -> None:
        self.protocol = wire.protocol_class(wire.config, wire.server_state, {}, asyncio.get_running_loop())
        self.transport = FakeTransport(self.protocol)
        self._backlog = bytearray()
        self.protocol.connection_made(self.transport)

    async def send(self, *segments: bytes) -> Connection:
        """Deliver each segment as one read, as long as the server reads; the rest waits in the socket.

        Without segments: deliver what waits, and let the server work.
        """
        for segment in segments or (b"",):
            self._backlog += segment
            await self._deliver()
        return self

    async def _deliver(self) -> None:
        if self._backlog and self.transport.reading and not self.closed:
            data = bytes(self._backlog)
            self._backlog.clear()
            self.protocol.data_received(data)
        await settle()
        if self._backlog and self.transport.reading and not self.closed:
            await self._deliver()

    @property
    def output(self) -> bytes:
        """All bytes the server has sent."""
        return bytes(self.transport.written)

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return self.transport.is_closing() or self.transport.ended

    def answers(self, *methods: str) -> list[Answer]:
        """Take apart what came; `methods` are of the requests sent, GET when not given."""
        return parse_answers(self.output, methods)


@dataclass(frozen=True)
class Answer:
    """One response on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


def parse_answers(output: bytes, methods: Iterable[str] = ()) -> list[Answer]:
    """Split `output` by its own lengths; every byte must belong to a response."""
    asked = list(methods)
    answers: list[Answer] = []
    while output:
        head, end, output = output.partition(b"\r\n\r\n")
        assert end, f"no end of head: {head[:200]!r}"
        status_line, *lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 ([0-9]{3}) [ -~]*", status_line)
        assert match, f"not a status line: {status_line[:200]!r}"
        headers = tuple((name.lower(), value) for name, _, value in (line.partition(": ") for line in lines))
        answer = Answer(int(match[1]), headers, b"")
        if answer.status == 100:
            continue
        method = asked[len(answers)] if len(answers) < len(asked) else "GET"
        length = int(answer.header("content-length") or 0)
        if method != "HEAD" and answer.status not in (204, 304):
            assert len(output) >= length, "the body is cut short"
            answer = replace(answer, body=output[:length])
            output = output[length:]
        answers.append(answer)
    return answers


class Wire:
    """One service. `taught=False`: the fast lane knows nothing, ever."""

    def __init__(self, *, taught: bool = True, anonymous: bool = False, limits: Limits | None = None) -> None:
        self.clock = ManualClock()
        self.observer = Recorder()
        self.vendor = TableVendor(self.clock)
        self.memory = Memory(16 * 1024 * 1024)
        self.lookup = Lookup()
        self.drain = Drain()
        self.keys = StaticKeys()
        self.gate = Gate(None if anonymous else self.keys, anonymous)
        self.reads = self._make_reads()
        date = HttpDate(self.clock)
        self.renewed: list[str] = []
        self.protocol_class = make_protocol(
            self.lookup if taught else Lookup(),
            clock=self.clock,
            date=date,
            drain=self.drain,
            limits=limits or Limits(),
            observer=self.observer,
            renew=lambda entry, client: self.renewed.append(entry.key),
            names="t-h",
        )
        gateway = Gateway(
            reads=self.reads,
            doorkeeper=Doorkeeper(self.gate, self.clock),
            hits=self.lookup,
            clock=self.clock,
            public_url="",
            trusted=(),
        )
        self.app = App(
            handlers={Part.GATEWAY: gateway.handle, Part.OPS: _ops, Part.ADMIN: _echo},
            route_of=lambda part, path: part.value,
            ids=RequestIds("t"),
            clock=self.clock,
            date=date,
            observer=self.observer,
            request_for=9.0,
            requests_max=1_000,
        )
        self.config = Config(self.app, ws="none", log_config=None, server_header=False, date_header=False)
        self.config.load()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.server_state = ServerState()

    def _make_reads(self) -> ReadPath:
        return ReadPath(
            memory=self.memory,
            flights=Flights(self.clock, 0.5),
            source=VendorSource(self.vendor, self.vendor, self.clock),
            clock=self.clock,
            observer=self.observer,
            settings=ReadSettings(9.0, _ORIGINS),
            jitter=lambda: 0.0,
            outdated=Outdated(),
        )

    def connect(self) -> Connection:
        """Open a connection."""
        return Connection(self)

    def entry(self, target: str) -> Entry:
        """Return what is kept for `target`."""
        path, _, query = target.partition("?")
        entry = self.memory.peek(parse_request(path, query).key)
        assert entry is not None
        return entry

    @property
    def hits(self) -> int:
        """How many answers the fast lane gave."""
        return sum(series.count for series in self.lookup.series())

    async def warm(self, *requests: bytes) -> None:
        """Ask each twice on a connection of its own, so that it is kept, taught, and its credential trusted."""
        for request in requests:
            for _ in range(2):
                await self.connect().send(request)


def get(target: str = HIT, *lines: str, key: str | None = KEY, method: str = "GET", host: str = "gateway") -> bytes:
    """One plain request as the vendor's Python client sends it, plus `lines`."""
    fields = [f"Host: {host}", "Accept-Encoding: gzip", "User-Agent: Massive.com PythonClient/2.9.1"]
    if key is not None:
        fields.append(f"Authorization: Bearer {key}")
    return "\r\n".join([f"{method} {target} HTTP/1.1", *fields, *lines, "", ""]).encode("latin-1")


async def _ops(exchange: Exchange) -> Response:
    return text_response(200, b"application/json", b'{"status":"ok"}')


async def _echo(exchange: Exchange) -> Response:
    body = await exchange.body(1024 * 1024)
    assert body is not None
    named = b"|".join(b"%b=%b" % pair for pair in exchange.headers)
    return text_response(200, b"text/plain", b"%b|%d|%b" % (exchange.method.encode(), len(body), named))
