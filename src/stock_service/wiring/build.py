"""Puts the service together: the web on top of what answers questions, who may ask, and what is shown of it all.

Passes settings, clock and observer down, and knows nothing about what the parts do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from ipaddress import ip_network

from stock_service import __version__
from stock_service.base.broadcast import Broadcast
from stock_service.base.clock import Clock
from stock_service.base.events import BreakerOverridden, Observer
from stock_service.config.sections import Settings
from stock_service.reads.quality_desk import QualityDesk
from stock_service.reads.questions import Questions
from stock_service.reads.quote_desk import QuoteDesk
from stock_service.telemetry.counters import Counters
from stock_service.telemetry.metrics import Exporter
from stock_service.upstream.breaker import Override
from stock_service.upstream.call import Upstream
from stock_service.web.admin import Admin
from stock_service.web.api import Api
from stock_service.web.app import App, RequestIds
from stock_service.web.doorkeeper import Doorkeeper
from stock_service.web.drain import Drain
from stock_service.web.gateway import Gateway
from stock_service.web.hit_protocol import make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup
from stock_service.web.openapi import openapi_document
from stock_service.web.ops import Ops
from stock_service.web.routes import Part
from stock_service.wiring.access import make_access
from stock_service.wiring.reading import Reading
from stock_service.wiring.service import Service
from stock_service.wiring.translate import (
    closed_sets,
    connection_limits,
    pacer_settings,
    policy_settings,
    route_of,
)
from stock_service.wiring.views import Views


def build_service(settings: Settings, log: Observer, log_dropped: Callable[[], int], clock: Clock) -> Service:
    """Return the service these settings describe. Opens nothing; call it on the event loop that will run it.

    Raises:
        KeysFaulty: the keys file cannot be used.
        RecordingFaulty: the folder of recorded answers cannot be used.
        TickersFaulty: the file of tickers to keep ready cannot be used.
    """
    return _Builder(settings, log, log_dropped, clock).build()


class _Lever:
    """The breakers, as the admin route moves them: in words, and leaving a line in the log."""

    def __init__(self, upstream: Upstream, observer: Observer) -> None:
        self._upstream = upstream
        self._observer = observer

    def override(self, mode: str, by: str) -> None:
        self._upstream.override(Override(mode), by)

    def reset(self, by: str) -> None:
        self._upstream.reset()
        self._observer.notify(BreakerOverridden("reset", by))


class _Builder:
    """The service while it is put together."""

    def __init__(self, settings: Settings, log: Observer, log_dropped: Callable[[], int], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._log_dropped = log_dropped
        self._counters = Counters(closed_sets())
        self._observer = Broadcast(self._counters, log)
        self._date = HttpDate(clock)
        self._trusted = tuple(ip_network(each) for each in settings.server.trusted_proxies)
        self._drain = Drain()
        self._lookup = Lookup()
        self._reading = Reading(settings, clock, self._observer)
        store = None if self._reading.shared is None else self._reading.shared.store
        self._access = make_access(settings, store, self._lookup.distrust_all, clock, self._observer)

    def build(self) -> Service:
        prefix = secrets.token_hex(4)
        limits = connection_limits(self._settings)
        app = self._make_app(prefix)
        protocol = make_protocol(
            self._lookup,
            clock=self._clock,
            date=self._date,
            drain=self._drain,
            limits=limits,
            observer=self._observer,
            renew=self._reading.reads.refresh_entry,
            names=f"{prefix}-h",
            public_url=self._settings.server.public_url,
            trusted_proxies=self._trusted,
        )
        service = Service(
            app=app,
            protocol=protocol,
            limits=limits,
            drain=self._drain,
            observer=self._observer,
            clock=self._clock,
            plan=pacer_settings(self._settings).text,
            _access=self._access,
            _lookup=self._lookup,
            _reads=self._reading.reads,
            _flights=self._reading.flights,
            _upstream=self._reading.upstream,
            _news=self._reading.news,
            _shared=self._reading.shared,
            _warmer=self._reading.warmer,
        )
        self._service = service
        self._drain.on_start(service.quiet)
        return service

    def _make_app(self, prefix: str) -> App:
        server = self._settings.server
        doorkeeper = Doorkeeper(self._access.gate, self._clock)
        questions = Questions(self._reading.reads, self._reading.market_clock, self._reading.origins)
        desk = QuoteDesk(questions, self._reading.calendar, self._reading.market_clock)
        gateway = Gateway(
            reads=self._reading.reads,
            doorkeeper=doorkeeper,
            hits=self._lookup,
            clock=self._clock,
            public_url=server.public_url,
            trusted=self._trusted,
        )
        quality = QualityDesk(
            questions=questions,
            held=self._reading.bars,
            vendor=self._reading.vendor,
            calendar=self._reading.calendar,
            entitlement=policy_settings(self._settings).entitlement,
            clock=self._reading.market_clock,
            origins=self._reading.origins,
        )
        api = Api(
            desk=desk,
            quality=quality,
            questions=questions,
            calendar=self._reading.calendar,
            doorkeeper=doorkeeper,
            clock=self._reading.market_clock,
        )
        admin = Admin(
            doorkeeper=doorkeeper,
            breaker=_Lever(self._reading.upstream, self._observer),
            snapshot=self._reading.upstream.breaker_snapshot,
            purge=self._reading.purges,
            observer=self._observer,
            keys=self._access.keys,
            usage=self._access.usage,
            clock=self._clock,
        )
        views = Views(
            settings=self._settings,
            memory=self._reading.memory,
            series=self._reading.series,
            flights=self._reading.flights,
            upstream=self._reading.upstream,
            gate=self._access.gate,
            shared=self._reading.shared,
            news=self._reading.news,
            warmer=self._reading.warmer,
            clock=self._clock,
            readiness=self._readiness,
            running=lambda: self._app.running,
        )
        sources = views.metric_sources(self._lookup.series, self._log_dropped)
        exporter = Exporter(self._counters, sources, version=__version__, commit="")
        ops = Ops(
            version=__version__,
            readiness=self._readiness,
            breaker=self._reading.upstream.breaker_snapshot,
            status=views.status,
            metrics=exporter.render,
            openapi=openapi_document(__version__),
        )
        self._app = App(
            handlers={
                Part.GATEWAY: gateway.handle,
                Part.API: api.handle,
                Part.ADMIN: admin.handle,
                Part.OPS: ops.handle,
            },
            route_of=route_of,
            ids=RequestIds(prefix),
            clock=self._clock,
            date=self._date,
            observer=self._observer,
            request_for=server.request_timeout,
            requests_max=server.max_requests,
        )
        return self._app

    def _readiness(self) -> str:
        if self._drain.started:
            return "draining"
        return "ready" if self._service.ready and self._access.settled() else "starting"
