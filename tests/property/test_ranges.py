"""Stamped ranges against a dictionary of single numbers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stock_service.cache.ranges import Ranges, Span, join_spans

ENDS = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda ends: Span(min(ends), max(ends)))


class RangesAgainstDictionary(RuleBasedStateMachine):
    """Every number is known or not, with the stamp last put on it."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: Ranges[str] = Ranges()
        self.model: dict[int, str] = {}

    @rule(ends=ENDS, stamp=st.sampled_from("abc"))
    def put(self, ends: Span, stamp: str) -> None:
        self.ranges.put(ends.start, ends.stop, stamp)
        self.model |= dict.fromkeys(range(*ends), stamp)

    @rule(ends=ENDS)
    def drop(self, ends: Span) -> None:
        self.ranges.drop(*ends)
        for number in range(*ends):
            self.model.pop(number, None)

    @rule(ends=ENDS)
    def ask(self, ends: Span) -> None:
        parts = self.ranges.parts(*ends)
        assert [number for part in parts for number in range(part.start, part.stop)] == list(range(*ends))
        for part in parts:
            assert part.start < part.stop
            assert {self.model.get(number) for number in range(part.start, part.stop)} == {part.stamp}
        missing = [number for span in self.ranges.gaps(*ends) for number in range(*span)]
        assert missing == [number for number in range(*ends) if number not in self.model]

    @invariant()
    def spans_are_as_few_as_possible(self) -> None:
        parts = [part for part in self.ranges.parts(-1, 50) if part.stamp is not None]
        assert len(parts) == len(self.ranges)
        for before, after in itertools.pairwise(parts):
            assert before.stop < after.start or before.stamp != after.stamp


TestRanges = RangesAgainstDictionary.TestCase


@given(st.lists(ENDS).map(sorted))
def test_joined_spans_hold_the_same_numbers_and_never_touch(spans: list[Span]) -> None:
    joined = join_spans(span for span in spans if span.start < span.stop)
    assert {n for span in joined for n in range(*span)} == {n for span in spans for n in range(*span)}
    assert all(before.stop < after.start for before, after in itertools.pairwise(joined))
