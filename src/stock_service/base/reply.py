"""One answer of the vendor, as the rest of the service sees it."""

from __future__ import annotations

from stock_service.base.record import record


@record
class Reply:
    """A complete, checked answer.

    `body` is decoded (no content coding). `fetched_at` is the monotonic second at which the exchange
    that produced it *began*: a slow old answer must never replace a fast newer one. `results` counts the entries it
    lists; None: it lists nothing, or nobody has counted them yet.
    """

    status: int
    content_type: str
    body: bytes
    fetched_at: float
    request_id: str = ""
    results: int | None = None
