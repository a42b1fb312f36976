"""One client connection below the framework: its life, its deadlines and how it is refused.

Which bytes are a message is decided by the class built on this one (`guard_protocol`). Uses uvicorn 0.54's private
parts; tests/wire/test_protocol_contract.py holds which.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from itertools import count
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from stock_service.base.clock import Clock
from stock_service.base.events import ConnectionRefused, Observer
from stock_service.web.drain import Drain
from stock_service.web.guard_deadlines import BODY, HEAD, OVER, Overdue, judge_deadline
from stock_service.web.guard_ends import Ends, ends_of
from stock_service.web.guard_faults import Fault, render_fault
from stock_service.web.guard_flow import GuardedFlow
from stock_service.web.guard_limits import Limits
from stock_service.web.http_date import HttpDate

STAYS = (b"connection", b"keep-alive")  # said to clients of HTTP/1.0 only; the others take it for granted


class LastAnswer:
    """Stands between the last answer of a connection and its transport: to close means to part."""

    __slots__ = ("_transport", "close", "write")

    def __init__(self, transport: asyncio.Transport, part: Callable[[], None]) -> None:
        self._transport = transport
        self.write = transport.write
        self.close = part

    def is_closing(self) -> bool:
        """Return whether nothing more can be sent."""
        return self._transport.is_closing()


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's protocol with deadlines and refusals. Whoever builds the final class sets the class attributes."""

    __slots__ = ("free", "since", "transport")  # read or written by every hit: see `hit_protocol`

    clock: Clock
    date: HttpDate
    drain: Drain
    limits: Limits
    observer: Observer
    flow: GuardedFlow
    _refusals = count(1)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.phase = HEAD
        self.free = False  # between messages, nothing to wait for: the next bytes may be a hit
        self.since = 0.0  # when the phase began, or the last answer ended
        self.idle_for = self.limits.head_for  # how long it may stay idle; longer once it has asked something
        self.rest = b""  # bytes that are here and not taken up yet
        self.started = False  # the message in hand is with the application, or answered
        self._ends: Ends | None = None
        self._unread = (0, 0.0)  # bytes the client has not taken, and since when their number is the same

    def proceed(self) -> None:
        """Take up what has arrived, as far as it goes now."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.connections.add(self)
        self.transport = transport
        self.flow = GuardedFlow(transport, self.held)
        self.since = self.clock.monotonic()
        if len(self.connections) > self.limits.connections:
            self.refuse(Fault.CROWDED)
            return
        self.settle()

    def connection_lost(self, exc: Exception | None) -> None:
        self.phase = OVER
        self.free = False
        self.rest = b""
        super().connection_lost(exc)
        self.flow.let_go()

    @property
    def ends(self) -> Ends:
        """Who is at both ends; found out when somebody asks first, which hits seldom do."""
        if self._ends is None:
            self._ends = ends_of(self.transport)
        return self._ends

    def pause_writing(self) -> None:
        self.free = False
        super().pause_writing()
        if self.phase is not OVER:
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.proceed()

    def shutdown(self) -> None:
        self.leave(self.limits.linger_for)

    def note_drain(self) -> None:
        """Take note that the process leaves: from now on every answer that has not begun is the last."""
        self.settle()
        if self.waiting and not self.cycle.response_started:
            self.answer_last()

    def leave(self, linger_for: float) -> None:
        """Finish what is under way; one that looks idle gets a moment, since a request may be in its socket."""
        self.settle()
        if self.waiting:
            self.answer_last()
        else:
            self.loop.call_later(linger_for, self._close_if_idle, linger_for)

    def _close_if_idle(self, linger_for: float) -> None:
        if self.waiting or self.transport.is_closing():
            return
        if _bytes_wait(self.transport):  # a busy loop looks at its clock before it looks at its sockets
            self.loop.call_later(linger_for, self._close_if_idle, linger_for)
        else:
            self.transport.close()

    def answer_last(self) -> None:
        """Let the answer under way say that it is the last, and part after it."""
        self.cycle.keep_alive = False
        self.cycle.default_headers = [each for each in self.cycle.default_headers if each != STAYS]
        self.cycle.transport = LastAnswer(self.transport, self.part)  # type: ignore[assignment]  # all it uses

    def part(self) -> None:
        """Send nothing more, and throw away what still comes until the client has read what was sent.

        Closing at once would reset the connection if a byte came too late, and the answer on its way with it.
        """
        if self.transport.is_closing():
            return
        self._over()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    @property
    def waiting(self) -> bool:
        """Whether a request has been taken up and its answer is not complete."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def held(self) -> bool:
        """Whether bytes already here must wait, so that reading more would only fill the memory."""
        if self.flow.write_paused:
            return self.phase is not OVER
        return self.waiting and self.phase is HEAD

    def settle(self) -> None:
        """Work out whether the next bytes may be answered as a hit."""
        cycle: RequestResponseCycle | None = self.cycle
        self.free = (
            self.phase is HEAD
            and not self.rest
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.drain.started
        )

    # --- deadlines ---

    def sweep(self, now: float) -> None:
        """End the connection if it has exceeded a deadline at `now`."""
        if self._stalled(now):
            self.observer.notify(ConnectionRefused("unread"))
            self.transport.abort()
            return
        if self.phase is OVER and self._unread[0]:
            self.since = now  # lingering begins when the last bytes are on their way
        held_by_us = self.flow.write_paused or (self.waiting and (self.phase is HEAD or self.flow.read_paused))
        if self.transport.is_closing() or (held_by_us and self.phase is not OVER):
            return
        overdue = judge_deadline(
            self.phase,
            for_seconds=now - self.since,
            begun=bool(self.rest),
            idle_for=self.idle_for,
            limits=self.limits,
        )
        match overdue:
            case Overdue.HEAD:
                self.refuse(Fault.HEAD_LATE)
            case Overdue.BODY:
                self.refuse(Fault.BODY_LATE)
            case Overdue.IDLE | Overdue.LINGERING:
                self.transport.close()
            case None:
                pass

    def _stalled(self, now: float) -> bool:
        """Return whether the client has taken nothing of a full buffer, or of its last bytes, for too long."""
        size = self.transport.get_write_buffer_size()
        if not size or not (self.flow.write_paused or self.phase is OVER or self.transport.is_closing()):
            self._unread = (0, now)
        elif size != self._unread[0]:
            self._unread = (size, now)
        return size > 0 and now - self._unread[1] >= self.limits.unread_for

    # --- refusals ---

    def refuse(self, fault: Fault) -> None:
        """Answer `fault` if an answer is still possible, and end the connection."""
        self.observer.notify(ConnectionRefused(fault.kind))
        half, whole = False, self.phase is BODY and self.started and not self.waiting
        if self.waiting:
            half = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False  # an application that begins only now must not ask for more
            self.cycle.message_event.set()
        if self.transport.is_closing():
            self._over()
        elif half:
            self._over()
            self.transport.abort()  # it must not look whole
        else:
            if not whole:
                request_id = f"refused-{next(self._refusals):x}"
                self.transport.write(render_fault(fault, request_id, self.date.value()))
            self.part()

    def _over(self) -> None:
        self.phase = OVER
        self.free = False
        self.rest = b""
        self.since = self.clock.monotonic()
        self.flow.resume_reading()


def _bytes_wait(transport: asyncio.Transport) -> bool:
    """Return whether something has arrived that the loop has not read yet."""
    connected = transport.get_extra_info("socket")
    if connected is None:
        return False
    look = select.poll()
    look.register(connected.fileno(), select.POLLIN)
    return bool(look.poll(0))
