"""The switchboard: what a test outside of the process asks and changes, under `/__simulator__/`.

Needs no key and counts as no call, so the simulator must only listen where its user alone can reach it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiohttp import web

from stock_service.simulator.app import CONTROL, Vendor
from stock_service.simulator.calls import Call
from stock_service.simulator.faults import FaultKind, FaultRule, Param


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    """A fault rule as it is posted; the fields are those of `FaultRule`."""

    kind: FaultKind
    prefix: str = ""
    pattern: str = ""
    probability: float = 1.0
    count: int | None = None
    seed: int = 0
    good_for: float = 0.0
    bad_for: float = 0.0
    params: dict[str, Param] = {}


class _Instant(msgspec.Struct, forbid_unknown_fields=True):
    """`at` freezes at a Unix second, `advance` moves a frozen instant on, `follow` goes back to the clock."""

    at: float | None = None
    advance: float = 0.0
    follow: bool = False


def add_control(app: web.Application, vendor: Vendor) -> None:
    """Put the switchboard's routes into `app`."""

    async def calls(request: web.Request) -> web.Response:
        return _json([_call(call) for call in vendor.calls.calls(request.query.get("prefix", ""))])

    async def state(request: web.Request) -> web.Response:
        window = float(request.query.get("window", "60"))
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
        try:
            posted = msgspec.json.decode(await request.read(), type=list[_Rule])
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        rules = [FaultRule(**{name: getattr(rule, name) for name in rule.__struct_fields__}) for rule in posted]
        vendor.faults.put(rules, vendor.clock.monotonic())
        return _json({"faults": vendor.faults.state()})

    async def clear_faults(request: web.Request) -> web.Response:  # noqa: ARG001 - one shape of handlers
        vendor.faults.clear()
        return _json({"faults": []})

    async def move_clock(request: web.Request) -> web.Response:
        try:
            posted = msgspec.json.decode(await request.read(), type=_Instant)
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        moved = (vendor.now() if posted.at is None else posted.at) + posted.advance
        vendor.frozen_at = None if posted.follow else moved
        return _json({"now": vendor.now(), "frozen": vendor.frozen_at is not None})

    async def reset(request: web.Request) -> web.Response:  # noqa: ARG001 - one shape of handlers
        vendor.faults.clear()
        vendor.calls.clear()
        vendor.admission.clear()
        return _json({"calls": 0, "faults": []})

    routes: tuple[tuple[str, str, Callable[[web.Request], object]], ...] = (
        ("GET", "calls", calls),
        ("GET", "state", state),
        ("POST", "faults", put_faults),
        ("DELETE", "faults", clear_faults),
        ("POST", "clock", move_clock),
        ("POST", "reset", reset),
    )
    for method, name, handler in routes:
        app.router.add_route(method, CONTROL + name, handler)  # type: ignore[arg-type]


def _call(call: Call) -> dict[str, object]:
    return {"at": call.at, "path": call.path, "target": call.target, "status": call.status, "fault": call.fault}


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
