"""Two gateways behind nginx, replaced one after the other under load: neither clients nor nginx may notice.

nginx goes on sending requests to the one that leaves until it is refused, as routers do. It tries the other one when
a connection is refused, which costs nothing; a connection that ends under a request would be in its error log.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.machine import LOAD_CORE, find_program, free_port, running
from bench.storm.gateway import GatewayProcess, pause
from bench.storm.herds import Outcome
from bench.storm.load import Load, make_load
from stock_service.simulator.server import Simulator

_PATH = "/v2/aggs/ticker/ROLLS/range/1/day/2024-01-02/2024-01-05"
_CLIENTS = 20
_NAME = "replaced behind nginx"


async def roll_out(simulator: Simulator, rounds: int) -> Outcome:
    """Replace each of two gateways `rounds` times in turn, under load."""
    if find_program("nginx") is None:
        return Outcome(_NAME, "left out: nginx is not installed")
    seen: Counter[int] = Counter()
    gateways = [await GatewayProcess.start(simulator.url) for _ in range(2)]
    try:
        with _nginx([each.port for each in gateways]) as front:
            async with _asking(f"http://127.0.0.1:{front.port}", seen):
                for number in range(rounds):
                    gateways[number % 2] = await _replace(gateways[number % 2], simulator)
            complaints = front.complaints()
    finally:
        for gateway in gateways:
            await gateway.stop()
    failed = sum(seen.values()) - seen[200]
    told = f"{rounds} rounds, {sum(seen.values())} requests, {failed} failed, {complaints} complaints of nginx"
    return Outcome(_NAME, told, "" if failed == 0 and not complaints else "rollout")


async def _replace(gateway: GatewayProcess, simulator: Simulator) -> GatewayProcess:
    """End a gateway the friendly way, and start another in its place."""
    await pause(1.5)  # both have served, and nginx has forgotten that one was refused
    port = gateway.port
    gateway.tell(signal.SIGTERM)
    code = await gateway.ended(30)
    if code != 0:
        raise RuntimeError(f"a gateway that was told to leave ended with {code}")
    return await GatewayProcess.start(simulator.url, STOCKS_SERVER__PORT=str(port))


@asynccontextmanager
async def _asking(url: str, seen: Counter[int]) -> AsyncIterator[None]:
    """Ask from several clients while the block runs; the last answers are waited for."""
    over = asyncio.Event()

    async def ask(load: Load) -> None:
        while not over.is_set():
            seen[(await load.ask(_PATH)).status] += 1

    async with make_load(url, 1) as load:
        clients = [asyncio.create_task(ask(load)) for _ in range(_CLIENTS)]
        try:
            yield
        finally:
            over.set()
            await asyncio.gather(*clients)


@dataclass(frozen=True, slots=True)
class _Front:
    """A running nginx."""

    port: int
    log: Path

    def complaints(self) -> int:
        """Return how often a connection ended under a request."""
        lines = self.log.read_text().splitlines()
        return sum("[error]" in line and "Connection refused" not in line for line in lines)


@contextmanager
def _nginx(gateways: list[int]) -> Iterator[_Front]:
    with TemporaryDirectory() as place:
        root, port = Path(place), free_port()
        (root / "nginx.conf").write_text(_configuration(root, port, gateways))
        command = [str(find_program("nginx")), "-p", place, "-c", f"{place}/nginx.conf", "-e", f"{place}/error.log"]
        with running(*command, core=LOAD_CORE, port=port, log=root / "log"):
            yield _Front(port, root / "error.log")


def _configuration(root: Path, port: int, gateways: list[int]) -> str:
    servers = " ".join(f"server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;" for each in gateways)
    paths = " ".join(
        f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
        daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
        events {{ worker_connections 1024; }}
        http {{ access_log off; {paths} upstream gateways {{ {servers} keepalive 32; }}
          server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://gateways; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_next_upstream error timeout; }} }} }}"""
