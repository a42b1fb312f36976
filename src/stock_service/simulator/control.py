"""The switchboard: what a test outside of the process asks and changes, under `/__simulator__/`.

Needs no key and counts as no call, so the simulator must only listen where its user alone can reach it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from stock_service.simulator.app import CONTROL, Vendor
from stock_service.simulator.calls import Call
from stock_service.simulator.posted import read_instant, read_rules, read_window

_Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_control(app: web.Application, vendor: Vendor) -> None:
    """Put the switchboard's routes into `app`."""

    async def calls(request: web.Request) -> web.Response:
        return _json([_call(call) for call in vendor.calls.calls(request.query.get("prefix", ""))])

    async def state(request: web.Request) -> web.Response:
        window = read_window(request.query.get("window", "60"))
        statuses = {str(status): count for status, count in sorted(vendor.calls.statuses.items())}
        return _json(
            {
                "now": vendor.now(),
                "frozen": vendor.frozen_at is not None,
                "calls": vendor.calls.total,
                "busiest": vendor.calls.busiest(window),
                "statuses": statuses,
                "faults": vendor.faults.state(),
            }
        )

    async def put_faults(request: web.Request) -> web.Response:
        vendor.faults.put(read_rules(await request.read()), vendor.clock.monotonic())
        return _json({"faults": vendor.faults.state()})

    async def clear_faults(request: web.Request) -> web.Response:  # noqa: ARG001 - one shape of handlers
        vendor.faults.clear()
        return _json({"faults": []})

    async def move_clock(request: web.Request) -> web.Response:
        vendor.frozen_at = read_instant(await request.read(), vendor.now())
        return _json({"now": vendor.now(), "frozen": vendor.frozen_at is not None})

    async def reset(request: web.Request) -> web.Response:  # noqa: ARG001 - one shape of handlers
        vendor.faults.clear()
        vendor.calls.clear()
        vendor.admission.clear()
        return _json({"calls": 0, "faults": []})

    routes: tuple[tuple[str, str, _Handler], ...] = (
        ("GET", "calls", calls),
        ("GET", "state", state),
        ("POST", "faults", put_faults),
        ("DELETE", "faults", clear_faults),
        ("POST", "clock", move_clock),
        ("POST", "reset", reset),
    )
    for method, name, handler in routes:
        app.router.add_route(method, CONTROL + name, _refusing(handler))


def _refusing(handler: _Handler) -> _Handler:
    """Return `handler`, answering 400 to what it cannot read."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ValueError as error:  # msgspec's are such too
            return _json({"error": str(error)}, 400)

    return handle


def _call(call: Call) -> dict[str, object]:
    return {"at": call.at, "path": call.path, "target": call.target, "status": call.status, "fault": call.fault}


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
