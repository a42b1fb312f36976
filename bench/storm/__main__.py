"""`make storm`: runs the schedule, judges every answer, prints one table; exit code 1 when a promise was broken."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import uvloop

from bench.storm.ages import run_ages
from bench.storm.crowds import run_crowds
from bench.storm.gateway import CALLS_COUNTED_MAX, CALLS_PER_SECOND, COUNTED_OVER, VENDOR_KEY, GatewayProcess, pause
from bench.storm.herds import Outcome, run_herds
from bench.storm.invariants import Tally
from bench.storm.load import Load, known_paths, make_load
from bench.storm.rollout import roll_out
from bench.storm.schedule import PHASES, Gone, Phase
from stock_service.base.clock import SystemClock
from stock_service.simulator.server import Simulator, SimulatorSettings, start_simulator
from stock_service.web.listener import bind, turn_newcomers_away

INSTANT = 1_763_740_800.0  # Friday 2025-11-21, 11:00 in New York: every answer is the same for the whole storm
RECOVERED_WITHIN = 15.0
FILES_SLACK = 150  # kept-alive connections of the load, and sixteen to the vendor
_HEAD = "fault                          known errors  stale  slowest  calls normal  new questions"
_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    known: Tally
    new: Tally
    vendor_calls: int
    recovered_after: float | None

    @property
    def broken(self) -> Counter[str]:
        """Promises broken in this phase."""
        late = self.recovered_after is None
        return self.known.broken + self.new.broken + Counter({"I7 not recovered": 1} if late else {})


async def run_phase(phase: Phase, simulator: Simulator, load: Load, seconds: float) -> Row:
    """Let one fault happen under load, end it, and wait for everything to be normal."""
    known, new = Tally(), Tally()
    simulator.calls.clear()
    simulator.faults.put(list(phase.rules), _clock.monotonic())
    async with away(simulator, phase.gone):
        await load.run(seconds, known, new)
    simulator.faults.clear()
    recovered = 0.0 if phase.lasting else await wait_until_normal(load)
    if simulator.calls.busiest(COUNTED_OVER) > CALLS_COUNTED_MAX:
        known.broken["I6 vendor asked too often"] += 1
    return Row(phase.name, known, new, simulator.calls.total, recovered)


@asynccontextmanager
async def away(simulator: Simulator, gone: Gone | None) -> AsyncIterator[None]:
    """Let the vendor's socket be gone in that way while the block runs."""
    if gone is None:
        yield
        return
    await simulator.refuse()
    with ExitStack() as stack:
        if gone is Gone.SILENT:
            silent = stack.enter_context(bind("127.0.0.1", simulator.port))
            silent.listen()
            turn_newcomers_away(silent)
        yield
    await simulator.listen()


async def wait_until_normal(load: Load) -> float | None:
    """Return the seconds until new questions of every kind are answered again; None when that takes too long."""
    began = _clock.monotonic()
    while _clock.monotonic() - began < RECOVERED_WITHIN:
        answers = [await load.ask(path) for path in load.fresh_paths()]
        if all(answer.status == 200 for answer in answers):
            return _clock.monotonic() - began
        await pause(0.2)
    return None


async def storm(
    phases: list[Phase], seconds: float, seed: int, tickers: int, herd: int
) -> tuple[list[Row], list[Outcome]]:
    """Run `phases` and the herds; return what was seen."""
    simulator = await start_simulator(SimulatorSettings(key=VENDOR_KEY, at=INSTANT), _clock)
    rows: list[Row] = []
    try:
        remaining = list(phases)
        while remaining:
            remaining = await _one_gateway(remaining, rows, simulator, seconds, seed, tickers)
        herds = await run_herds(simulator, seed, herd)
        herds += await run_ages(simulator, seed, INSTANT)
        herds += await run_crowds(simulator, herd, rounds=max(1, herd // 1_000))
        herds.append(await roll_out(simulator, rounds=max(1, herd // 1_000)))
    finally:
        await simulator.stop()
    return rows, herds


async def _one_gateway(
    phases: list[Phase], rows: list[Row], simulator: Simulator, seconds: float, seed: int, tickers: int
) -> list[Phase]:
    """Run phases on one gateway until one leaves it at a distance; return those still to run."""
    gateway = await GatewayProcess.start(simulator.url)
    try:
        async with make_load(gateway.url, seed) as load:
            await load.learn(known_paths(tickers))
            base = gateway.footprint().files
            for number, phase in enumerate(phases):
                row = await run_phase(phase, simulator, load, seconds)
                if not await _calm(gateway, base):
                    row.known.broken["I7 something leaked"] += 1
                rows.append(row)
                print(_line(row), flush=True)
                if phase.lasting:
                    return phases[number + 1 :]
                await load.run(1.0, row.known, row.new)
            return []
    finally:
        await gateway.stop()


async def _calm(gateway: GatewayProcess, base: int) -> bool:
    """Return whether open files come back to `base`, give or take what clients keep open, and all work to an end."""
    began = _clock.monotonic()
    while gateway.footprint().files > base + FILES_SLACK or await gateway.work():
        if _clock.monotonic() - began > RECOVERED_WITHIN:
            return False
        await pause(0.2)
    return True


def _line(row: Row) -> str:
    errors = sum(count for status, count in row.known.statuses.items() if status != 200)
    recovered = "-" if row.recovered_after is None else f"{row.recovered_after:5.1f}"
    slowest = max(row.known.slowest, row.new.slowest)
    typed = " ".join(f"{status}:{count}" for status, count in sorted(row.new.statuses.items()))
    return (
        f"{row.name:28} {row.known.answers:7} {errors:6} {row.known.stale:6} {slowest:8.2f} {row.vendor_calls:6} "
        f"{recovered:>6}  {typed:32} {'; '.join(row.broken) or 'kept'}"
    )


def main() -> int:
    """Parse, run, print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few phases, some seconds")
    parser.add_argument("--only", metavar="TEXT", help="phases whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="length of a phase")
    given = parser.parse_args()
    chosen = [p for p in PHASES if (p.short or not given.short) and (given.only or "") in p.name]
    seconds = given.seconds or (1.5 if given.short else 5.0)
    print(
        f"seed {given.seed}; {len(chosen)} phases of {seconds:g} s; the plan allows {CALLS_PER_SECOND} calls a second"
    )
    print(
        f"{'fault':28} {'known':>7} {'errors':>6} {'stale':>6} {'slowest':>8} {'calls':>6} {'normal':>6}  new questions"
    )
    tickers, herd = (20, 1_000) if given.short else (40, 10_000)
    rows, herds = uvloop.run(storm(chosen, seconds, given.seed, tickers, herd))
    for outcome in herds:
        print(f"{outcome.name:28} {outcome.seen:64} {outcome.broken or 'kept'}")
    examples = [example for row in rows for example in row.known.examples + row.new.examples]
    print("\n".join(examples[:20]))
    broken = sum((row.broken for row in rows), Counter()) + Counter(o.broken for o in herds if o.broken)
    known = sum(row.known.answers for row in rows)
    print(f"{known} answers to known questions; broken promises: {dict(broken) or 'none'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
