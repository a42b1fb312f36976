"""The two meters of a client: requests made, and vendor calls those caused. Counts only; decides nothing."""

from __future__ import annotations

from typing import NamedTuple


class ClientUsage(NamedTuple):
    """What one client has used since the process started. `limited` counts requests its own limit refused."""

    client: str
    requests: int
    vendor_calls: int
    limited: int
