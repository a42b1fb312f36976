"""Three gateway processes on one shared store: one call for a herd, one plan for all, and pods that die.

`make fleet` runs this and `test_fleet_faults.py` with longer phases.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.storm.load import ticker_name
from tests.support.fleet import PODS, Fleet, fleet
from tests.support.redis_server import redis_cluster, redis_server

pytestmark = pytest.mark.system_tool("redis-server")

BUSY_FOR = 3.0  # seconds more than promised, for a machine that does other things as well


@pytest.mark.parametrize("store", ["single", "cluster"])
async def test_a_herd_of_thousands_on_a_hundred_cold_keys_is_a_hundred_calls(store: str, tmp_path: Path) -> None:
    """3,000 askers over three pods; the plan allows 60 calls a second, and the vendor counts them itself.

    Each key's own calls: a service also asks for the market's news, at the turn of a minute.
    """
    with ExitStack() as stack:
        if store == "cluster":
            url = f"{stack.enter_context(redis_cluster(tmp_path))[0].url}?cluster=true"
        else:
            url = stack.enter_context(redis_server(tmp_path)).url
        # Patient with the store and with itself: how fast this machine is today is not asked here.
        patient = {
            "STOCKS_SHARED__TIMEOUT": "1s",
            "STOCKS_QUOTA__MAX_WAIT": "30s",
            "STOCKS_SERVER__REQUEST_TIMEOUT": "50s",
        }
        async with fleet([url] * PODS, calls=60, **patient) as made:
            keys = [f"/v2/aggs/ticker/{ticker_name('H', number)}/prev" for number in range(100)]
            asked = [(pod, key) for key in keys for pod in range(PODS) for _ in range(10)]
            async with made.plan_is_kept(60):
                answers = await asyncio.gather(*(made.ask(pod, key) for pod, key in asked))
            calls = [await made.vendor.count(key) for key in keys]
            # Whoever waited for another pod's answer as long as it may asks itself: on a machine that stood still.
            late = sum([await made.late(pod) for pod in range(PODS)])
    assert Counter(answer.status for answer in answers) == {200: len(asked)}
    assert min(calls) == 1
    assert sum(calls) <= 100 + late
    bodies: dict[str, set[bytes]] = {}
    for answer in answers:
        bodies.setdefault(answer.path, set()).add(answer.body)
    assert {len(each) for each in bodies.values()} == {1}


async def test_a_pod_that_dies_or_stands_still_while_it_fetches_delays_nobody_beyond_its_lease(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with fleet([server.url] * PODS, calls=100, STOCKS_SHARED__TIMEOUT="1s") as made:
            for number, blow in ((1, signal.SIGSTOP), (0, signal.SIGKILL)):
                key = made.cold()
                await made.vendor.break_with(kind="hang", prefix=key, count=1)
                doomed = asyncio.create_task(made.ask(number, key))
                await called(made, key, 1)
                others = [asyncio.create_task(made.ask(pod, key)) for pod in range(PODS) if pod != number]
                await asyncio.sleep(0.3)
                begun = time.monotonic()
                made.pods[number].tell(blow)
                answers = await asyncio.gather(*others)
                waited = time.monotonic() - begun
                if blow is signal.SIGSTOP:
                    made.pods[number].tell(signal.SIGCONT)
                await doomed
                assert [answer.status for answer in answers] == [200, 200]
                assert waited < 1.5 + 0.1 + BUSY_FOR
                assert await made.vendor.count(key) <= 3


async def test_the_plan_is_kept_while_the_store_dies_and_comes_back(tmp_path: Path) -> None:
    """Every pod wants more than its share all the time; the vendor counts. Who finds no call in time is told so."""
    with redis_server(tmp_path) as server:
        async with fleet([server.url] * PODS, calls=60) as made, made.plan_is_kept(60):
            asked = [asyncio.create_task(made.ask(number % PODS, made.cold())) for number in range(150)]
            await asyncio.sleep(1.0)
            server.kill()
            await asyncio.sleep(2.0)
            server.start()
            answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} <= {200, 429}
    assert sum(answer.status == 200 for answer in answers) >= 60


async def called(made: Fleet, path: str, times: int) -> None:
    """Wait until the vendor has been asked so often."""
    begun = time.monotonic()
    while await made.vendor.count(path) < times:
        assert time.monotonic() - begun < 10.0
        await asyncio.sleep(0.01)
