"""The simulated vendor's front: one request in, one answer of the vendor out.

Order: route, key, limit, fault, answer. A fault hits calls with a good key only, except those of `revoked` kind that
pretend otherwise; every call is in the log, refused ones too. Never logs or repeats a key; answers within the
same second are the same bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from stock_service.base.clock import Clock
from stock_service.simulator.admission import Admission
from stock_service.simulator.ask import Ask, NoSuchRoute, Raw, Refusal
from stock_service.simulator.bars_answers import bars_as_csv
from stock_service.simulator.calls import IN_FLIGHT, CallLog
from stock_service.simulator.fault_answers import changed_answer, close_after, packed
from stock_service.simulator.fault_scripts import WireFault, script_for
from stock_service.simulator.faults import FaultKind, FaultRule, Faults
from stock_service.simulator.routes import answer_to, is_route
from stock_service.simulator.wire import RawAnswer
from stock_service.simulator.world import World

CONTROL = "/__simulator__/"
"""Below this path is the simulator's own switchboard, which no vendor has."""

_JSON = "application/json"
_CSV = "text/csv"
_KEY_PARAMETER = "apiKey"
_WORTH_PACKING = 512
_NO_ROUTE = Raw("text/plain", b"404 page not found")


@dataclass(slots=True)
class Vendor:
    """Everything one simulated vendor holds. `frozen_at` is the instant answers are for, None to follow the clock."""

    world: World
    admission: Admission
    clock: Clock
    frozen_at: float | None = None
    faults: Faults = field(default_factory=Faults)
    calls: CallLog = field(default_factory=CallLog)
    closing: set[asyncio.Task[None]] = field(default_factory=set)

    def now(self) -> float:
        """The instant (Unix seconds) answers are given for."""
        return self.clock.wall() if self.frozen_at is None else self.frozen_at

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one vendor call."""
        ask = self._ask_of(request)
        arrived_at = self.clock.monotonic()
        call = self.calls.begin(arrived_at, ask.path, f"{ask.path}?{urlencode(ask.params)}".rstrip("?"))
        try:
            if request.method not in ("GET", "HEAD") or not is_route(ask.path):
                raise NoSuchRoute
            rule = self._admit(request, ask.path, arrived_at)
        except (Refusal, NoSuchRoute) as refusal:
            answer: web.StreamResponse = _shown(request, ask, *_refused(ask, refusal))
        else:
            call.fault = "" if rule is None else rule.kind.value
            answer = self._answered(request, ask, rule)
        self.calls.settle(call, IN_FLIGHT if isinstance(answer, RawAnswer) else answer.status)
        return answer

    def _ask_of(self, request: web.Request) -> Ask:
        params = {name: value for name, value in request.query.items() if name != _KEY_PARAMETER}
        return Ask(request.path, params, int(self.now()) * 1000, f"{request.scheme}://{request.host}")

    def _admit(self, request: web.Request, path: str, now: float) -> FaultRule | None:
        """The fault this call gets. Raises Refusal for a wrong key or a spent limit."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else None
        self.admission.ask(bearer or request.query.get(_KEY_PARAMETER), now)
        return self.faults.choose(path, now)

    def _answered(self, request: web.Request, ask: Ask, rule: FaultRule | None) -> web.StreamResponse:
        if rule is None:
            return _shown(request, ask, *_answer(self.world, ask, as_table=_wants_table(request)))
        changed = changed_answer(rule)
        if changed is not None:
            return _with_vendor_headers(changed, ask)
        if rule.kind is FaultKind.OLDER:
            seconds = rule.number("seconds", 3600.0)
            older = Ask(ask.path, ask.params, ask.now_ms - int(seconds * 1000), ask.origin)
            answer = _shown(request, older, *_answer(self.world, older, as_table=_wants_table(request)))
            if rule.params.get("date"):
                answer.headers["Date"] = formatdate(self.now() - seconds, usegmt=True)
            return answer
        status, payload = _answer(self.world, ask, as_table=_wants_table(request))
        if rule.kind is FaultKind.CLOSE_IDLE:
            self._close_later(request, rule)
            return _shown(request, ask, status, payload)
        script = script_for(WireFault(rule, status, payload.body, payload.content_type))
        assert script is not None, rule.kind
        return RawAnswer(script, self.clock)

    def _close_later(self, request: web.Request, rule: FaultRule) -> None:
        task = asyncio.ensure_future(close_after(request, self.clock, rule.number("seconds", 0.05)))
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)


def _answer(world: World, ask: Ask, *, as_table: bool = False) -> tuple[int, Raw]:
    try:
        answer = answer_to(world, ask)
    except (Refusal, NoSuchRoute) as refusal:
        return _refused(ask, refusal)
    if isinstance(answer, Raw):
        return 200, answer
    table = bars_as_csv(answer) if as_table else None
    return 200, Raw(_JSON, msgspec.json.encode(answer)) if table is None else Raw(_CSV, table)


def _wants_table(request: web.Request) -> bool:
    return request.headers.get("Accept", "").startswith(_CSV)


def _refused(ask: Ask, refusal: Refusal | NoSuchRoute) -> tuple[int, Raw]:
    if isinstance(refusal, NoSuchRoute):
        return 404, _NO_ROUTE
    members = dict(refusal.members)
    body = {"status": members.pop("status"), "request_id": ask.request_id, **members}
    return refusal.status, Raw(_JSON, msgspec.json.encode(body))


def _shown(request: web.Request, ask: Ask, status: int, payload: Raw) -> web.Response:
    """The answer with the vendor's headers, in gzip when the caller takes it."""
    answer = web.Response(status=status, body=payload.body, content_type=payload.content_type)
    if len(payload.body) >= _WORTH_PACKING and "gzip" in request.headers.get("Accept-Encoding", ""):
        answer = web.Response(status=status, body=packed(payload.body), content_type=payload.content_type)
        answer.headers["Content-Encoding"] = "gzip"
    return _with_vendor_headers(answer, ask)


def _with_vendor_headers(answer: web.Response, ask: Ask) -> web.Response:
    answer.headers["Server"] = "nginx/1.19.2"
    answer.headers["Vary"] = "Accept, Accept-Encoding"
    answer.headers["X-Request-Id"] = ask.request_id
    answer.headers["Strict-Transport-Security"] = "max-age=15724800; includeSubDomains"
    return answer
