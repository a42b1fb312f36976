"""Which bytes of a connection are which message: frames requests itself and lets the parser confirm it.

Messages are taken one at a time: a head reaches the parser only when it is whole, a body exactly to its end, and the
next message only when this one is answered and the client reads. What came too early stays as raw bytes and reading
pauses; so order is kept, memory is bounded, and where the parser sees other messages than we do the connection ends.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.server import ServerState

from stock_service.web.guard_connection import STAYS, GuardedConnection
from stock_service.web.guard_cycle import GuardedCycle
from stock_service.web.guard_deadlines import BODY, HEAD, OVER
from stock_service.web.guard_faults import Fault
from stock_service.web.guard_head import (
    Framing,
    HeaderFields,
    authority_of,
    judge_begun,
    judge_fields,
    judge_line,
    judge_lines,
)

HEAD_END = b"\r\n\r\n"
_METHODS_WITHOUT_BODY = (b"GET", b"HEAD")


class GuardedProtocol(GuardedConnection):
    """A guarded connection that takes up one message at a time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.ended = False  # the last byte of the message in hand is here
        self._headed = False  # its head has been read
        self._method = b""
        self._version = ""
        self._awaited = False  # its client waits to be told that the body is wanted
        self._fault: Fault | None = None
        self._body_left: int | None = 0  # None: chunked
        self._body_bytes = 0
        self._body_max = 0
        self._working = False

    def data_received(self, data: bytes) -> None:
        self.receive(data)

    def receive(self, data: bytes) -> None:
        """Take bytes that are not a hit."""
        if self.phase is OVER:
            return
        if self.phase is HEAD and not self.rest:
            data = data.lstrip(b"\r\n")  # RFC 9112 2.2: empty lines before a request are ignored; they begin nothing
            if not data:
                return
            self.since = self.clock.monotonic()
        self.rest = self.rest + data if self.rest else data
        self.free = False
        self.proceed()

    def proceed(self) -> None:
        """Take up what has arrived, as far as it goes now."""
        if self._working:
            return  # an answer given at once brought us here; the loop below goes on by itself
        self._working = True
        try:
            self._work()
        finally:
            self._working = False
        self.settle()

    def _work(self) -> None:
        for _ in range(self.limits.pipelined):
            if not self.rest or self.phase is OVER or self.transport.is_closing():
                break
            if self.held():
                self.flow.pause_reading()
                return
            if not (self._take_head() if self.phase is HEAD else self._take_body()):
                break
        else:
            if self.rest:
                # Others have waited long enough.
                self.flow.pause_reading()
                self.loop.call_soon(self.proceed)
                return
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _take_head(self) -> bool:
        data = self.rest
        if data[0] in b"\r\n":
            self.rest = data = data.lstrip(b"\r\n")
            if not data:
                return False
        end = data.find(HEAD_END) + len(HEAD_END)
        if end < len(HEAD_END):
            fault = judge_begun(data, self.limits.head)
            if fault is not None:
                self.refuse(fault)
            return False
        head, self.rest = data[:end], data[end:]
        line, _, block = head.partition(b"\r\n")
        self.begin(head, line, block)
        return True

    def begin(self, head: bytes, line: bytes, block: bytes) -> None:
        """Give one whole head to the parser, if it passes."""
        self.parse(head, judge_line(line, self.limits.head) or judge_lines(block, self.limits.head))

    def parse(self, head: bytes, fault: Fault | None) -> None:
        """Give one whole head to the parser, unless there is a `fault` in it already."""
        if fault is not None:
            self.refuse(fault)
            return
        self.phase = BODY
        self._headed = self.started = self.ended = False
        self._body_bytes = 0
        self._feed(head)
        if not self.ended:
            self.since = self.clock.monotonic()

    def _take_body(self) -> bool:
        """Give the parser no more than belongs to this message."""
        rest = self.rest
        if self._body_left is None:
            # A chunked message can only end at the end of a line.
            end = rest.find(b"\n") + 1 or len(rest)
        else:
            end = min(self._body_left, len(rest))
            self._body_left -= end
        piece, self.rest = rest[:end], rest[end:]
        self._body_bytes += end
        if self._body_bytes > self._body_max:
            self.refuse(Fault.BODY_LARGE)
            return False
        self._feed(piece)
        return True

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered as a plain request, and the connection closed after it
        except httptools.HttpParserError:
            self.refuse(self._fault or Fault.MALFORMED)
            return
        agreed = self._headed and (self._body_left is None or self.ended is (self._body_left == 0))
        if not agreed and self.phase is not OVER:
            self.refuse(Fault.MALFORMED)  # the parser sees other messages than we do: never guess

    # --- what the parser reports ---

    def on_message_begin(self) -> None:
        if self._headed:
            raise self._fault_in_parser(Fault.MALFORMED)
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # what follows the head is a trailer: nobody has judged it, and it is nobody's header
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._method, self._version = self.parser.get_method(), self.parser.get_http_version()
        judged = judge_fields(self._method, self._version, self.headers)
        if not isinstance(judged, Framing):
            raise self._fault_in_parser(judged)
        self._headed = True
        self._awaited = judged.awaited
        bodiless = self._method in _METHODS_WITHOUT_BODY
        self._frame(judged, bodiless=bodiless)
        # A body nobody will read is thrown away first: then what is wrong with it is still answered.
        if self._body_left != 0 and (self._awaited or not bodiless):
            self.start()

    def _frame(self, framing: Framing, *, bodiless: bool) -> None:
        self._body_max = self.limits.ignored_body_bytes if bodiless else self.limits.body_bytes
        self._body_left = framing.length
        if framing.length is None:
            self._body_max += self.limits.chunk_overhead_bytes
        elif framing.length > self._body_max:
            raise self._fault_in_parser(Fault.BODY_LARGE)

    def _fault_in_parser(self, fault: Fault) -> Exception:
        """Return what to raise to leave the parser; `_feed` answers."""
        self._fault = fault
        return ValueError(fault.kind)

    def start(self) -> None:
        """Hand the request to the ASGI application: before its body if that is wanted, else with its last byte."""
        self.started = True
        url, headers = self.url, self.headers
        authority = authority_of(url)
        if authority is not None:
            if not authority:
                raise self._fault_in_parser(Fault.MALFORMED)
            headers = [(b"host", authority), *(field for field in headers if field[0] != b"host")]
        self.scope = self._make_scope(url, headers)
        keep_alive = True
        self.cycle = GuardedCycle(  # in order, as a record is made (`base.record`)
            self.scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self._awaited,
            keep_alive,
            self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)
        self._settle_stay()

    def _make_scope(self, url: bytes, headers: HeaderFields) -> HTTPScope:
        target = httptools.parse_url(url)
        path = target.path.decode("ascii")
        server, client, scheme = self.ends
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": self._version,
            "server": server,
            "client": client,
            "scheme": scheme,
            "method": self._method.decode("ascii"),
            "root_path": self.root_path,
            "path": self.root_path + (unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + target.path,
            "query_string": target.query or b"",
            "headers": headers,
            "state": self.app_state.copy(),
        }

    def _settle_stay(self) -> None:
        """Work out whether the connection stays after the answer under way, and let the answer say so."""
        if self.drain.started or self.parser.should_upgrade() or not self.parser.should_keep_alive():
            self.answer_last()
        elif self._version == "1.0":
            self.cycle.keep_alive = True  # and said so: without, a client of HTTP/1.0 reads on until we close
            self.cycle.default_headers = [*self.cycle.default_headers, STAYS]

    def on_message_complete(self) -> None:
        self.ended = True
        self.phase = HEAD
        if not self.started:
            self.start()
        elif not self.parser.should_keep_alive():
            # A trailer may have said so, and this parser takes nothing more. If the head did, we part all the same.
            self.parser = httptools.HttpRequestParser(self)
        if self.waiting:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_body(self, body: bytes) -> None:
        if self.waiting:
            super().on_body(body)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self.answered(self.clock.monotonic())

    def answered(self, now: float) -> None:
        """Go on after an answer."""
        self.cycle = self.scope = None  # type: ignore[assignment]  # an idle connection holds no request
        self.since = now
        self.idle_for = self.limits.keep_alive_for
        if not self.transport.is_closing():
            self.proceed()
