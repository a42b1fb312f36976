"""Which kept pages of bars are read for a question: the latest that add something, and none twice."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stock_service.cache.marks import Mark, choose_marks, parse_mark
from stock_service.cache.ranges import Span


def mark(start: int, stop: int, fetched_at: float) -> Mark:
    return Mark("bars AAPL", f"/v2/{start}-{stop}", Span(start, stop), False, fetched_at)


def unknown(_: Span) -> float:
    return -math.inf


def test_a_mark_comes_back_as_it_was_noted() -> None:
    noted = Mark("s", "/v2/aggs/ticker/A B/range?sort=desc", Span(-5, 90), True, 12.5)
    assert parse_mark("s", noted.text(12_500)) == Mark("s", noted.key, noted.span, True, 12_500.0)


@given(st.text(max_size=40))
def test_nonsense_is_no_mark(text: str) -> None:
    read = parse_mark("s", text)
    assert read is None or parse_mark("s", read.text(int(read.fetched_at))) == read


def test_only_pages_that_fill_a_gap_are_read() -> None:
    inside, beside = mark(10, 20, 1.0), mark(50, 60, 9.0)
    assert choose_marks([inside, beside], [Span(0, 30)], unknown, set()) == [inside]


def test_the_latest_wins_and_what_it_covers_is_not_read_again() -> None:
    old, new, wider = mark(0, 30, 1.0), mark(0, 30, 5.0), mark(20, 40, 2.0)
    assert choose_marks([old, wider, new], [Span(0, 40)], unknown, set()) == [new, wider]


def test_what_is_known_from_a_later_fetch_is_not_read() -> None:
    assert choose_marks([mark(0, 30, 5.0)], [Span(0, 30)], lambda _: 5.0, set()) == []
    assert choose_marks([mark(0, 30, 5.0)], [Span(0, 30)], lambda _: 4.0, set()) == [mark(0, 30, 5.0)]


def test_what_was_read_and_did_not_help_is_not_read_again() -> None:
    tried = mark(0, 30, 5.0)
    assert choose_marks([tried], [Span(0, 30)], unknown, {tried.key}) == []


def test_no_more_than_eight_pages_are_read_at_once() -> None:
    many = [mark(number, number + 1, float(number)) for number in range(50)]
    assert len(choose_marks(many, [Span(0, 50)], unknown, set())) == 8
