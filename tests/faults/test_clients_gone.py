"""Clients that reset their connections while they are answered: nothing is said, nothing left, no one else notices."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from pathlib import Path

from tests.support.serving import Client, until
from tests.support.wire import get

GONE = 10_000
ASKED = (1, 1, 40)  # hits of one client in turn; with forty, some are written after it is gone
RESET = struct.pack("ii", 1, 0)  # lingering for no time: closing resets


def ask_and_reset(port: int, clients: int) -> None:
    for number in range(clients):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(get() * ASKED[number % len(ASKED)])
            if number % 2:
                client.recv(1)  # the answers are on their way; otherwise they may not have begun


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_thousands_of_clients_that_reset_amid_their_hits_leave_nothing_behind() -> None:
    """A process of its own, on uvloop; a well-behaved neighbour gets every answer meanwhile."""
    command = [sys.executable, "-m", "tests.support.serving", "0", "0", "5"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    neighbour = await Client.open(port)
    _, _, body = await neighbour.ask(get())
    before = open_files(process.pid)

    going = asyncio.create_task(asyncio.to_thread(ask_and_reset, port, GONE))
    answers = 0
    while not going.done():
        assert (await neighbour.ask(get()))[::2] == (200, body)
        answers += 1
    await going
    assert answers > 100
    await until(lambda: open_files(process.pid) == before)
    await neighbour.close()
    process.terminate()
    said, complained = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, said.split(), complained) == (0, [b"aborted", b"0"], b"")
