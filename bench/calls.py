"""`make bench-calls`: how many vendor calls four ways of working cost, ours beside caches that know only a lifetime.

Days pass on a clock that is moved. Ours is the whole service (`build_service`) with its default settings on that
clock; for the dashboard with a cache of 256 MiB, because 200 tiles of a year do not fit the default. nginx has no
clock to move: its `proxy_cache` is modelled (one answer per URL, for `proxy_cache_valid`, `proxy_cache_lock on`), and
the model is held against a real nginx on a short trace in real time before anything is counted. nginx gets the longest
single lifetime with which nothing older is served than we promise while markets are open. The flat cache keeps
everything for an hour, as a script with a cached session does.

python -m bench.calls              everything
python -m bench.calls notebook     named workloads only
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.calls_caches import Cost, Lifetimes, Ours
from bench.calls_nginx import check_model
from bench.calls_workloads import Step, Tile, dashboard, nightly, notebook, scanner
from stock_service.cache.lifetimes import TABLE

_GOAL = 10.0
_FLAT_FOR = 3_600.0
_OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Workload:
    """A way of working: either steps or tiles. `goal`: how many times fewer calls than nginx."""

    title: str
    kinds: tuple[str, ...]
    steps: Callable[[], Iterator[Step]] | None = None
    tiles: Callable[[], list[Tile]] | None = None
    goal: float | None = _GOAL

    @property
    def nginx_for(self) -> float:
        """The longest single lifetime that keeps every promise while markets are open."""
        return min(TABLE[kind].open_for[0] + TABLE[kind].stale_while_for for kind in self.kinds)

    async def run(self) -> dict[str, Cost]:
        """Replay it against all three."""
        peers = {
            f"nginx, {self.nginx_for:.0f} s": Lifetimes(self.nginx_for),
            f"flat, {_FLAT_FOR / 3600:.0f} h": Lifetimes(_FLAT_FOR),
        }
        if self.steps is not None:
            ours = await _replay_steps(self.steps(), list(peers.values()))
        else:
            assert self.tiles is not None
            ours = await _replay_tiles(self.tiles(), list(peers.values()))
        return {"ours": ours} | {name: peer.cost for name, peer in peers.items()}


async def _replay_steps(steps: Iterator[Step], peers: list[Lifetimes]) -> Cost:
    ours: Ours | None = None
    for step in steps:
        ours = ours or Ours(step.at)
        await ours.move(step.at)
        for peer in peers:
            target = step.target
            while target:
                target = peer.ask(target, step.kind, step.at)
        target = step.target
        while target:
            target = await ours.ask(target, step.kind)
    assert ours is not None
    return ours.cost


async def _replay_tiles(tiles: list[Tile], peers: list[Lifetimes]) -> Cost:
    """Live through the polls that reach a vendor or a renewal; the hits between two of them are counted, not made."""
    for peer in peers:
        for tile in tiles:
            at = tile.begin
            while at < tile.end:
                peer.ask(tile.target, tile.kind, at)
                at = _skip(tile, at, peer.kept_until(at), at, peer.cost)
    ours = Ours(min(tile.begin for tile in tiles), "256MiB")
    due = [(tile.begin, number) for number, tile in enumerate(tiles)]
    heapq.heapify(due)
    while due:
        at, number = heapq.heappop(due)
        tile = tiles[number]
        await ours.move(at)
        await ours.ask(tile.target, tile.kind)
        until, asof = ours.hit_until(tile.target)
        at = _skip(tile, at, until, asof, ours.cost)
        if at < tile.end:
            heapq.heappush(due, (at, number))
    assert ours.evictions == 0, "hits were counted for answers that had to make way"
    return ours.cost


def _skip(tile: Tile, at: float, until: float, asof: float | None, cost: Cost) -> float:
    """Count the polls after `at` that an answer good `until` then serves; return the first one after them."""
    polls = max(1, math.ceil((min(until, tile.end) - at) / tile.every))
    if polls > 1:
        cost.answers += polls - 2
        cost.serve(tile.kind, asof, at + (polls - 1) * tile.every)
    return at + polls * tile.every


WORKLOADS = {
    "notebook": [
        Workload("notebook team, pages as the client asks for them", ("bars/minute",), lambda: notebook("")),
        Workload("notebook team, limit=50000", ("bars/minute",), lambda: notebook("?limit=50000"), goal=None),
    ],
    "dashboard": [
        Workload("dashboard of 200 tickers", ("snap_stk/list", "ticker", "corp", "bars/day", "prev"), tiles=dashboard),
    ],
    "nightly": [
        Workload("nightly backfill, pages as the client asks for them", ("bars/minute",), lambda: nightly("")),
        Workload("nightly backfill, limit=50000", ("bars/minute",), lambda: nightly("?limit=50000"), goal=None),
    ],
    "scanner": [Workload("scanner over 5,000 tickers", ("bars/day",), scanner, goal=None)],
}


def main() -> None:
    """Check the model, replay what was asked for, print the table; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; all by default")
    asked = parser.parse_args()
    if unknown := set(asked.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    print(check_model())
    results, kept = {}, True
    for name in asked.workloads or WORKLOADS:
        for workload in WORKLOADS[name]:
            begun = time.monotonic()
            costs = asyncio.run(workload.run())
            print(f"\n{workload.title} ({time.monotonic() - begun:.0f} s)")
            kept &= _print(workload, costs)
            results[workload.title] = {
                cache: {slot: getattr(cost, slot) for slot in Cost.__slots__} for cache, cost in costs.items()
            }
    _OUT.mkdir(exist_ok=True)
    (_OUT / "calls.json").write_text(json.dumps(results, indent=1) + "\n")
    raise SystemExit(0 if kept else 1)


def _print(workload: Workload, costs: dict[str, Cost]) -> bool:
    """Print what it cost each cache; return whether the goals are kept."""
    ours, nginx = list(costs.values())[:2]
    for cache, cost in costs.items():
        times = "" if cost is ours else f"{cost.calls / ours.calls:.1f}x"
        print(
            f"  {cache:14} {cost.calls:>9,} vendor calls {times:>7} {cost.bytes / 1e6:10,.1f} MB for "
            f"{cost.answers:>9,} answers; oldest {cost.oldest:8,.0f} s, {cost.too_old:,} older than promised"
        )
    if ours.too_old == 0 and (workload.goal is None or nginx.calls >= workload.goal * ours.calls):
        return True
    print(f"  MISSED: goal {workload.goal} times fewer calls than nginx, none older than promised")
    return False


if __name__ == "__main__":
    main()
