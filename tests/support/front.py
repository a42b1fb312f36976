"""The whole ASGI application in front of a vendor under the test's control, with real keys or without."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from stock_service.access.gate import Gate
from stock_service.access.key_desk import FileShelf, KeyDesk
from stock_service.access.key_file import KeyFile
from stock_service.access.key_store import KeyStore
from stock_service.access.usage_ledger import OwnLedger
from stock_service.cache.series_store import SeriesStore
from stock_service.market.calendar import Calendar
from stock_service.reads.purge import Purge
from stock_service.reads.quality_desk import QualityDesk
from stock_service.reads.questions import Questions
from stock_service.reads.quote_desk import QuoteDesk
from stock_service.web.admin import Admin
from stock_service.web.admin_usage import UsageDesk
from stock_service.web.api import Api
from stock_service.web.app import App, RequestIds
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.gateway import Gateway
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup
from stock_service.web.openapi import openapi_document
from stock_service.web.ops import Ops
from stock_service.web.routes import Part
from stock_service.wiring.translate import route_of
from tests.support.asgi import Browser
from tests.support.reading import Desk, make_desk

ORIGINS = frozenset({b"https://api.polygon.io"})


class Lever:
    """Records what an operator did to the breaker."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, str]] = []

    def override(self, mode: str, by: str) -> None:
        self.moves.append((mode, by))

    def reset(self, by: str) -> None:
        self.moves.append(("reset", by))


@dataclass(slots=True)
class Front:
    """The application and everything behind it."""

    desk: Desk
    gate: Gate
    lookup: Lookup
    lever: Lever
    app: App
    browser: Browser
    readiness: list[str]


def make_front(keys_file: Path | None = None, requests_max: int = 100) -> Front:
    """Return an application whose vendor, clock and breaker the test controls."""
    desk = make_desk()
    clock, date = desk.clock, HttpDate(desk.clock)
    file = KeyFile(keys_file, desk.events) if keys_file else None
    gate = Gate(file, anonymous=keys_file is None)
    doorkeeper, calendar = Doorkeeper(gate, clock), Calendar()
    questions = Questions(desk.reads, clock, ORIGINS)
    lookup, lever, readiness = Lookup(), Lever(), ["ready"]
    gateway = Gateway(reads=desk.reads, doorkeeper=doorkeeper, hits=lookup, clock=clock, public_url="", trusted=())
    quote_desk = QuoteDesk(questions, calendar, clock)
    api = Api(
        desk=quote_desk,
        quality=mock.Mock(spec=QualityDesk),
        questions=questions,
        calendar=calendar,
        doorkeeper=doorkeeper,
        clock=clock,
    )
    purge = Purge(desk.memory, SeriesStore(1 << 20), desk.outdated, clock)
    admin = Admin(
        doorkeeper=doorkeeper,
        breaker=lever,
        snapshot=lambda: {"state": "closed"},
        keys=None if file is None or keys_file is None else _key_desk(keys_file, file, gate, desk),
        usage=UsageDesk(OwnLedger(gate.usage, clock), dict),
        clock=clock,
        purge=purge,
        observer=desk.events,
    )
    ops = Ops(
        version="x",
        readiness=lambda: readiness[0],
        breaker=lambda: {"state": "closed"},
        status=lambda: {"version": "x"},
        metrics=lambda accept: ("text/plain; version=0.0.4", b"# none\n"),
        openapi=openapi_document("x"),
    )
    app = App(
        handlers={
            Part.GATEWAY: gateway.handle,
            Part.API: api.handle,
            Part.ADMIN: admin.handle,
            Part.OPS: ops.handle,
        },
        route_of=route_of,
        ids=RequestIds("t"),
        clock=clock,
        date=date,
        observer=desk.events,
        request_for=9.0,
        requests_max=requests_max,
    )
    return Front(desk, gate, lookup, lever, app, Browser(app), readiness)


def _key_desk(path: Path, file: KeyFile, gate: Gate, desk: Desk) -> KeyDesk:
    clock = desk.clock
    shelf = FileShelf(KeyStore(path), file)
    return KeyDesk(shelf, file, lambda: gate.refresh(clock.monotonic(), clock.wall()), clock, desk.events)
