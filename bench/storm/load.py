"""The steady load of a storm: many known questions, a few that nobody asked before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp

from bench.storm.gateway import pause
from bench.storm.invariants import Answer, Tally
from stock_service.base.clock import SystemClock

KNOWN_PER_SECOND = 200
NEW_PER_SECOND = 20
ANSWERS_WITHIN = 15.0
_LAG_EVERY = 0.05
_clock = SystemClock()


def ticker_name(prefix: str, number: int) -> str:
    """Return a ticker the simulator lists: five letters, the first of them `prefix`."""
    letters = ""
    for _ in range(4):
        number, rest = divmod(number, 26)
        letters = chr(ord("A") + rest) + letters
    return prefix + letters


def known_paths(tickers: int) -> list[str]:
    """Return questions of every temper: settled history, the day before, the last trade, reference data."""
    names = [ticker_name("K", number) for number in range(tickers)]
    return [
        path
        for name in names
        for path in (
            f"/v2/aggs/ticker/{name}/range/1/day/2024-01-02/2024-01-31",
            f"/v2/aggs/ticker/{name}/prev",
            f"/v2/last/trade/{name}",
            f"/v3/reference/tickers/{name}",
        )
    ]


@dataclass(slots=True)
class Load:
    """Clients of `url`. `truth` holds what the vendor said to each known question."""

    url: str
    seed: int
    session: aiohttp.ClientSession
    truth: dict[str, bytes] = field(default_factory=dict)
    _new: Iterator[int] = field(default_factory=count)
    _lag: float = 0.0  # the worst of this run, of our own event loop

    async def ask(self, path: str) -> Answer:
        """Ask one question."""
        began = _clock.monotonic()
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), self.session.get(self.url + path) as response:
                body = await response.read()
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, body, headers, _clock.monotonic() - began)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(0, seconds=_clock.monotonic() - began, problem=type(error).__name__)

    async def learn(self, paths: list[str]) -> None:
        """Ask every known question once, before anything goes wrong, and remember the answers."""
        for path in paths:
            answer = await self.ask(path)
            if answer.status != 200:
                raise RuntimeError(f"the storm cannot begin: {path} -> {answer.status} {answer.body[:200]!r}")
            self.truth[path] = answer.body

    def fresh_paths(self) -> list[str]:
        """Return one question of every kind that nobody asked before."""
        name = ticker_name("F", next(self._new))
        return [
            f"/v2/aggs/ticker/{name}/range/1/day/2024-01-02/2024-01-05",
            f"/v2/aggs/ticker/{name}/prev",
            f"/v2/last/trade/{name}",
            f"/v3/reference/tickers/{name}",
        ]

    async def run(self, seconds: float, tally: Tally, new_tally: Tally) -> None:
        """Keep the load up for so long, and wait for every answer."""
        dice = random.Random(self.seed)
        paths = list(self.truth)
        rate = KNOWN_PER_SECOND + NEW_PER_SECOND
        until, due = _clock.monotonic() + seconds, _clock.monotonic()
        watching = asyncio.create_task(self._watch_lag())
        async with asyncio.TaskGroup() as askers:
            while due < until:
                if dice.random() < NEW_PER_SECOND / rate:
                    askers.create_task(self._ask_new(new_tally))
                else:
                    askers.create_task(self._ask_known(dice.choice(paths), tally))
                due += 1 / rate
                await pause(due - _clock.monotonic())
        watching.cancel()

    async def _watch_lag(self) -> None:
        self._lag = 0.0
        while True:
            due = _clock.monotonic() + _LAG_EVERY
            await pause(_LAG_EVERY)
            self._lag = max(self._lag, _clock.monotonic() - due)

    async def _ask_known(self, path: str, tally: Tally) -> None:
        tally.judge_known(path, await self.ask(path), self.truth[path])

    async def _ask_new(self, tally: Tally) -> None:
        ticker = ticker_name("N", next(self._new))
        path = f"/v2/aggs/ticker/{ticker}/range/1/day/2024-01-02/2024-01-05"
        answer = await self.ask(path)
        tally.judge_new(path, answer, ticker, held_up=2 * self._lag)  # here, and in the gateway on the same machine


@asynccontextmanager
async def make_load(url: str, seed: int, connections: int = 0) -> AsyncIterator[Load]:
    """Clients of the gateway at `url`."""
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=4)  # gone before anyone counts files
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=False) as session:
        yield Load(url, seed, session)
