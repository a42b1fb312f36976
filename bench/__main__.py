"""`make bench`: measure, print tables, write `bench/out/results.json`.

python -m bench                    everything but the soak, about ten minutes on a machine of one's own
python -m bench --quick            three rounds, and no slice is taken again: about four minutes, and worth less
python -m bench micro eviction     named parts only
python -m bench hits --only 500    of the hits, only what has this in its name
python -m bench soak               a million keys through a cache of the default size, about five minutes
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import book, eviction, hits, memory, micro, micro_miss, misses, pods, series, shared, soak, start

_OUT = Path(__file__).parent / "out"

# In the order they run: what is disturbed most by a warm machine comes first.
_PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "start": lambda _: start.run(),
    "micro": lambda _: {"hit_ns": micro.run(), "miss_us": micro_miss.run()},
    "series": lambda _: series.run(),
    "eviction": lambda _: eviction.run(),
    "memory": lambda _: memory.run(),
    "hits": lambda asked: hits.run(asked.rounds, asked.tries, asked.only),
    "misses": lambda asked: misses.run(asked.rounds),
    "shared": lambda _: shared.run(),
    "pods": lambda _: pods.run(),
    "book": lambda _: book.run(),
    "soak": lambda asked: soak.run(asked.keys),
}
_ONLY_WHEN_NAMED = {"soak"}


def main() -> None:
    """Run the asked parts."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the service, beside peers.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; all but soak when none is named"
    )
    parser.add_argument("--rounds", type=int, default=7, help="slices of each server in each scenario")
    parser.add_argument("--tries", type=int, default=3, help="how often a disturbed slice is taken, at most")
    parser.add_argument("--quick", action="store_true", help="as --rounds 3 --tries 1")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys of the soak")
    parser.add_argument("--only", default="", help="scenarios of hits whose name contains this")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(_PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if asked.quick:
        asked.rounds, asked.tries = 3, 1
    results: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    for name, run in _PARTS.items():
        if name in asked.parts or not (asked.parts or name in _ONLY_WHEN_NAMED):
            try:
                results[name] = run(asked)
            except RuntimeError as error:  # a program is missing, or did not start: the other parts can do without
                results[name] = {"failed": str(error)}
                print(f"\n{name}: not measured: {error}", file=sys.stderr)
    _OUT.mkdir(exist_ok=True)
    path = _OUT / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path}")
    if any("failed" in result for result in results.values() if isinstance(result, dict)):
        sys.exit(1)


if __name__ == "__main__":
    main()
