"""Who is at the two ends of a connection, from what the transport noted when the connection was made.

uvicorn asks the sockets anew, by making two of Python's own for it: a tenth of what a connection costs.
"""

from __future__ import annotations

import asyncio
from typing import Literal, NamedTuple


class Ends(NamedTuple):
    """Both addresses, as an ASGI scope names them: a socket in the file system has a path and no port."""

    server: tuple[str, int | None] | None
    client: tuple[str, int] | None
    scheme: Literal["http", "https"]


def ends_of(transport: asyncio.Transport) -> Ends:
    """Return who is at the ends of `transport`; good also when one of them has gone."""
    ours, theirs = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    client = (str(theirs[0]), int(theirs[1])) if isinstance(theirs, tuple) else None
    scheme: Literal["http", "https"] = "https" if transport.get_extra_info("sslcontext") else "http"
    if isinstance(ours, tuple):
        return Ends((str(ours[0]), int(ours[1])), client, scheme)
    return Ends((ours, None) if isinstance(ours, str) and ours else None, client, scheme)
