"""What an operator may order about client keys, and what becomes of the records. Pure: `now` is an instant in UTC.

Always holds: a key made here exists in full only in the answer to the order; a key replaced by another keeps working
for its grace and not longer, and never longer than before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from stock_service.access.keys import KeyRecord, KeysFaulty, Right, check_record, hash_key, make_key
from stock_service.base.errors import BadRequest, NotFound

GRACE_FOR = "24h"
_SPAN = re.compile(r"(\d{1,6})([smhdwy])\Z", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_SPAN_MAX = timedelta(days=100 * 365)
_RIGHTS = frozenset(right.value for right in Right)


class KeyOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key to be made. `expires_after` is a span such as `90d`; empty: until revoked."""

    name: str
    limit: str = ""
    burst: int | None = None
    rights: tuple[str, ...] = ()
    expires_after: str = ""


class RotateOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key to be replaced. `grace` is how long the old one still works."""

    grace: str = GRACE_FOR


def make_record(order: KeyOrder, now: datetime) -> tuple[KeyRecord, str]:
    """Return the record of a new key, and the key.

    Raises:
        BadRequest: the order cannot be met; `field` names the part.
    """
    if unknown := sorted(set(order.rights) - _RIGHTS):
        raise BadRequest("rights", f"{unknown[0][:20]!r} is none", f"rights are: {', '.join(sorted(_RIGHTS))}")
    key_id, key = make_key()
    record = KeyRecord(
        id=key_id,
        name=order.name,
        sha256=hash_key(key),
        created=now,
        expires=now + parse_span("expires_after", order.expires_after) if order.expires_after else None,
        rights=tuple(Right(right) for right in dict.fromkeys(order.rights)),
        limit=order.limit,
        burst=order.burst,
    )
    return _checked(record), key


def revoke_record(record: KeyRecord, now: datetime) -> KeyRecord:
    """Return `record` revoked; one that is revoked already keeps its instant."""
    return record if record.revoked is not None else msgspec.structs.replace(record, revoked=now)


def rotate_record(record: KeyRecord, order: RotateOrder, now: datetime) -> tuple[KeyRecord, KeyRecord, str]:
    """Return the record of the new key, the old one with its end, and the new key. The new one is alike in all else.

    Raises:
        BadRequest: the grace is no span, or the old key is not valid any more.
    """
    grace = parse_span("grace", order.grace)
    if record.standing(now.timestamp()) != "valid" or record.replaced_by:
        raise BadRequest("id", "is revoked, expired or replaced already", "make a new key instead")
    key_id, key = make_key()
    fresh = msgspec.structs.replace(record, id=key_id, sha256=hash_key(key), created=now)
    ends = now + grace
    old = msgspec.structs.replace(
        record, expires=ends if record.expires is None else min(ends, record.expires), replaced_by=key_id
    )
    return fresh, old, key


def find_record(records: tuple[KeyRecord, ...], key_id: str) -> KeyRecord:
    """Return the record with the id `key_id`; NotFound when there is none."""
    for record in records:
        if record.id == key_id:
            return record
    raise NotFound("key", key_id)


def parse_span(field: str, text: str) -> timedelta:
    """Return the span written as `30s`, `15m`, `24h`, `90d`, `12w` or `1y`; BadRequest says what is wrong."""
    found = _SPAN.match(text)
    if found is None:
        raise BadRequest(field, f"{text[:20]!r} is not a span such as 24h, 90d, 12w or 1y", "write a number and a unit")
    span = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    if span > _SPAN_MAX:
        raise BadRequest(field, f"{text!r} is longer than 100y", "write a shorter one")
    if not span and field != "grace":
        raise BadRequest(field, f"{text!r} is over at once", "24h, 90d, 12w and 1y are such spans")
    return span


def instant(wall: float) -> datetime:
    """Return the whole second at or before `wall` (Unix seconds)."""
    return datetime.fromtimestamp(int(wall), tz=UTC)


def _checked(record: KeyRecord) -> KeyRecord:
    try:
        check_record(record)
    except KeysFaulty as error:
        field, _, problem = error.faults[0].partition(" ")
        raise BadRequest(field.strip("`:"), problem) from error
    return record
