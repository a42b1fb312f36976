"""The eviction machine against a naive model: whatever is asked, in any order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry, Pointer
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import ENTRY_SHARE, NEGATIVE_FEW, NEGATIVE_SHARE, Memory

_KEYS = st.integers(0, 40).map(lambda number: f"k{number}")
_MAX = 60_000


class MemoryMachine(RuleBasedStateMachine):
    """`newest` is the model: what was accepted last under each key; the machine may have let it go, nothing else."""

    @initialize(max_entries=st.sampled_from([3, 1_000]))
    def start(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.memory = Memory(_MAX, max_entries)
        self.newest: dict[str, Entry] = {}
        self.pointers: list[tuple[Pointer, str]] = []

    @rule(key=_KEYS, size=st.integers(0, 9_000), status=st.sampled_from([200, 200, 200, 404]), at=st.integers(0, 5))
    def put(self, key: str, size: int, status: int, at: int) -> None:
        entry = Entry(key, "prev", Reply(status, "application/json", bytes(size), float(at)), Lifetime(1.0), 0.0)
        kept = self.memory.peek(key)
        taken = self.memory.put(entry)
        too_old = kept is not None and kept.fetched_at > at
        assert taken is (not too_old and entry.weight_bytes * ENTRY_SHARE <= _MAX)
        if taken:
            self.newest[key] = entry
            assert self.memory.peek(key) is entry
            pointer = Pointer(entry)
            entry.pointers = (*entry.pointers, pointer)
            self.pointers.append((pointer, key))

    @rule(key=_KEYS, hits=st.integers(1, 5))
    def ask(self, key: str, hits: int) -> None:
        entry = self.memory.peek(key)
        if entry is not None:
            assert entry is self.newest[key]
            entry.hits += hits

    @rule(key=_KEYS)
    def discard(self, key: str) -> None:
        there = self.memory.peek(key) is not None
        assert self.memory.discard(key) is there
        assert self.memory.peek(key) is None
        self.newest.pop(key, None)

    @precondition(lambda self: self.newest)
    @rule()
    def clear(self) -> None:
        kept = self.memory.entries
        assert self.memory.clear() == kept
        self.newest.clear()
        assert self.memory.bytes == 0

    @invariant()
    def the_bounds_hold(self) -> None:
        if not hasattr(self, "memory"):
            return
        memory = self.memory
        kept = [entry for key in self.newest if (entry := memory.peek(key)) is not None]
        assert memory.bytes == sum(entry.weight_bytes for entry in kept) <= _MAX
        assert memory.entries == len(kept) <= self.max_entries
        negatives = sum(entry.status >= 400 for entry in kept)
        assert memory.negatives == negatives
        assert len(memory._ghosts) <= 41

    @invariant()
    def only_the_newest_answers_are_kept(self) -> None:
        if not hasattr(self, "memory"):
            return
        for key, newest in self.newest.items():
            entry = self.memory.peek(key)
            assert entry is None or entry is newest
            assert newest.kept is (entry is newest)
        for pointer, key in self.pointers:
            assert pointer.entry is None or pointer.entry is self.memory.peek(key)


MemoryMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60)
TestMemory = MemoryMachine.TestCase


def test_negatives_are_bounded_at_the_moment_they_come() -> None:
    """Later the share may grow because others left; never because another one came."""
    memory = Memory(_MAX * 10)
    for number in range(200):
        memory.put(Entry(f"n{number}", "prev", Reply(404, "text/plain", b"", 0.0), Lifetime(1.0), 0.0))
        assert memory.negatives <= max(NEGATIVE_FEW, memory.entries // NEGATIVE_SHARE)
