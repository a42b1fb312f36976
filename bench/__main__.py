"""`make bench`: measure, print tables, write `bench/out/results.json`.

python -m bench                    everything, about six minutes
python -m bench micro eviction     named parts only
python -m bench hits --rounds 3    fewer rounds: quicker, and worth less
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import eviction, hits, memory, micro, misses, start

_OUT = Path(__file__).parent / "out"

# In the order they run: what is disturbed most by a warm machine comes first.
_PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "start": lambda _: start.run(),
    "micro": lambda _: micro.run(),
    "eviction": lambda _: eviction.run(),
    "memory": lambda _: memory.run(),
    "hits": lambda asked: hits.run(asked.rounds, asked.only),
    "misses": lambda asked: misses.run(asked.rounds),
}


def main() -> None:
    """Run the asked parts."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the service, beside peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; all when none is named")
    parser.add_argument("--rounds", type=int, default=9, help="slices of each server in each scenario")
    parser.add_argument("--only", default="", help="scenarios of hits whose name contains this")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(_PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    for name, run in _PARTS.items():
        if not asked.parts or name in asked.parts:
            results[name] = run(asked)
    _OUT.mkdir(exist_ok=True)
    path = _OUT / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
