"""`python -m tests.fuzz`: ten million inputs, or as many as fit into the time; exit code 1 when something is found."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.fuzz.engines import Report, has_guide, replay, run_by_chance, run_guided, worth_keeping
from tests.fuzz.targets import TARGETS

RUNS = 10_000_000
SECONDS = 3_600.0
GUIDED_PART = 0.25  # of the time: a guided search learns most at its beginning


def main() -> int:
    """Run the chosen targets, as many at once as there are cores, and print what each did."""
    options = _parse()
    if options.replay:
        target = TARGETS[options.target[0]][0]()
        print(f"{replay(target, options.replay)} inputs, and the target holds")
        return 0
    guided = has_guide() and not options.chance
    if not guided and not options.chance:
        print("atheris is not installed: inputs by chance only. It has wheels for Linux and CPython before 3.14.")
    chosen = options.target or list(TARGETS)
    shares = {name: TARGETS[name][1] / sum(TARGETS[each][1] for each in chosen) for name in chosen}
    at_once = min(os.cpu_count() or 1, len(chosen))
    seconds = options.seconds * at_once / len(chosen)
    reports: list[Report] = []
    with ProcessPoolExecutor(at_once) as pool:
        searches = [
            pool.submit(_search, name, int(options.runs * shares[name]), seconds, options.seed, guided)
            for name in chosen
        ]
        for search in as_completed(searches):
            for report in search.result():
                reports.append(report)
                print(report, flush=True)
                if report.finding:
                    print(report.finding, file=sys.stderr, flush=True)
    done = sum(each.inputs for each in reports)
    over = "" if done >= options.runs - len(chosen) else f" of {options.runs:,}: the time was over"
    print(f"total        seed {options.seed:<3} {done:>11,} inputs{over}")
    return int(any(each.finding for each in reports))


def _search(name: str, runs: int, seconds: float, seed: int, guided: bool) -> list[Report]:
    began, reports = time.monotonic(), list[Report]()
    if guided:
        report = run_guided(name, runs=runs, seconds=seconds * GUIDED_PART, seed=seed)
        reports.append(report)
        if report.finding or report.inputs >= runs:
            return reports
        runs -= report.inputs
    report = run_by_chance(
        name,
        TARGETS[name][0],
        runs=runs,
        seconds=seconds - (time.monotonic() - began),
        seed=seed,
        now=time.monotonic,
        more_seeds=worth_keeping(name) if guided else (),
    )
    return [*reports, report]


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
