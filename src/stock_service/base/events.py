"""What happened, as frozen records; and the one method of whoever wants to know.

An event goes out after its transition is complete and nothing is held, so an observer may ask questions back.
Fields are closed-set names, counts and seconds: no ticker, path, credential or free text reaches a metric label.
"""

from __future__ import annotations

from typing import Protocol

from stock_service.base.record import record


@record
class Event:
    """Base of all events."""


class Observer(Protocol):
    """Receives every event, in order, on the event loop; must return quickly and never raise."""

    def notify(self, event: Event) -> None:
        """Take note of `event`."""
        ...


class Silent:
    """The observer that ignores everything."""

    __slots__ = ()

    def notify(self, event: Event) -> None:
        """Ignore `event`."""


# --- one request -------------------------------------------------------------------------------------------


@record
class RequestFinished(Event):
    """An answer left by the ASGI path. `cache` is the result word of `Cache-Status`, or empty."""

    method: str
    route: str
    status: int
    seconds: float
    cache: str
    client: str
    request_id: str
    target: str  # path without query, for logs only
    traceparent: str = ""  # the W3C header as received, for logs only


@record
class ConnectionRefused(Event):
    """A connection or message was refused before a request existed. `kind` is a closed word (`header-timeout` …)."""

    kind: str


# --- cache -------------------------------------------------------------------------------------------------


@record
class CacheHit(Event):
    """Answered from memory on the ASGI path, fresh or within its stale-while-refreshing time."""

    group: str
    client: str


@record
class CacheMissed(Event):
    """Nothing usable was kept; a fetch was started or joined."""

    group: str
    client: str


@record
class StaleServed(Event):
    """An answer past its fresh time was served. `reason` is `refreshing` or the error kind that forced it."""

    group: str
    age: float
    reason: str


@record
class FetchJoined(Event):
    """A request joined a fetch that was already running."""

    group: str


@record
class OlderDropped(Event):
    """A fetch brought something older than what is kept under the same key, and it was not stored."""

    group: str


@record
class Rescaled(Event):
    """The split lists of so many tickers came into force or were corrected; what was kept of them is stale now."""

    tickers: int
    entries: int
    series: int


@record
class Purged(Event):
    """An operator had kept answers about `tickers`, or everything, forgotten.

    `by` is the admin key's id, or `fleet`: another instance was told. `reached` says who holds to it by now
    (`reads.purge.Reach`).
    """

    entries: int
    series: int
    by: str
    reached: str
    tickers: str


@record
class Warmed(Event):
    """A round of warming is over: `targets` were to be ready, `unfilled` of them could not be had."""

    targets: int
    calls: int
    unfilled: int
    seconds: float


@record
class RefreshFailed(Event):
    """A background refresh failed; the kept answer stays. `error` is the error's class name."""

    group: str
    error: str
    retry_after: float


# --- vendor ------------------------------------------------------------------------------------------------


@record
class VendorCalled(Event):
    """One HTTP exchange with the vendor ended. `outcome` is a word of `upstream/outcome.py`."""

    group: str
    outcome: str
    status: int | None
    seconds: float


@record
class VendorRetried(Event):
    """A failed attempt was (`done`) or was not (`budget`, `deadline`) followed by another."""

    group: str
    result: str


@record
class VendorLimited(Event):
    """The vendor answered 429; nothing is sent for `pause` seconds."""

    pause: float


@record
class SlotGranted(Event):
    """The pacer gave a slot after `waited` seconds. `priority` is the asker's: `interactive`, `renewal` …"""

    priority: str
    waited: float


@record
class SlotRefused(Event):
    """The pacer had no slot soon enough."""

    priority: str


@record
class BreakerMoved(Event):
    """A breaker changed state; `before` and `after` are `closed`, `half_open`, `open`. `open_for` in seconds."""

    endpoint: str
    before: str
    after: str
    open_for: float


@record
class BreakerOverridden(Event):
    """An operator forced the breaker. `mode` is `none`, `force_open`, `force_closed`; `by` the admin key's id."""

    mode: str
    by: str


@record
class KeyChanged(Event):
    """An operator changed a client key. `change` is `created`, `rotated` or `revoked`; `key` and `by` are ids.

    `place` is where it was written: `file` or `store`.
    """

    change: str
    key: str
    by: str
    place: str


@record
class LateResultDropped(Event):
    """A result of an older breaker generation arrived and was ignored."""

    endpoint: str


@record
class CredentialLatched(Event):
    """The vendor refused our key repeatedly; no calls for `latched_for` seconds."""

    latched_for: float


@record
class CredentialAccepted(Event):
    """The vendor accepts our key again."""


# --- shared store ------------------------------------------------------------------------------------------


@record
class SharedAsked(Event):
    """The shared store was asked, or passed over. `operation` is `get`, `put` or `script`.

    `result` is `hit`, `miss`, `ok`, `skipped` or the word of a fault (`cache/shared_faults.py`).
    """

    operation: str
    result: str


@record
class SharedAnswered(Event):
    """One exchange with the shared store ended after so long, answered or given up; reads of one turn go together."""

    seconds: float


@record
class SharedMoved(Event):
    """The shared store became usable or unusable for this process. `state` is `up` or `away`, `reason` a fault word."""

    state: str
    reason: str


@record
class SharedDamaged(Event):
    """A value of the shared store was not what it should be. `kind` is a word of `cache/codec.py`."""

    kind: str


@record
class FetchLed(Event):
    """A fetch met other processes. `result` is `lead`, `followed`, `late` (waited in vain) or `alone` (no store)."""

    result: str


@record
class BudgetMoved(Event):
    """The vendor's budget is kept elsewhere now. `mode` is `shared` or `local`."""

    mode: str


# --- process -----------------------------------------------------------------------------------------------


@record
class Started(Event):
    """The service is ready. Texts are safe to log: no secret is in them."""

    address: str
    vendor: str
    quota: str


@record
class DrainStarted(Event):
    """Shutdown began; new work is still answered, with `Connection: close`."""

    signal: str


@record
class DrainFinished(Event):
    """Shutdown ended; `aborted` requests had to be cut off."""

    seconds: float
    aborted: int


@record
class LoopStalled(Event):
    """The event loop did not run for `seconds`."""

    seconds: float


@record
class Faulted(Event):
    """An unexpected exception was caught at a boundary. `where` is a closed word; the exception goes to the log."""

    where: str
    error: BaseException


@record
class Warned(Event):
    """Something an operator should read once, in a sentence without secrets."""

    message: str
