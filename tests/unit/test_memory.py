"""What stays and what leaves, case by case."""

from __future__ import annotations

import random
from itertools import count

import pytest

from stock_service.base.reply import Reply
from stock_service.cache.entry import GZIP_FROM_BYTES, OVERHEAD_BYTES, VARIANT_BYTES, Entry, Pointer
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import ENTRY_SHARE, NEGATIVE_FEW, NEGATIVE_SHARE, Memory

_LIFETIME = Lifetime(10.0)
_SIZE = 100  # bytes of a body; below the packing limit, so the weight is exact


def make(key: str, *, size: int = _SIZE, status: int = 200, fetched_at: float = 0.0) -> Entry:
    return Entry(key, "prev", Reply(status, "application/json", b"x" * size, fetched_at), _LIFETIME, 0.0)


WEIGHT = make("k000000").weight_bytes


def room_for(entries: int) -> Memory:
    return Memory(WEIGHT * entries)


def ask(memory: Memory, key: str) -> bool:
    """Ask as a client does: count a hit, or fetch and keep."""
    entry = memory.peek(key)
    if entry is not None:
        entry.hits += 1
        return True
    memory.put(make(key))
    return False


def test_what_is_put_is_found_and_what_is_discarded_is_not() -> None:
    """The plain use."""
    memory = room_for(100)
    entry = make("a")
    assert memory.put(entry)
    assert entry.kept
    assert memory.peek("a") is entry
    assert memory.bytes == entry.weight_bytes
    assert memory.discard("a")
    assert not memory.discard("a")
    assert memory.peek("a") is None
    assert not entry.kept
    assert (memory.bytes, memory.entries, memory.evictions) == (0, 0, 0)


def test_a_kept_answer_is_never_replaced_by_an_older_one() -> None:
    """A slow old fetch must not overwrite a fast new one; equal age may."""
    memory = room_for(100)
    kept = make("a", fetched_at=5.0)
    memory.put(kept)
    assert not memory.put(make("a", fetched_at=4.9))
    assert memory.peek("a") is kept
    equal = make("a", fetched_at=5.0)
    assert memory.put(equal)
    assert memory.put(equal)
    assert memory.peek("a") is equal
    assert not kept.kept


def test_a_replacement_inherits_the_popularity() -> None:
    """It belongs to the question, not to one answer to it."""
    memory = room_for(100)
    old = make("a")
    memory.put(old)
    old.hits = 7
    new = make("a", fetched_at=1.0)
    memory.put(new)
    assert new.hits == 7


def test_pointers_follow_a_replacement_of_the_same_status() -> None:
    """To the new answer; and nowhere when the status changed or the entry left."""
    memory = room_for(100)
    first, second, error = make("a"), make("a", fetched_at=1.0), make("a", status=404, fetched_at=2.0)
    pointer = Pointer(first)
    first.pointers = (pointer,)
    memory.put(first)
    memory.put(second)
    assert pointer.entry is second
    assert not first.pointers
    memory.put(error)
    assert pointer.entry is None
    assert memory.peek("a") is error


@pytest.mark.parametrize("way", ["evict", "discard", "clear"])
def test_no_pointer_leads_to_what_left(way: str) -> None:
    """However it left."""
    memory = room_for(10)
    entry = make("a")
    pointer = Pointer(entry)
    entry.pointers = (pointer,)
    memory.put(entry)
    match way:
        case "evict":
            for number in range(30):
                memory.put(make(f"k{number:06}"))
        case "discard":
            memory.discard("a")
        case _:
            assert memory.clear() == 1
    assert memory.peek("a") is None
    assert pointer.entry is None
    assert not entry.kept


