"""Hit ratios of the eviction against an LRU and two libraries on synthetic traces: Zipf, with scans, with drift.

Every answer weighs the same here, so all of them hold equally many. Seeded: the ratios are the same on every machine.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Lifetime
from stock_service.cache.memory import Memory

_KEYS = 20_000
_ASKED = 200_000
_SHARES = (0.01, 0.05)
_LIFETIME = Lifetime(1e9)

Ask = Callable[[str], bool]


def _zipf(exponent: float, dice: random.Random) -> Iterator[int]:
    weights = list(accumulate(1.0 / rank**exponent for rank in range(1, _KEYS + 1)))
    while True:
        yield bisect_left(weights, dice.random() * weights[-1])


def _trace(name: str) -> Iterator[str]:
    dice = random.Random(7)
    ranks = _zipf(1.0 if "1.0" in name else 0.8, dice)
    for number in range(_ASKED):
        if "scans" in name and (number // 5_000) % 5 == 4:
            yield f"scan{number}"
        elif "drift" in name and number % 2:
            yield f"k{(next(ranks) + number // 1_000 * 50) % _KEYS}"
        else:
            yield f"k{next(ranks)}"


def _entry(key: str) -> Entry:
    return Entry(key.ljust(12), "prev", Reply(200, "application/json", b"x", 0.0), _LIFETIME, 0.0)


def _ours(capacity: int) -> Ask:
    memory = Memory(_entry("k").weight_bytes * capacity)

    def ask(key: str) -> bool:
        key = key.ljust(12)
        entry = memory.peek(key)
        if entry is not None:
            entry.hits += 1
            return True
        memory.put(_entry(key))
        return False

    return ask


def _lru(capacity: int) -> Ask:
    kept: OrderedDict[str, None] = OrderedDict()

    def ask(key: str) -> bool:
        if key in kept:
            kept.move_to_end(key)
            return True
        kept[key] = None
        if len(kept) > capacity:
            kept.popitem(last=False)
        return False

    return ask


def _cachebox(capacity: int) -> Ask:
    import cachebox

    kept: Any = cachebox.LFUCache(capacity)

    def ask(key: str) -> bool:
        if kept.get(key) is not None:
            return True
        kept[key] = True
        return False

    return ask


def _theine(capacity: int) -> Ask:
    from theine import Cache

    kept: Any = Cache(capacity)

    def ask(key: str) -> bool:
        _, found = kept.get(key)
        if found:
            return True
        kept.set(key, True)
        return False

    return ask


_KINDS: dict[str, Callable[[int], Ask]] = {
    "S3-FIFO (ours)": _ours,
    "LRU": _lru,
    "LFU (cachebox)": _cachebox,
    "W-TinyLFU (theine)": _theine,
}
_SCAN_CAPACITY = 1_000


def _lost_to_a_scan(make: Callable[[int], Ask]) -> float:
    """Return how much of its hit ratio a hot set loses while ten times the capacity is asked for once, in between."""
    dice = random.Random(4)
    ask = make(_SCAN_CAPACITY)
    hot = [f"h{number}" for number in range(_SCAN_CAPACITY // 2)]
    for _ in range(20):
        for key in hot:
            ask(key)
    count = 10 * _SCAN_CAPACITY
    before = sum(map(ask, dice.choices(hot, k=count)))
    during = 0
    for number in range(count):
        ask(f"scan{number}")
        during += ask(dice.choice(hot))
    return (before - during) / count


_TRACES = ("zipf 0.8", "zipf 1.0", "zipf 0.8, scans", "zipf 1.0, half drifting")


def run() -> dict[str, dict[str, float]]:
    """Replay every trace and print hit ratios, and what a scan of ten times the capacity costs a hot set of half it."""
    figures: dict[str, dict[str, float]] = {}
    columns = [f"{trace} / {share:.0%}" for trace in _TRACES for share in _SHARES]
    print(f"\nhit ratio, {_KEYS:,} keys, {_ASKED:,} questions; room for 1 % and 5 % of the keys")
    print(f"  {'':20}" + "".join(f"{trace:>26}" for trace in _TRACES) + f"{'lost to a scan':>18}")
    for kind, make in _KINDS.items():
        ratios = []
        try:
            for trace in _TRACES:
                for share in _SHARES:
                    ask = make(int(_KEYS * share))
                    ratios.append(sum(map(ask, _trace(trace))) / _ASKED)
            lost = _lost_to_a_scan(make)
        except ImportError as error:
            print(f"  {kind:20} skipped: {error}")
            continue
        figures[kind] = dict(zip(columns, (round(ratio, 4) for ratio in ratios), strict=True))
        figures[kind]["lost to a scan of ten times the capacity"] = round(lost, 4)
        pairs = [f"{ratios[at]:.3f} / {ratios[at + 1]:.3f}" for at in range(0, len(ratios), 2)]
        print(f"  {kind:20}" + "".join(f"{pair:>26}" for pair in pairs) + f"{lost:18.3f}")
    return figures
