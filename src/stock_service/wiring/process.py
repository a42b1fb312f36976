"""One gateway process: log, socket, service, server, and the way out."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from ipaddress import ip_address

from stock_service.base.clock import SystemClock
from stock_service.base.events import Started, Warned
from stock_service.base.listening import beginning_to_listen
from stock_service.cache.shared_address import parse_address
from stock_service.config.load import Loaded
from stock_service.config.sections import Settings
from stock_service.telemetry.log_lines import Form, Level
from stock_service.telemetry.log_writer import LineWriter
from stock_service.telemetry.logs import LibraryLogs, Log, LogObserver
from stock_service.telemetry.scrub import Scrubber
from stock_service.web.listener import BACKLOG, bind
from stock_service.web.server import ServerSettings, make_server, serve
from stock_service.web.watchdog import Heartbeat, WatchdogSettings
from stock_service.wiring.build import build_service
from stock_service.wiring.service import Service
from stock_service.wiring.translate import vendor_name

_STDOUT = 1
_LOG_ENDS_WITHIN = 2.0

Announce = Callable[[str, str], None]


async def run_gateway(loaded: Loaded, announce: Announce) -> None:
    """Serve until told to leave.

    Args:
        announce: told the address and the vendor's plan once the socket is bound.

    Raises:
        CannotListen: the address is taken or not ours.
        KeysFaulty: the keys file cannot be used.
    """
    settings, clock = loaded.settings, SystemClock()
    writer = LineWriter(_STDOUT)
    try:
        log = Log(writer.put, clock, Scrubber(_secrets(settings)), Level[settings.log.level], _form(settings))
        LibraryLogs(log).install()
        observer = LogObserver(log, clock)
        heart = WatchdogSettings(dump_after=settings.server.watchdog_dump, exit_after=settings.server.watchdog_exit)
        service = build_service(settings, observer, lambda: writer.dropped, clock)
        for warning in loaded.warnings:
            observer.notify(Warned(warning))
        await _serve(service, settings, heart, announce)
    finally:
        writer.close(_LOG_ENDS_WITHIN)


async def _serve(service: Service, settings: Settings, heart: WatchdogSettings, announce: Announce) -> None:
    server_settings = ServerSettings(
        host=settings.server.host,
        port=settings.server.port,
        lame_for=settings.server.drain_wait,
        linger_for=settings.server.drain_linger,
        finish_for=settings.server.drain_finish,
    )
    with beginning_to_listen():
        listening = bind(server_settings.host, server_settings.port)
        listening.listen(BACKLOG)  # whoever reads the address below may connect at once
    host, port = listening.getsockname()[:2]
    address = f"http://{_printable(host)}:{port}"
    server = make_server(
        service.app,
        server_settings,
        service.protocol,
        clock=service.clock,
        drain=service.drain,
        observer=service.observer,
    )
    chores = asyncio.get_running_loop().create_task(service.do_chores(), name="chores")
    gc.collect()
    gc.freeze()  # what exists now lives as long as the process; no collection needs to look at it again
    service.ready = True
    announce(address, service.plan)
    service.observer.notify(Started(address, vendor_name(settings), service.plan))
    try:
        await serve(
            server,
            listening,
            clock=service.clock,
            observer=service.observer,
            watchdog=heart,
            heartbeat=Heartbeat(service.clock, service.observer, heart),
        )
    finally:
        chores.cancel()
        await asyncio.gather(chores, return_exceptions=True)
        await service.aclose()


def _secrets(settings: Settings) -> tuple[str, ...]:
    store = settings.shared.url.reveal()
    found = (settings.upstream.api_key.reveal(), store, (parse_address(store).password or "") if store else "")
    return tuple(each for each in found if each)


def _form(settings: Settings) -> Form:
    if settings.log.format == "auto":
        return Form.CONSOLE if sys.stdout.isatty() else Form.JSON
    return Form(settings.log.format)


def _printable(host: str) -> str:
    """Return a host one can put into a URL: an address that stands for all is reached by its loopback."""
    address = ip_address(host)
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{host}]" if address.version == 6 else host