def test_an_entry_of_more_than_a_quarter_is_refused() -> None:
    """And what is kept under its key stays: an older answer is of more use than none."""
    # Half as much again is room for a packed one.
    most = (WEIGHT * 100 // ENTRY_SHARE - OVERHEAD_BYTES - VARIANT_BYTES - 1) * 2 // 3
    memory = room_for(100)
    old = make("b")
    memory.put(old)
    assert not memory.put(make("b", size=most + 100, fetched_at=1.0))
    assert memory.peek("b") is old
    assert memory.put(make("a", size=most - 100))


def test_it_is_bounded_in_entries_too() -> None:
    """Whatever they weigh."""
    memory = Memory(WEIGHT * 1_000, max_entries=5)
    for number in range(50):
        memory.put(make(f"k{number:06}"))
        assert memory.entries <= 5
    assert memory.evictions == 45


def test_errors_take_a_twentieth_at_most() -> None:
    """Wrong names must not push out right ones; a few are remembered in any case."""
    memory = room_for(2_000)
    for number in range(1_000):
        memory.put(make(f"k{number:06}"))
    for number in range(500):
        memory.put(make(f"n{number:06}", status=404))
        assert memory.negatives <= max(NEGATIVE_FEW, memory.entries // NEGATIVE_SHARE)
    assert sum(memory.peek(f"k{number:06}") is not None for number in range(1_000)) == 1_000
    assert memory.negatives == 52  # of 1,052
    empty = room_for(2_000)
    for number in range(50):
        empty.put(make(f"n{number:06}", status=404))
    assert empty.negatives == NEGATIVE_FEW


def test_errors_take_a_twentieth_of_the_bytes() -> None:
    """Large error pages neither."""
    memory = room_for(1_000)
    numbers = count()
    for _ in range(900):
        memory.put(make(f"k{next(numbers):06}"))
    for number in range(40):
        memory.put(make(f"n{number:06}", status=404, size=20_000))
    assert memory.negatives > 1
    assert memory._negative.bytes * NEGATIVE_SHARE <= WEIGHT * 1_000


def test_a_newcomer_asked_for_twice_stays_when_others_leave() -> None:
    """One hit may be the same client again."""
    memory = room_for(20)
    for key in ("hot", "warm", "cold"):
        memory.put(make(key))
    for key, hits in (("hot", 2), ("warm", 1)):
        entry = memory.peek(key)
        assert entry is not None
        entry.hits += hits
    for number in range(40):
        memory.put(make(f"k{number:06}"))
    assert memory.peek("hot") is not None
    assert memory.peek("warm") is None
    assert memory.peek("cold") is None


def test_one_that_left_too_early_comes_back_for_longer() -> None:
    """The ghost remembers it: it goes to the main queue directly."""
    memory = room_for(20)
    memory.put(make("a"))
    for number in range(25):
        memory.put(make(f"k{number:06}"))
    assert memory.peek("a") is None
    memory.put(make("a"))
    entry = memory.peek("a")
    assert entry is not None
    assert not entry.small


def test_a_scan_of_ten_times_the_capacity_costs_the_hot_set_nothing_to_speak_of() -> None:
    """At most five points of its hit ratio; an LRU loses all of it."""
    dice = random.Random(4)
    memory = room_for(1_000)
    hot = [f"h{number:06}" for number in range(500)]
    for _ in range(20):
        for key in hot:
            ask(memory, key)
    before = sum(ask(memory, key) for key in dice.choices(hot, k=5_000)) / 5_000
    scan = (f"s{number:06}" for number in range(10_000))
    during = []
    for key in scan:
        ask(memory, key)
        during.append(ask(memory, dice.choice(hot)))
    assert before == 1.0
    assert sum(during) / len(during) >= 0.95


def test_weights_are_what_the_entries_say() -> None:
    """Body, room for a packed one where packing makes sense, and the overhead of one entry."""
    plain = make("a", size=200)
    assert plain.weight_bytes == OVERHEAD_BYTES + 1 + 200
    small = make("a", size=GZIP_FROM_BYTES - 1)
    assert small.weight_bytes == OVERHEAD_BYTES + 1 + GZIP_FROM_BYTES - 1
    large = make("a", size=100_000)
    assert large.ready[True] is None
    assert large.weight_bytes == OVERHEAD_BYTES + VARIANT_BYTES + 1 + 150_000
