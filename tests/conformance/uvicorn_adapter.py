"""Our protocol class in the shape uvicorn's own protocol tests expect; imported by them, never by ours.

Their fake transport and loop know only what uvicorn's class calls. What ours calls beside that is added here; what a
message is and how it is answered is not touched.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from stock_service.base.clock import SystemClock
from stock_service.base.events import Silent
from stock_service.web.drain import Drain
from stock_service.web.guard_limits import Limits
from stock_service.web.hit_protocol import make_protocol
from stock_service.web.http_date import HttpDate
from stock_service.web.lookup import Lookup

_CLOCK = SystemClock()
_Guarded: Any = make_protocol(
    Lookup(),
    clock=_CLOCK,
    date=HttpDate(_CLOCK),
    drain=Drain(),
    limits=Limits(),
    observer=Silent(),
    renew=lambda entry, client: None,
    names="conformance",
)


class Adapted(_Guarded):  # type: ignore[misc]
    """Accepts a transport and a loop that lack what uvicorn's own class never calls."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        if _loop is not None and not hasattr(_loop, "call_soon"):
            _loop.call_soon = lambda callback, *args: _loop.call_later(0.0, callback, *args)
        super().__init__(config=config, server_state=server_state, app_state=app_state, _loop=_loop)

    def answered(self, now: float) -> None:
        """Leave the scope where it was: some of their tests look at it after the answer."""
        mine = self.__dict__
        scope = mine["scope"]
        super().answered(now)
        mine["scope"] = mine["scope"] or scope

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Complete the fake transport; a real one has everything."""
        for name, stand_in in (
            ("abort", getattr(transport, "close", None)),
            ("can_write_eof", lambda: False),
            ("get_write_buffer_size", lambda: 0),
            ("writelines", lambda pieces: transport.write(b"".join(pieces))),
        ):
            if not hasattr(transport, name):
                setattr(transport, name, stand_in)
        super().connection_made(transport)
