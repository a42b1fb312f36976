"""Answers cached questions inside the HTTP parser's callback, or even before the parser: the fast lane.

Two lanes. Fast: a whole, bodiless HTTP/1.1 message whose request line the ASGI path has taught us (`lookup`), whose
header fields mean nothing unusual (`hit_head`), from a client known to be good, with room left, about an entry that
is fresh or being renewed. Everything else, whatever the reason, goes to the ASGI path as if this class were not
there. Both give the same answer but for ages, dates and request ids.

A block of header lines is remembered per connection only when the parser has seen a whole message end with it
(`on_message_complete`), and compared byte for byte, save the values of fields that nobody reads (`hit_template`): what
a body contains is never taken for a request.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from stock_service.base.clock import Clock
from stock_service.base.events import Observer
from stock_service.web.drain import Drain
from stock_service.web.guard_head import judge_lines
from stock_service.web.guard_limits import Limits
from stock_service.web.guard_protocol import HEAD_END, GuardedProtocol
from stock_service.web.hit_answer import Answers, Renew
from stock_service.web.hit_head import Head, read_head
from stock_service.web.hit_template import Template, learn_template
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup, Target
from stock_service.web.origin import Networks

_REMEMBERED_MAX_BYTES = 4_096  # of header lines: what an idle connection may keep; longer ones are parsed every time
_LESSONS_MAX = 16  # comparisons of header lines that differ: by then a client has shown which fields change


class HitProtocol(GuardedProtocol):
    """The guarded protocol with the fast lane. `make_protocol` sets the class attributes."""

    # What a hit reads is in slots: uvicorn's protocol has so many attributes that the others are found by hashing.
    __slots__ = ("_ending", "_meaning", "_template", "find", "give")

    all_answers: Answers
    all_targets: dict[bytes, Target]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # The process's tables; here, because an attribute of the object is found faster than one of its class.
        self.give = self.all_answers.give
        self.find = self.all_targets.get
        # Remembered header lines, whole (with the end of the request line before them) or as a template; their meaning.
        self._ending = b""
        self._template: Template | None = None
        self._meaning: Head | None = None
        self._sighted = b""  # the header lines of the message before: only what comes twice is remembered
        self._lessons = 0
        # The last whole message of an HTTP/1.0 client that stays: its line is in no table, its answer says so.
        self._again: tuple[Target, Head] | None = None
        self._again_bytes = b""
        # The message in hand.
        self._line = b""
        self._lines = b""

    def data_received(self, data: bytes) -> None:
        if self.free:
            line = data.removesuffix(self._ending)
            if line != data:  # all that follows the line is remembered
                # Locals: an attribute that is called without becoming one is looked up in the class first.
                find, give, meaning = self.find, self.give, self._meaning
                target = find(line)
                if target is not None and meaning is not None and give(self, target, meaning):
                    return
            elif self._template is not None and self._take_fitting(data, self._template):
                return
            if self._take_known(data):
                return
        self.receive(data)

    def begin(self, head: bytes, line: bytes, block: bytes) -> None:
        """Answer one whole head from memory, or give it to the parser."""
        if not self.drain.started:
            target, meaning, template = self.find(line), self._meaning, self._template
            if target is not None and meaning is not None and head[len(line) :] == self._ending:
                if self.give(self, target, meaning):
                    return
            elif template is not None and self._take_fitting(head, template):
                return
        self._line, self._lines = line, block
        super().begin(head, line, block)

    def start(self) -> None:
        """Answer the parsed message from memory, or hand it to the ASGI application."""
        if not self.ended or self.drain.started or not self._answer_parsed():
            super().start()
        self.headers = []  # an idle connection holds no request
        self._line = self._lines = b""

    def _take_fitting(self, data: bytes, template: Template) -> bool:
        """Answer `data` if it is a known line and header lines that fit; False if it is not, or no hit."""
        find, give, meaning = self.find, self.give, self._meaning
        line_ends = data.find(b"\r")
        target = find(data[:line_ends])
        if target is None or meaning is None or not template.fits(data, line_ends):
            return False
        if template.request_id is not None:
            meaning.request_id = template.request_id
        return give(self, target, meaning)

    def _take_known(self, data: bytes) -> bool:
        """Take `data` if it is a whole message whose line, or all of which, is known; False if it is not."""
        line, _, block = data.partition(b"\r\n")
        if self.find(line) is None:
            return self._again is not None and data == self._again_bytes and self.give(self, *self._again)
        whole = block.find(HEAD_END) == len(block) - len(HEAD_END) >= 0
        if whole:
            self._line, self._lines = line, block
            self.parse(data, judge_lines(block, self.limits.head))  # the line was judged when it was taught
            self.settle()
        return whole

    def _answer_parsed(self) -> bool:
        line, old = self._line, self.parser.get_http_version() == "1.0"
        target = self.find(line[:-1] + b"1" if old else line)  # taught as HTTP/1.1, whoever taught it
        if target is None:
            return False
        stays, short = self.parser.should_keep_alive(), len(self._lines) <= _REMEMBERED_MAX_BYTES
        meaning = read_head(self.headers, b"close" if not stays else b"keep-alive" if old else b"")
        if meaning is None:
            return False
        if old:
            self._again, self._again_bytes = (
                ((target, meaning), b"%b\r\n%b" % (line, self._lines)) if stays and short else (None, b"")
            )
        elif stays and short:
            self._remember(meaning)
        if not self.give(self, target, meaning):
            return False
        self.started = True
        self.idle_for = self.limits.keep_alive_for
        if not stays:
            self.part()
        return True

    def _remember(self, meaning: Head) -> None:
        """Remember the header lines of a whole message, if those of the one before mean the same."""
        lines, before, known = self._lines, self._sighted, self._template
        self._sighted = lines
        if known is not None and known.fits(b"\r\n" + lines, 0):
            return  # it was parsed for another reason
        if lines == before:
            self._meaning, self._ending, self._template = meaning, b"\r\n" + lines, None
        elif before and self._lessons < _LESSONS_MAX:
            self._lessons += 1
            template = learn_template(before, lines, known, self.limits.head.header_bytes)
            if template is not None:
                self._meaning, self._ending, self._template = meaning, b"", template


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
    """Return the protocol class for uvicorn's `http=`, bound to its devices; the arguments are those of `Answers`."""
    bound: dict[str, Any] = {
        "all_answers": Answers(
            lookup,
            clock=clock,
            date=date,
            observer=observer,
            renew=renew,
            names=names,
            public_url=public_url,
            trusted_proxies=trusted_proxies,
        ),
        "all_targets": lookup.targets,
        "clock": clock,
        "date": date,
        "drain": drain,
        "limits": limits,
        "observer": observer,
    }
    return cast("type[HitProtocol]", type("BoundHitProtocol", (HitProtocol,), bound))
