"""A million questions nobody asked before, through a cache of the default size: what the process takes afterwards.

Nothing is asked twice, so everything is evicted unread: the hardest case for the allocator, and where a leak of
anything kept per key would show. The vendor is an nginx on the other core.
"""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from bench.load import drive, prepare
from bench.peers import DEFAULTS, KEY, started

GOAL_MIB = 205.0
_AT_ONCE = 50_000  # targets of one slice: more than it can ask for
_SLICE_SECONDS = 8


def run(keys: int) -> dict[str, Any]:
    """Ask until `keys` different answers were given; print and return the resident memory on the way."""
    asked, failed, resident = 0, 0, []
    print(f"\nsoak: {keys:,} keys through {DEFAULTS}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, started((DEFAULTS,), Path(folder), 300) as (peers, _):
        for number in count():
            first = number * _AT_ONCE
            script = prepare(Path(folder) / "soak.requests", KEY, fresh=range(first, first + _AT_ONCE))
            taken = drive(peers[0].port, peers[0].pid, script, seconds=_SLICE_SECONDS, tries=1)
            asked += round(taken.per_second * _SLICE_SECONDS)
            failed += taken.failed
            resident.append(taken.rss_mib)
            if number % 10 == 0 or asked >= keys:
                print(f"  {asked:10,} keys   {taken.rss_mib:6.1f} MiB resident   {taken.per_second:6,.0f} a second")
            if asked >= keys:
                break
    print(f"  most resident {max(resident):.1f} MiB, goal below {GOAL_MIB:g}; {failed} failed")
    return {"keys": asked, "failed": failed, "most_resident_mib": max(resident), "resident_mib": resident}
