"""What to do next for one question: a pure function of what is kept, the clock and the asker's wishes.

`read_path` acts on the verdict and adds nothing to it. Names say what must happen next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from stock_service.base.errors import (
    BadRequest,
    CircuitOpen,
    CredentialRefused,
    NotAllowed,
    NotCached,
    Overloaded,
    QuotaSpent,
    ServiceError,
    VendorFailed,
    VendorSlow,
)
from stock_service.base.record import record
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Freshness

HARD_PATIENCE = 0.6  # share of the asker's time a fetch may use while a stale answer waits beside it


@record
class Wishes:
    """What the asker said.

    `force`: a vendor call now (right `no-cache`). `only_cached`: never a vendor call. `edge`: headers that name the
    asker's own user to the vendor, sent with the call this question causes.
    """

    force: bool = False
    only_cached: bool = False
    edge: Mapping[str, str] = field(default_factory=dict, hash=False)


ANY_WAY = Wishes()
_OBJECTIONS = frozenset({"older", "unconfirmed-empty"})  # answers that came, and may not take the place of what is kept


@record
class ServeFresh:
    """Answer with `entry`."""

    entry: Entry


@record
class ServeStaleAndRefresh:
    """Answer with `entry` now and renew it behind the asker's back."""

    entry: Entry


@record
class ServeStale:
    """Answer with `entry`; its last renewal failed and the next is not due."""

    entry: Entry


@record
class Fetch:
    """Ask the vendor and wait until `until`; `fallback` may be served when that fails."""

    until: float
    fallback: Entry | None


@record
class Refuse:
    """Nothing usable is kept and the vendor may not be asked."""

    error: ServiceError


Step = ServeFresh | ServeStaleAndRefresh | ServeStale | Fetch | Refuse


def decide_read(entry: Entry | None, wishes: Wishes, now: float, deadline: float, retry_at: float) -> Step:
    """Return the next step.

    `retry_at` is when a renewal of this key may be tried again after failures (0 when none failed);
    `now` and `deadline` are monotonic seconds.
    """
    freshness = Freshness.DEAD if entry is None else entry.freshness(now)
    if entry is None or freshness is Freshness.DEAD:
        return Refuse(NotCached()) if wishes.only_cached else Fetch(deadline, None)
    if wishes.force:
        return Fetch(deadline, entry)
    if freshness is Freshness.FRESH:
        return ServeFresh(entry)
    if wishes.only_cached or now < retry_at:
        return ServeStale(entry)
    if freshness is Freshness.SOFT:
        return ServeStaleAndRefresh(entry)
    return Fetch(now + HARD_PATIENCE * (deadline - now), entry)


def stale_reason(error: ServiceError) -> str:
    """Return the closed word for why a stale answer is served instead of `error`."""
    match error:
        case QuotaSpent():
            return "quota-spent"
        case CircuitOpen():
            return "breaker-open"
        case CredentialRefused():
            return "vendor-key-refused"
        case VendorSlow():
            return "vendor-slow"
        case VendorFailed():
            return error.kind if error.kind in _OBJECTIONS else "vendor-down"
        case Overloaded():
            return "overloaded"
        case _:
            return "error"


def may_fall_back(error: ServiceError) -> bool:
    """Return whether a stale answer is better than `error`: always, unless the question itself is at fault."""
    return not isinstance(error, BadRequest | NotAllowed)
