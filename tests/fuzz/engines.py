"""Two ways of making inputs: guided by coverage (atheris, where it is installed), or by chance from a seed.

Guided finds what chance does not; chance tries five times as many, and begins with what the guided search kept.
The guided search runs in a process of its own, because libFuzzer ends its process. Both report the same facts; a
finding leaves its input, and by chance the inputs before it, under `.tools/fuzz/`.
"""

from __future__ import annotations

import ast
import importlib.util
import random
import re
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutate import Mutator
from tests.fuzz.target import Target

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / ".tools" / "fuzz"

_PAST = 200  # inputs kept before a finding: what a service was taught may matter
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_PULSE = re.compile(r"^#(\d+)\s", re.MULTILINE)
_HANG_AFTER = 25  # seconds for one input; by chance for 64, which is far less than a second of work


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of one target did. `finding` is a traceback with the input, or empty."""

    target: str
    engine: str
    inputs: int
    seconds: float
    finding: str = ""

    def __str__(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0.0
        verdict = "FOUND SOMETHING" if self.finding else "held"
        counted = f"{self.inputs:>11,} inputs {self.seconds:>7.1f} s {rate:>8,.0f}/s"
        return f"{self.target:<12} {self.engine:<8} {counted}  {verdict}"


def has_guide() -> bool:
    """Return whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def run_by_chance(
    name: str,
    make: Callable[[], Target],
    *,
    runs: int,
    seconds: float,
    seed: int,
    now: Callable[[], float],
    more_seeds: Sequence[bytes] = (),
) -> Report:
    """Check every seed of the target and then mutations, until `runs` inputs or `seconds`, whichever comes first."""
    target, draw = make(), random.Random(f"{name}-{seed}")
    seeds = (*target.seeds, *more_seeds)
    mutator = Mutator(seeds, target.words)
    past: deque[bytes] = deque(maxlen=_PAST)
    began = now()
    done = 0
    with _hangs_raise():
        while done < runs:
            if done % 64 == 0:
                if now() - began >= seconds:
                    break
                signal.alarm(_HANG_AFTER)
            data = seeds[done] if done < len(seeds) else mutator.make(draw)
            past.append(data)
            done += 1
            try:
                target.check(data)
            except Exception:  # noqa: BLE001 - whatever escapes is what we look for
                return Report(name, "chance", done, now() - began, _keep_finding(name, past, traceback.format_exc()))
    return Report(name, "chance", done, now() - began)


@contextmanager
def _hangs_raise() -> Iterator[None]:
    """Let the alarm end a check that never comes to an end; its input is then a finding like any other."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"no end after {_HANG_AFTER} s")

    left, before = signal.getitimer(signal.ITIMER_REAL)[0], signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)  # the alarm of whoever runs us


def run_guided(name: str, *, runs: int, seconds: float, seed: int) -> Report:
    """Search with atheris in a process of its own, going on from what earlier searches found worth keeping."""
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "tests.fuzz.guided", name, str(FOUND / name), f"-runs={runs}", f"-seed={seed or 1}",
        f"-max_total_time={max(1, int(seconds))}", f"-timeout={_HANG_AFTER}", f"-artifact_prefix={FOUND / name}-",
        "-max_len=4096", "-rss_limit_mb=1024", "-print_final_stats=1",
    ]  # fmt: skip
    began = time.monotonic()
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    said = ran.stderr + ran.stdout
    done = _DONE.search(said)
    inputs = int(done[1]) if done else max((int(each) for each in _PULSE.findall(said)), default=0)
    finding = "" if ran.returncode == 0 and done else _told(said) or f"exit code {ran.returncode}"
    return Report(name, "guided", inputs, time.monotonic() - began, finding)


def worth_keeping(name: str) -> list[bytes]:
    """Return the inputs that guided searches kept because they reached something new; oldest names first."""
    return [file.read_bytes() for file in sorted((FOUND / name).glob("*")) if not file.name.startswith("seed-")]


def _told(said: str) -> str:
    """Return what libFuzzer said, from the exception on if there was one."""
    lines = [line for line in said.splitlines() if not line.startswith("INFO: ")]
    begun = next((number for number, line in enumerate(lines) if "Uncaught Python exception" in line), 0)
    return "\n".join(lines[begun:])[-6_000:]


def replay(target: Target, file: Path) -> int:
    """Check the input, or the inputs, that a finding left in `file`; return how many there were."""
    raw = file.read_bytes()
    inputs = [ast.literal_eval(line) for line in raw.decode().splitlines()] if file.suffix == ".txt" else [raw]
    for data in inputs:
        target.check(data)
    return len(inputs)


def _keep_finding(name: str, past: deque[bytes], trace: str) -> str:
    FOUND.mkdir(parents=True, exist_ok=True)
    place = FOUND / f"{name}-finding.txt"
    place.write_text("\n".join(map(repr, past)) + "\n", "utf-8")
    return f"{trace}\ninput: {past[-1]!r}\nit and the inputs before it: {place}"
