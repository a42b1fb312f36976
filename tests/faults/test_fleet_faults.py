"""The shared store of three gateway processes dies, hangs, fills up, is demoted, slows down or talks nonsense.

No client gets an error, and only the first few pay for it. `FLEET_SECONDS` makes the phases longer (`make fleet`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.storm.load import ticker_name
from tests.support.fleet import PODS, Fleet, Heard, fleet
from tests.support.redis_server import RedisServer, redis_cluster, redis_server
from tests.support.tcp_proxy import TcpProxy, flip_bits

pytestmark = pytest.mark.system_tool("redis-server")

PHASE_FOR = float(os.environ.get("FLEET_SECONDS", "1.2"))
EVERY = 0.02  # seconds between the questions to one pod
PLAN = 1_000  # calls a second; by turns of its own a pod waits up to 30 ms for one
KNOWN = 40
NEW_ONE_IN = 8
SLOW = 0.05  # what a fault may add to an answer
FEW = 5  # answers it may add that to, of one pod
RECOVERS_WITHIN = 5.0
BUSY_FOR = 3.0  # more than promised, for a machine that does other things as well

Fault = Callable[[], AbstractAsyncContextManager[None]]


async def test_whatever_happens_to_the_store_no_client_sees_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(redis_server(tmp_path))
        wires = [await stack.enter_async_context(TcpProxy(server.port)) for _ in range(PODS)]
        made = await stack.enter_async_context(fleet([wire.url for wire in wires], calls=PLAN))
        known = [f"/v2/aggs/ticker/{ticker_name('K', number)}/prev" for number in range(KNOWN)]
        for pod in range(PODS):
            await asyncio.gather(*(made.ask(pod, path) for path in known))
        for name, fault in faults(server, wires).items():
            told = await under_load(made, known, fault)
            assert told.wrong == [], name
            assert told.late <= PODS * FEW + 3 * told.late_anyway, f"{name}: {told}"
            # Writes sleep for five seconds after "full": the others come back with the next beat.
            took = await made.together(RECOVERS_WITHIN + BUSY_FOR)
            assert took <= RECOVERS_WITHIN + BUSY_FOR, name
            await shared_again(made, name)


async def test_a_cluster_that_loses_a_master_costs_no_answer(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as servers:
        url = f"{servers[0].url}?cluster=true"
        async with fleet([url] * PODS, calls=PLAN) as made:
            known = [f"/v2/aggs/ticker/{ticker_name('K', number)}/prev" for number in range(KNOWN)]

            @asynccontextmanager
            async def stopped() -> AsyncIterator[None]:
                servers[1].stop()
                yield
                servers[1].resume()

            told = await under_load(made, known, stopped)
            assert told.wrong == []
            assert told.late <= PODS * FEW + 3 * told.late_anyway, told
            await made.together(RECOVERS_WITHIN + BUSY_FOR)


@dataclass
class Told:
    """What clients saw. `late` are answers slower than before by more than a fault may add; `late_anyway` are those
    of a question the store has nothing to do with, asked at the same moments: what the machine itself does."""

    asked: int = 0
    wrong: list[Heard] = field(default_factory=list)
    late: int = 0
    late_anyway: int = 0


async def under_load(made: Fleet, known: list[str], fault: Fault) -> Told:
    """Ask every pod known and new questions, before and during a fault."""
    before, _ = await load(made, known, PHASE_FOR / 2)
    usual = sorted(answer.seconds for answer in before)[len(before) * 95 // 100]
    async with fault():
        answers, controls = await load(made, known, PHASE_FOR)
    told = Told(asked=len(answers))
    told.wrong = [answer for answer in (*before, *answers) if answer.status != 200]
    told.late = sum(answer.seconds > usual + SLOW for answer in answers)
    told.late_anyway = sum(control.seconds > usual + SLOW for control in controls)
    return told


async def load(made: Fleet, known: list[str], seconds: float) -> tuple[list[Heard], list[Heard]]:
    """Return the answers to known and new questions, and those to the control question."""
    answers: list[Heard] = []
    controls: list[Heard] = []
    until = time.monotonic() + seconds

    async def ask(pod: int) -> None:
        turn = pod
        while time.monotonic() < until:
            turn += 1
            path = made.cold() if turn % NEW_ONE_IN == 0 else known[turn % len(known)]
            answer, control = await asyncio.gather(made.ask(pod, path), made.ask(pod, "/health"))
            answers.append(answer)
            controls.append(control)
            await asyncio.sleep(EVERY)

    await asyncio.gather(*(ask(pod) for pod in range(len(made.pods))))
    return answers, controls


async def shared_again(made: Fleet, name: str) -> None:
    """A new question to one pod costs the next one nothing, in time."""
    begun = time.monotonic()
    while True:
        path = made.cold()
        assert (await made.ask(0, path)).status == 200
        await asyncio.sleep(0.05)
        assert (await made.ask(1, path)).status == 200
        if await made.vendor.count(path) == 1:
            return
        assert time.monotonic() - begun < RECOVERS_WITHIN + BUSY_FOR, name
        await asyncio.sleep(0.2)


def faults(server: RedisServer, wires: list[TcpProxy]) -> dict[str, Fault]:
    """Return what may happen to a store, each as a context: it happens on entering and ends on leaving."""

    def fault(begin: Callable[[], object], end: Callable[[], object]) -> Fault:
        @asynccontextmanager
        async def happening() -> AsyncIterator[None]:
            begin()
            try:
                yield
            finally:
                end()

        return happening

    def each(change: Callable[[TcpProxy], object]) -> Callable[[], object]:
        return lambda: [change(wire) for wire in wires]

    def delay(wire: TcpProxy) -> None:
        wire.delay = 0.2

    def garble(wire: TcpProxy) -> None:
        wire.spoil = flip_bits(7, 0.5)

    def cured(wire: TcpProxy) -> None:
        wire.heal()
        wire.cut()

    def scramble() -> None:
        for key in server.admin.scan_iter("*answer*", count=1_000):
            server.admin.setrange(key, 40, b"\x00garbage\xff")

    return {
        "killed": fault(server.kill, server.start),
        "stopped": fault(server.stop, server.resume),
        "paused": fault(lambda: server.ask("CLIENT", "PAUSE", int(PHASE_FOR * 1000), "ALL"), lambda: None),
        "full": fault(
            lambda: server.admin.config_set("maxmemory", "1"), lambda: server.admin.config_set("maxmemory", "0")
        ),
        "demoted": fault(lambda: server.ask("REPLICAOF", "127.0.0.1", 1), lambda: server.ask("REPLICAOF", "NO", "ONE")),
        "slow": fault(each(delay), each(TcpProxy.heal)),
        "garbled": fault(each(garble), each(cured)),
        "corrupt": fault(scramble, lambda: None),
    }
