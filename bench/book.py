"""What the fleet's book of calls costs the store: a beat of a pod and the planning of a call, by the number of pods.

The store has one thread, so this bounds how large a fleet may grow. Measured by the store itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import redis

from bench.machine import LOAD_CORE, find_program, free_port, running
from stock_service.upstream.shared_slots_scripts import JOIN, TAKE

_FLEETS = (1, 20, 1_000)
_TIMES = 500
_PLAN = 100  # calls a second
_KEYS = tuple(f"book:{{bench}}:{part}" for part in ("log", "state", "seen", "joined", "seats"))


def run() -> dict[str, Any]:
    """Let pods join, beat and take; print and return microseconds of the store's time."""
    if find_program("redis-server") is None:
        print("\nbook: redis-server is not installed")
        return {}
    print("\nthe store's own time for the vendor's budget, by the number of pods")
    print("      pods    a beat    a call")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        port, program = free_port(), find_program("redis-server") or "redis-server"
        command = (program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        with running(*command, core=LOAD_CORE, port=port, log=Path(folder) / "store.log"):
            store = redis.Redis(port=port)
            for pods in _FLEETS:
                store.flushall()
                for number in range(pods):
                    _beat(store, number, pods)
                beat = _cost(store, lambda number, pods=pods: _beat(store, number % pods, pods))
                call = _cost(store, lambda number, pods=pods: _take(store, number, pods))
                found[str(pods)] = {"beat_us": beat, "call_us": call}
                print(f"  {pods:8} {beat:6.0f} µs {call:6.0f} µs")
            store.close()
    return found


def _cost(store: redis.Redis, step: Any) -> float:
    """Return the store's microseconds for one step."""
    store.config_resetstat()
    for number in range(_TIMES):
        step(number)
    return float(store.info("commandstats")["cmdstat_eval"]["usec_per_call"])


def _beat(store: redis.Redis, pod: int, pods: int) -> None:
    store.eval(JOIN, len(_KEYS), *_KEYS, *_common(pod, pods), "0", 5_000_000, pods)


def _take(store: redis.Redis, number: int, pods: int) -> None:
    store.eval(TAKE, len(_KEYS), *_KEYS, *_common(number % pods, pods), f"call-{number}", "", 60_000_000, 0)


def _common(pod: int, pods: int) -> list[str | int | float]:
    """Return what every script is told, as `upstream/shared_slots.py` does."""
    return [f"pod-{pod}", 4_000_000, _PLAN, "0", 1, _PLAN * 9 // 10, 1_030_000, _PLAN * 0.9 / pods]
