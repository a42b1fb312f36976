"""What stays in memory and what leaves: S3-FIFO, bounded in bytes. A pure machine, without time and without I/O.

Two queues (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): newcomers wait in a small one
and reach the main one only when they were asked for again, so a scan passes through without touching what is hot.
Answers with an error status live in a third queue of their own, a twentieth of the whole.

A hit costs one attribute write, `entry.hits += 1`, by whoever served it; eviction compares `hits` with `seen`.
Always holds: `bytes` never exceeds the bound, not even within a call; a kept answer is replaced only by one whose
fetch began no earlier; no pointer leads to an entry that left.
"""

from __future__ import annotations

from collections import OrderedDict

from stock_service.cache.entry import Entry

ENTRY_SHARE = 4  # an entry may weigh at most one quarter of the whole
SMALL_SHARE = 10  # the queue of newcomers is a tenth
NEGATIVE_SHARE = 20  # answers with an error status are a twentieth, of the bytes and of the entries
NEGATIVE_FEW = 16  # which are kept whatever their share: a small cache remembers wrong names too
ENTRIES_MAX = 1_000_000
_AGAIN = 2  # hits that take a newcomer into the main queue
_COUNTED_MAX = 3  # hits an entry can have to its credit


class Memory:
    """Entries by key.

    Args:
        max_bytes: what all entries together may weigh.
        max_entries: how many there may be.
    """

    def __init__(self, max_bytes: int, max_entries: int = ENTRIES_MAX) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._small = _Queue()
        self._main = _Queue()
        self._negative = _Queue()
        self._ghosts: OrderedDict[int, None] = OrderedDict()  # hashes of keys that left the small queue unasked
        self.evictions = 0

    @property
    def bytes(self) -> int:
        """What is kept weighs this much."""
        return self._small.bytes + self._main.bytes + self._negative.bytes

    @property
    def entries(self) -> int:
        """How many entries are kept."""
        return len(self._small.by_key) + len(self._main.by_key) + len(self._negative.by_key)

    @property
    def negatives(self) -> int:
        """How many of them are answers with an error status."""
        return len(self._negative.by_key)

    def peek(self, key: str) -> Entry | None:
        """Return the kept answer to `key`, however old; counts nothing."""
        return self._main.by_key.get(key) or self._small.by_key.get(key) or self._negative.by_key.get(key)

    def keys(self) -> list[str]:
        """Return the keys of all that is kept."""
        return [key for queue in (self._main, self._small, self._negative) for key in queue.by_key]

    def put(self, entry: Entry) -> bool:
        """Keep `entry`, in place of an answer to the same key if there is one; return whether it is kept.

        Refused: what is too large, and what was fetched before the answer already kept.
        """
        old = self.peek(entry.key)
        if old is entry:
            return True
        if old is not None and old.fetched_at > entry.fetched_at:
            return False
        if entry.weight_bytes * ENTRY_SHARE > self._max_bytes:
            # What is kept stays: an older answer is of more use than none.
            return False
        if old is not None and (old.status >= 400) is not (entry.status >= 400):
            self._remove(old)
            old = None
        self._make_room(entry, old)
        if old is not None and old.kept:
            self._replace(old, entry)
        else:
            self._insert(entry)
        return True

    def discard(self, key: str) -> bool:
        """Forget the answer to `key`; return whether there was one."""
        entry = self.peek(key)
        if entry is None:
            return False
        self._remove(entry)
        return True

    def clear(self) -> int:
        """Forget everything; return how many entries there were."""
        gone = [entry for queue in (self._small, self._main, self._negative) for entry in queue.by_key.values()]
        for entry in gone:
            self._remove(entry)
        self._ghosts.clear()
        return len(gone)

    def _make_room(self, entry: Entry, old: Entry | None) -> None:
        while True:
            replaced = old if old is not None and old.kept else None  # making room may have cost the old answer
            freed = 0 if replaced is None else replaced.weight_bytes
            fits = self.bytes - freed + entry.weight_bytes <= self._max_bytes
            if fits and (replaced is not None or self.entries < self._max_entries):
                return
            self._evict_one()

    def _insert(self, entry: Entry) -> None:
        entry.kept = True
        if entry.status >= 400:
            self._negative.append(entry)
            while self._negatives_too_many():
                self._drop(self._negative.pop())
            return
        ghost = hash(entry.key)
        entry.small = ghost not in self._ghosts
        if entry.small:
            self._small.append(entry)
        else:
            del self._ghosts[ghost]
            self._main.append(entry)

    def _negatives_too_many(self) -> bool:
        if self.negatives > max(NEGATIVE_FEW, self.entries // NEGATIVE_SHARE):
            return True
        return self.negatives > 1 and self._negative.bytes * NEGATIVE_SHARE > self._max_bytes

    def _replace(self, old: Entry, new: Entry) -> None:
        new.hits, new.seen, new.small = old.hits, old.seen, old.small
        self._queue_of(old).replace(old, new)
        if new.status == old.status:
            new.pointers, old.pointers = old.pointers, ()
            for pointer in new.pointers:
                pointer.entry = new
        _let_go(old)
        new.kept = True

    def _remove(self, entry: Entry) -> None:
        self._queue_of(entry).remove(entry)
        _let_go(entry)

    def _evict_one(self) -> None:
        """Let one entry go: from the queue that is over its share, else from the main one."""
        if self._small.by_key and (self._small.bytes * SMALL_SHARE > self._max_bytes or not self._main.by_key):
            self._evict_small()
        elif self._main.by_key:
            self._evict_main()
        else:
            self._drop(self._negative.pop())

    def _evict_small(self) -> None:
        """Let the oldest unasked newcomer go; those asked for again move to the main queue on the way."""
        while self._small.by_key:
            entry = self._small.pop()
            if entry.hits - entry.seen < _AGAIN:
                self._remember_ghost(entry)
                self._drop(entry)
                return
            entry.seen = entry.hits
            entry.small = False
            self._main.append(entry)
        self._evict_main()

    def _evict_main(self) -> None:
        """Let the oldest entry without credit go; each one passed over has a hit less to its credit."""
        while True:
            entry = self._main.pop()
            credit = min(_COUNTED_MAX, entry.hits - entry.seen)
            if credit <= 0:
                self._drop(entry)
                return
            entry.seen = entry.hits - (credit - 1)
            self._main.append(entry)

    def _drop(self, entry: Entry) -> None:
        self.evictions += 1
        _let_go(entry)

    def _remember_ghost(self, entry: Entry) -> None:
        self._ghosts[hash(entry.key)] = None
        while len(self._ghosts) > max(1, self.entries):
            self._ghosts.popitem(last=False)

    def _queue_of(self, entry: Entry) -> _Queue:
        if entry.status >= 400:
            return self._negative
        return self._small if entry.small else self._main


class _Queue:
    """Entries in the order they came, and what they weigh."""

    __slots__ = ("by_key", "bytes")

    def __init__(self) -> None:
        self.by_key: OrderedDict[str, Entry] = OrderedDict()
        self.bytes = 0

    def append(self, entry: Entry) -> None:
        self.by_key[entry.key] = entry
        self.bytes += entry.weight_bytes

    def pop(self) -> Entry:
        entry = self.by_key.popitem(last=False)[1]
        self.bytes -= entry.weight_bytes
        return entry

    def remove(self, entry: Entry) -> None:
        del self.by_key[entry.key]
        self.bytes -= entry.weight_bytes

    def replace(self, old: Entry, new: Entry) -> None:
        self.by_key[old.key] = new
        self.bytes += new.weight_bytes - old.weight_bytes


def _let_go(entry: Entry) -> None:
    entry.kept = False
    for pointer in entry.pointers:
        pointer.entry = None
    entry.pointers = ()
