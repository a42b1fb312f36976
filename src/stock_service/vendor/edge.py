"""The headers by which an application names its own user to the vendor, as plans for such applications require.

They say for whom a call is made, not what is asked: they are passed on with the call they cause, and are no part of a
key. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

EDGE_HEADERS: Final = frozenset(
    f"X-{house}-Edge-{what}" for house in ("Massive", "Polygon") for what in ("ID", "IP-Address", "User-Agent")
)
_BY_LOWER_NAME: Final = {name.lower().encode("ascii"): name for name in EDGE_HEADERS}
EDGE_FIELDS: Final = frozenset(_BY_LOWER_NAME)  # as they arrive


def edge_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return those of `headers` (names in lower case) that name the asker's own user, in the vendor's spelling."""
    return {_BY_LOWER_NAME[name]: value.decode("latin-1") for name, value in headers if name in _BY_LOWER_NAME}
