"""The admin routes as data, and what they answer: dispatch, OpenAPI and the docs page are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from stock_service.access.key_orders import KeyOrder, RotateOrder
from stock_service.access.keys import KeyRecord
from stock_service.reads.purge import Reach, Swept
from stock_service.web.api_table import Operation, Parameter

BREAKER_MODES = ("force_open", "force_closed", "none", "reset")
KEYS_PAGE = 100
KEYS_PAGE_MAX = 1_000
USAGE_DAYS = 31
USAGE_FORMATS = ("json", "csv")


class BreakerOrder(msgspec.Struct, forbid_unknown_fields=True):
    """`mode`: force_open, force_closed, none (it decides again) or reset."""

    mode: str


class PurgeOrder(msgspec.Struct, forbid_unknown_fields=True):
    """One `ticker`, or `everything`. `preview`: only say what would be forgotten."""

    ticker: str = ""
    everything: bool = False
    preview: bool = False


class PurgeReport(msgspec.Struct, frozen=True):
    """What was forgotten here, or would be, and who else forgets it.

    `reached`: `fleet`, `machine` (all instances on its folder of answers), `instance` (nothing connects it to others),
    `cut_off` (only this instance, though there are others), `nobody` (a preview). `note` says it in words.
    """

    preview: bool
    answers: int
    series: int
    bytes: int
    first_keys: list[str]
    reached: str
    note: str


class KeyView(msgspec.Struct, frozen=True):
    """A key as it is shown: everything but its hash. `state` is `valid`, `expired` or `revoked`."""

    id: str
    name: str
    state: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    rights: tuple[str, ...]
    limit: str
    burst: int | None
    replaced_by: str


class KeyPage(msgspec.Struct, frozen=True):
    """Keys by id. `next` goes into `after` for the keys behind them; null: there are none."""

    keys: list[KeyView]
    next: str | None


class MadeKey(msgspec.Struct, frozen=True):
    """A new key. `key` is shown here and never again."""

    key: str
    record: KeyView


class RotatedKey(msgspec.Struct, frozen=True):
    """A new key, and the one it replaces, with the instant until which that still works."""

    key: str
    record: KeyView
    replaced: KeyView


class ClientTotal(msgspec.Struct, frozen=True):
    """What one client used. `limited` are requests its own limit refused; they are not among `requests`."""

    client: str
    name: str
    requests: int
    vendor_calls: int
    limited: int


class ClientDay(ClientTotal, frozen=True):
    """The same of one day (UTC)."""

    day: str


class UsageReport(msgspec.Struct, frozen=True):
    """Who used what. `scope`: `fleet`, by all instances; `instance`, by this one since it started."""

    scope: str
    first: str = msgspec.field(name="from")
    last: str = msgspec.field(name="to")
    totals: list[ClientTotal]
    days: list[ClientDay]


_NOTES: Mapping[Reach, str] = {
    Reach.NOBODY: "A preview: nothing was forgotten. The counts are this instance's.",
    Reach.ALONE: "Forgotten by this instance. It shares nothing with others: if there are any, tell each of them.",
    Reach.CUT_OFF: (
        "Forgotten by THIS INSTANCE ONLY: the shared store (or the folder of answers) cannot be written to now. The "
        "others are told as soon as it can, unless this instance ends before: then purge again. Until then tell each "
        "of them; /status shows under shared.purges what is still untold."
    ),
    Reach.MACHINE: "Forgotten by this instance, and by all on its folder of answers within 5 seconds, restarts too.",
    Reach.FLEET: "Forgotten by this instance, and by all on the shared store within 5 seconds, later ones too.",
}

_NOTHING_OF_IT = " This instance had nothing of it: is it spelt as the vendor spells it (AAPL, BRK.B, X:BTCUSD)?"

_DAY = {"type": "string", "format": "date"}

OPERATIONS = (
    Operation("breaker_show", "/admin/circuit-breaker", "", "The breaker's state, window and next probe", dict),
    Operation(
        "breaker_move",
        "/admin/circuit-breaker",
        "",
        "Force the breaker open or closed, let it decide again (`none`), or forget its failures (`reset`)",
        dict,
        method="POST",
        body=BreakerOrder,
    ),
    Operation(
        "purge",
        "/admin/purge",
        "",
        "Forget what is kept of one ticker, or everything, on every instance; the answer says who was reached",
        PurgeReport,
        method="POST",
        body=PurgeOrder,
    ),
    Operation(
        "keys_list",
        "/admin/keys",
        "",
        "Client keys, by id, page by page",
        KeyPage,
        (
            Parameter(
                "limit",
                "how many keys",
                {"type": "integer", "minimum": 1, "maximum": KEYS_PAGE_MAX},
                default=str(KEYS_PAGE),
            ),
            Parameter("after", "id of the last key of the page before", {"type": "string"}, default=""),
        ),
    ),
    Operation(
        "keys_create",
        "/admin/keys",
        "",
        "Make a client key; it is shown in this answer only",
        MadeKey,
        method="POST",
        body=KeyOrder,
        status=201,
    ),
    Operation("keys_show", "/admin/keys/{id}", "", "One client key", KeyView),
    Operation(
        "keys_rotate",
        "/admin/keys/{id}/rotate",
        "",
        "Replace a key by a new one like it; the old one works for the grace and is refused after that",
        RotatedKey,
        method="POST",
        body=RotateOrder,
        status=201,
    ),
    Operation(
        "keys_revoke",
        "/admin/keys/{id}/revoke",
        "",
        "Withdraw a key; every instance refuses it within 5 seconds",
        KeyView,
        method="POST",
    ),
    Operation(
        "usage",
        "/admin/usage",
        "",
        "What each client used: requests, and the vendor calls they caused",
        UsageReport,
        (
            Parameter("from", f"first day; {USAGE_DAYS - 1} days before the last one if left out", _DAY, default=""),
            Parameter("to", "last day; today if left out", _DAY, default=""),
            Parameter("format", "form of the answer", {"type": "string", "enum": list(USAGE_FORMATS)}, default="json"),
        ),
        ("application/json", "text/csv"),
    ),
)

_PATTERNS = tuple((operation.pattern, operation) for operation in OPERATIONS)


def match_admin(path: str) -> tuple[dict[str, Operation], str]:
    """Return the operations of `path` by method, none when there is no such route, and the id in it if any."""
    found: dict[str, Operation] = {}
    key_id = ""
    for pattern, operation in _PATTERNS:
        match = pattern.match(path)
        if match is not None:
            found[operation.method] = operation
            key_id = match[1] if match.groups() else ""
    return found, key_id


def report_purge(swept: Swept, ticker: str) -> PurgeReport:
    """Return what an operator is told of a purge of `ticker`; of everything when it is empty."""
    reach = swept.reach
    misspelt = bool(ticker) and not swept.entries and not swept.series
    return PurgeReport(
        preview=reach is Reach.NOBODY,
        answers=swept.entries,
        series=swept.series,
        bytes=swept.bytes,
        first_keys=list(swept.sample),
        reached=reach.value,
        note=_NOTES[reach] + (_NOTHING_OF_IT if misspelt else ""),
    )


def view_key(record: KeyRecord, wall: float) -> KeyView:
    """Return what may be shown of `record`."""
    return KeyView(
        id=record.id,
        name=record.name,
        state=record.standing(wall).value,
        created=record.created,
        expires=record.expires,
        revoked=record.revoked,
        rights=tuple(right.value for right in record.rights),
        limit=record.limit,
        burst=record.burst,
        replaced_by=record.replaced_by,
    )
