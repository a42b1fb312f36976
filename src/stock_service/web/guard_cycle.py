"""One request with the ASGI application, and its answer: head and body leave in one piece where that is possible.

Only what is plain is sent here: a known length, all of the body at once, fields that need no second look. Whatever is
not plain goes uvicorn's way, message by message, as if this class were not there; both put the same bytes on the wire.
"""

from __future__ import annotations

import re

from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from stock_service.cache.entry import SMALL_BYTES

_NAME = re.compile(rb"(?!(?:connection|transfer-encoding)\Z)[a-z0-9-]+\Z")
_USUAL_NAMES = frozenset(  # nearly all there are; others are looked at one by one
    b"age cache-control cache-status content-encoding content-length content-type date etag"
    b" ratelimit ratelimit-policy vary x-request-id".split()
)
_CONTROLS = bytes((*range(9), *range(10, 32), 127))  # what no value may hold; a tab is none of them


class GuardedCycle(RequestResponseCycle):
    """uvicorn's, which holds the head back until the body is there."""

    _begun: HTTPResponseStartEvent | None = None  # the head that is held back

    async def send(self, message: ASGISendEvent) -> None:
        """Take one ASGI message."""
        begun, self._begun = self._begun, None
        if begun is None:
            if message["type"] == "http.response.start" and not self.response_started:
                self._begun = message
            else:
                await super().send(message)
        elif not self._send_whole(begun, message):
            await super().send(begun)
            await super().send(message)

    async def send_500_response(self) -> None:
        """Answer in place of an application that failed, be its own head held back or not."""
        self._begun = None
        await super().send_500_response()

    def _send_whole(self, begun: HTTPResponseStartEvent, message: ASGISendEvent) -> bool:
        """Send the whole answer, if it is plain; return whether it was."""
        if message["type"] != "http.response.body" or message.get("more_body") or not self._usual():
            return False
        body = message.get("body", b"")
        lines = [*self.default_headers, *begun.get("headers", ())]
        fields = b"\r\n".join(map(b": ".join, lines))
        if len(fields.translate(None, _CONTROLS)) + 2 * len(lines) - 2 != len(fields):
            return False  # a control character beside the ends of the lines
        values = dict(lines)
        if len(values) != len(lines) or values.get(b"content-length") != b"%d" % len(body):
            return False
        if not (_USUAL_NAMES.issuperset(values) or all(map(_NAME.match, values))):
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        ending = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        head = b"%b%b\r\n%b" % (STATUS_LINE[begun["status"]], fields, ending)
        if len(body) <= SMALL_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True

    def _usual(self) -> bool:
        """Return whether nothing about request or connection asks for uvicorn's care."""
        return not (self.flow.write_paused or self.disconnected or self.access_log) and self.scope["method"] != "HEAD"
