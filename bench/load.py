"""One slice of load from wrk: requests prepared beforehand, so that the generator is never what is measured."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.machine import LOAD_CORE, SERVER_CORE, busy_seconds, cpu_seconds, find_program, pinned, resident_bytes

TARGETS = 1_000
CONNECTIONS = 32
CLIENT_FIELDS = (
    "Host: 127.0.0.1:8080",
    "User-Agent: Massive.com PythonClient/2.9.1",
    "Accept: */*",
    "Accept-Encoding: identity",
    "Connection: keep-alive",
)
_TRACES = 20_000
_FOREIGN = 0.10  # of the server's core; a slice in which others took more says little and is taken again

_SCRIPT = """\
local prepared, at = {}, 0
local file = io.open("%s", "rb")
local all = file:read("*a")
file:close()
for one in all:gmatch("(.-\\r\\n\\r\\n)") do prepared[#prepared + 1] = one end
function request()
  at = at %% #prepared + 1
  return prepared[at]
end
function done(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("FACTS %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, bad,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
"""

_PAUSE = """\
function delay()
  return %d
end
"""


@dataclass(frozen=True)
class Slice:
    """What one slice showed. `failed` counts broken connections and statuses of 400 and more."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_us: float
    rss_mib: float
    clean: bool


def target(number: int) -> str:
    """Return one of the asked paths."""
    return f"/v2/aggs/ticker/SYM{number}/prev"


def prepare(
    path: Path,
    key: str,
    *,
    sent: tuple[str, ...] = CLIENT_FIELDS,
    fields: tuple[str, ...] = (),
    key_in: str = "header",
    fresh: range | None = None,
    pause_ms: int = 0,
) -> Path:
    """Write the requests of one scenario; `{trace}` in a field becomes another 16-byte id in every request.

    Args:
        sent: the header fields of every request; by default five of a real client, and the key is the sixth.
        fields: more of them.
        key_in: `header`, `query`, or nowhere.
        fresh: ask for these targets, each once.
        pause_ms: what every connection waits before its next request.
    """
    count = _TRACES if any("{trace}" in field for field in fields) else TARGETS
    with path.open("w", newline="") as out:
        for number in fresh or range(count):
            where = target(number if fresh else number % TARGETS) + (f"?apiKey={key}" if key_in == "query" else "")
            lines = [
                f"GET {where} HTTP/1.1",
                *sent,
                *([f"Authorization: Bearer {key}"] if key_in == "header" else []),
                *(field.replace("{trace}", f"{number + 1:032x}") for field in fields),
            ]
            out.write("\r\n".join(lines) + "\r\n\r\n")
    script = path.with_suffix(".lua")
    script.write_text(_SCRIPT % path + (_PAUSE % pause_ms if pause_ms else ""))
    return script


def drive(
    port: int, pid: int, script: Path, *, seconds: int = 1, connections: int = CONNECTIONS, tries: int = 1
) -> Slice:
    """Load one server for a slice and return what happened; a disturbed slice is taken again, at most `tries` in all.

    Raises:
        RuntimeError: wrk is not installed, or ended otherwise than it should.
    """
    best = _drive(port, pid, script, seconds, connections)
    for _ in range(tries - 1):
        if best.clean:
            break
        best = _drive(port, pid, script, seconds, connections)
    return best


def _drive(port: int, pid: int, script: Path, seconds: int, connections: int) -> Slice:
    wrk = find_program("wrk")
    if wrk is None:
        raise RuntimeError("wrk is not installed (apt-get install wrk)")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    before, busy = cpu_seconds(pid), busy_seconds(SERVER_CORE)
    told = subprocess.run(
        pinned(LOAD_CORE, *command, f"http://127.0.0.1:{port}/"), capture_output=True, text=True, check=False
    ).stdout
    spent, busy = cpu_seconds(pid) - before, busy_seconds(SERVER_CORE) - busy
    facts = re.search(r"FACTS (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", told)
    if facts is None:
        raise RuntimeError(f"wrk told nothing: {told[-300:]}")
    requests, micros, broken, refused, p50, p99 = map(int, facts.groups())
    return Slice(
        per_second=requests / (micros / 1e6),
        p50_ms=p50 / 1e3,
        p99_ms=p99 / 1e3,
        failed=broken + refused,
        cpu_us=spent / max(1, requests) * 1e6,
        rss_mib=resident_bytes(pid) / 2**20,
        clean=busy - spent <= _FOREIGN * micros / 1e6,
    )
