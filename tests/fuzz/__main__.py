"""`python -m tests.fuzz`: ten million inputs, or as many as fit into the time; exit code 1 when something is found."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.engines import Report, has_guide, replay, run_by_chance, run_guided
from tests.fuzz.targets import TARGETS

RUNS = 10_000_000
SECONDS = 5_400.0


def main() -> int:
    """Run the chosen targets one after the other and print what each did."""
    options = _parse()
    if options.replay:
        target = TARGETS[options.target[0]][0]()
        print(f"{replay(target, options.replay)} inputs, and the target holds")
        return 0
    guided = has_guide() and not options.chance
    if not guided and not options.chance:
        print("atheris is not installed: inputs by chance, which finds less. It has wheels for Linux, CPython < 3.14.")
    chosen = options.target or list(TARGETS)
    shares = {name: TARGETS[name][1] / sum(TARGETS[each][1] for each in chosen) for name in chosen}
    began, reports = time.monotonic(), []
    for place, name in enumerate(chosen):
        left = options.seconds - (time.monotonic() - began)
        reports.append(_run(name, guided, options, int(options.runs * shares[name]), left / (len(chosen) - place)))
        print(reports[-1], flush=True)
        if reports[-1].finding:
            print(reports[-1].finding, file=sys.stderr, flush=True)
    print(f"total        seed {options.seed:<3} {sum(each.inputs for each in reports):>11,} inputs")
    return int(any(each.finding for each in reports))


def _run(name: str, guided: bool, options: argparse.Namespace, runs: int, seconds: float) -> Report:
    if guided:
        return run_guided(name, runs=runs, seconds=seconds, seed=options.seed)
    make = TARGETS[name][0]
    return run_by_chance(name, make, runs=runs, seconds=seconds, seed=options.seed, now=time.monotonic)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="inputs of all targets together (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all targets together (%(default)s)")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chance", action="store_true", help="seeded random inputs, without atheris")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="check what a finding left in FILE; with --target")
    options = parser.parse_args()
    if options.replay and len(options.target or ()) != 1:
        parser.error("--replay needs one --target")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
