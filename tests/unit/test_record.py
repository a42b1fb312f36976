"""Records are values: what they hold is what they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stock_service.base.record import record


@record
class Price:
    """Two fields, one with a default."""

    symbol: str
    cents: int = 0


def test_records_of_equal_fields_are_equal_and_one_key() -> None:
    """Other classes of the same fields are another thing."""
    assert Price("A", 1) == Price("A", cents=1) != Price("A")
    assert len({Price("A", 1), Price("A", 1), Price("B", 1)}) == 2


def test_a_changed_record_is_another_one() -> None:
    """`replace` leaves the first as it was."""
    first = Price("A", 1)
    assert (replace(first, cents=2).cents, first.cents) == (2, 1)


def test_a_record_takes_no_field_it_does_not_declare() -> None:
    """It has slots. Assignments to those it declares are refused by the type checker."""
    with pytest.raises(AttributeError):
        Price("A").dollars = 1  # type: ignore[attr-defined]
