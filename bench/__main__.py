"""`make bench`: measure, print tables, write `bench/out/results.json`.

python -m bench                    everything, about six minutes
python -m bench micro eviction     named parts only
python -m bench hits --rounds 3    fewer rounds: quicker, and worth less
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

from bench import eviction, hits, memory, micro, start

_OUT = Path(__file__).parent / "out"
_PARTS = ("start", "micro", "eviction", "memory", "hits")


def main() -> None:
    """Run the asked parts."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the service, beside peers.")
    parser.add_argument(
        "parts", nargs="*", choices=[*_PARTS, []], help=f"of {', '.join(_PARTS)}; all when none is named"
    )
    parser.add_argument("--rounds", type=int, default=9, help="slices of each server in each scenario")
    parser.add_argument("--only", default="", help="scenarios of hits whose name contains this")
    asked = parser.parse_args()
    parts = asked.parts or list(_PARTS)
    if unknown := set(parts) - set(_PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    if "start" in parts:
        results["start"] = start.run()
    if "micro" in parts:
        results["micro"] = micro.run()
    if "eviction" in parts:
        results["eviction"] = eviction.run()
    if "memory" in parts:
        results["memory"] = memory.run()
    if "hits" in parts:
        results["hits"] = []
        for scenario in hits.SCENARIOS:
            if asked.only in scenario.name:
                result = hits.run_scenario(scenario, asked.rounds)
                hits.print_scenario(result)
                results["hits"].append(result)
    _OUT.mkdir(exist_ok=True)
    path = _OUT / "results.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
