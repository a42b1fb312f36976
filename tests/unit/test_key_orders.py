"""What becomes of key records when an operator orders something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stock_service.access.key_orders import KeyOrder, RotateOrder, make_record, parse_span, revoke_record, rotate_record
from stock_service.access.key_ring import join_records
from stock_service.access.keys import KeyRecord, Right, Standing, hash_key
from stock_service.base.errors import BadRequest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = KeyOrder("bots", "100/s", 20, ("admin",), "90d")


def record_of(**fields: Any) -> KeyRecord:
    return KeyRecord(id="abcd", name="bots", sha256=hash_key("stk_abcd_x"), created=NOW, **fields)


def test_a_made_key_is_what_was_ordered() -> None:
    record, key = make_record(ORDER, NOW)
    assert record.sha256 == hash_key(key)
    assert (record.name, record.limit, record.burst, record.rights) == ("bots", "100/s", 20, (Right.ADMIN,))
    assert record.expires == NOW + timedelta(days=90)
    assert make_record(ORDER, NOW)[1] != key


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (KeyOrder(""), "name"),
        (KeyOrder("a\nb"), "name"),
        (KeyOrder("x", limit="fast"), "limit"),
        (KeyOrder("x", burst=5), "burst"),
        (KeyOrder("x", limit="5/s", burst=0), "limit"),
        (KeyOrder("x", rights=("root",)), "rights"),
        (KeyOrder("x", expires_after="soon"), "expires_after"),
        (KeyOrder("x", expires_after="0d"), "expires_after"),
        (KeyOrder("x", expires_after="999999y"), "expires_after"),
    ],
)
def test_an_order_that_cannot_be_met_names_its_part(order: KeyOrder, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        make_record(order, NOW)
    assert caught.value.field == field


def test_a_replaced_key_works_for_its_grace_and_is_revoked_after_it() -> None:
    fresh, old, key = rotate_record(record_of(limit="5/s", rights=(Right.NO_CACHE,)), RotateOrder("2h"), NOW)
    assert (fresh.name, fresh.limit, fresh.rights, fresh.expires) == ("bots", "5/s", (Right.NO_CACHE,), None)
    assert fresh.sha256 == hash_key(key)
    assert old.replaced_by == fresh.id
    ends = (NOW + timedelta(hours=2)).timestamp()
    assert [old.standing(ends - 1), old.standing(ends)] == [Standing.VALID, Standing.REVOKED]


def test_a_grace_never_lengthens_a_life_and_none_ends_it_at_once() -> None:
    soon = NOW + timedelta(minutes=5)
    fresh, old, _ = rotate_record(record_of(expires=soon), RotateOrder("24h"), NOW)
    assert (old.expires, fresh.expires) == (soon, soon)
    _, old, _ = rotate_record(record_of(), RotateOrder("0s"), NOW)
    assert old.standing(NOW.timestamp()) is Standing.REVOKED


@pytest.mark.parametrize("record", [record_of(revoked=NOW), record_of(expires=NOW), record_of(replaced_by="efgh")])
def test_what_is_not_valid_any_more_is_not_replaced(record: KeyRecord) -> None:
    with pytest.raises(BadRequest):
        rotate_record(record, RotateOrder(), NOW)


def test_a_second_revocation_keeps_the_first_instant() -> None:
    once = revoke_record(record_of(), NOW)
    assert revoke_record(once, NOW + timedelta(days=1)) is once


@pytest.mark.parametrize("text", ["", "5", "d", "-1d", "1.5h", "1 d", "٣d", "1mo"])
def test_a_malformed_span_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_span("grace", text)


def test_of_one_key_in_two_places_the_file_speaks_and_the_earlier_end_counts() -> None:
    own = record_of(limit="5/s", expires=NOW + timedelta(days=2))
    assert join_records(own, None) is own
    stored = record_of(limit="9/s", expires=NOW + timedelta(days=1), rights=(Right.ADMIN,))
    joined = join_records(own, stored)
    assert (joined.limit, joined.rights, joined.expires) == ("5/s", (), NOW + timedelta(days=1))
    assert join_records(own, record_of(revoked=NOW)).revoked == NOW
    assert join_records(record_of(revoked=NOW), record_of()).revoked == NOW


def test_another_key_under_the_same_id_does_not_touch_that_of_the_file() -> None:
    stranger = KeyRecord(id="abcd", name="x", sha256=hash_key("stk_abcd_other"), created=NOW, revoked=NOW)
    assert join_records(record_of(), stranger).revoked is None
