"""The disk is slow, full, corrupt or gone, and processes die while they write: everything is a miss, nobody waits."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stock_service.base.events import SharedAsked, SharedDamaged, SharedMoved
from stock_service.cache.disk_file import FILE_NAME, DiskFile, remove_file
from tests.support.shared_pod import DiskPod, running, until

WRITER = """
import sys
from pathlib import Path
from stock_service.cache.disk_file import DiskFile
file = DiskFile(Path(sys.argv[1]), 64 << 20)
number = 0
print("writing", flush=True)
while True:
    number += 1
    file.put(f"k{number % 50}", "", number, 0, 1 << 50, bytes([number % 251]) * 20_000)
"""


def made_ill(folder: Path, at: int, data: bytes) -> None:
    """Overwrite part of the file, as a bad disk would."""
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek(at)
        file.write(data)


async def test_a_restart_is_warm(tmp_path: Path) -> None:
    async with running(DiskPod(tmp_path)) as before:
        for n in range(20):
            before.put(f"k{n}", b"x" * 3_000 + str(n).encode(), age=2.0)
    async with running(DiskPod(tmp_path)) as after:
        bodies = await asyncio.gather(*(after.body(f"k{n}") for n in range(20)))
        found = await after.cache.find("k0")
    assert bodies == [b"x" * 3_000 + str(n).encode() for n in range(20)]
    assert found is not None
    assert after.clock.monotonic() - found.fetched_at >= 2.0


@pytest.mark.parametrize("ill", ["not a database", "torn pages"])
async def test_a_corrupt_file_is_replaced(tmp_path: Path, ill: str) -> None:
    async with running(DiskPod(tmp_path)) as before:
        for n in range(200):
            before.put(f"k{n}", b"x" * 900)
    if ill == "not a database":
        made_ill(tmp_path, 0, b"garbage garbage ")
    else:
        made_ill(tmp_path, 4096, b"\xff" * ((tmp_path / FILE_NAME).stat().st_size - 8192))
    async with running(DiskPod(tmp_path)) as after:
        assert await after.body("k1") is None
        await until(lambda: after.events.events.count(SharedDamaged("file")) >= 1)
        after.put("k1", b"good")
        await after.written()
        after.put("k2", b"good")
        await after.written()
        assert await after.body("k2") == b"good"


async def test_a_file_that_holds_what_was_never_put_there_is_a_miss_and_the_tier_goes_on(tmp_path: Path) -> None:
    async with running(DiskPod(tmp_path)) as one:
        one.put("k", b"body")
        await one.written()
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as raw:
            raw.execute("UPDATE answers SET value = 'text', fetched_ms = -9e999")
        one.put("k", b"newer")
        await one.written()
        assert await one.body("k") is None
        one.put("other", b"body")
        await one.written()
        assert await one.body("other") == b"body"


async def test_the_file_stays_within_its_bytes_and_what_ends_first_goes_first(tmp_path: Path) -> None:
    bound = 2 * 1024 * 1024
    async with running(DiskPod(tmp_path, max_bytes=bound)) as one:
        for n in range(120):
            one.put(f"k{n}", bytes((n * 7 + i * i) % 251 for i in range(997)) * 40)
            await one.written()
        kept = [n for n in range(120) if await one.body(f"k{n}")]
    assert (tmp_path / FILE_NAME).stat().st_size <= bound
    assert kept
    assert kept == list(range(120 - len(kept), 120))


def test_a_process_killed_while_it_writes_leaves_whole_values(tmp_path: Path) -> None:
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            rows = raw.execute("SELECT fetched_ms, value FROM answers").fetchall()
        assert rows
        assert all(value == bytes([number % 251]) * 20_000 for number, value in rows)


async def test_a_disk_that_hangs_costs_the_first_reads_their_deadline_and_the_loop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    plain: Callable[[DiskFile, str, int], bytes | None] = DiskFile.get
    async with running(DiskPod(tmp_path, answer_for=0.05)) as one:
        one.put("k", b"body")
        await one.written()
        assert await one.body("k") == b"body"

        def hang(file: DiskFile, name: str, now_ms: int) -> bytes | None:
            go_on.wait(20.0)
            return plain(file, name, now_ms)

        monkeypatch.setattr(DiskFile, "get", hang)
        begun = time.perf_counter()
        assert await one.body("k") is None
        assert time.perf_counter() - begun < 2.0  # of the twenty it hangs
        begun = time.perf_counter()
        for _ in range(1_000):
            assert await one.body("k") is None
        assert time.perf_counter() - begun < 5.0  # nobody waits any more: a thousand times 50 ms
        assert SharedMoved("away", "timeout") in one.events.events
        assert one.events.events.count(SharedAsked("get", "skipped")) == 1_000
        go_on.set()
        await until(lambda: one.shelf.up)
        await until(lambda: one.disk._reader.waiting == 0)
        assert await one.body("k") == b"body"


async def test_a_folder_that_vanishes_is_a_miss(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    async with running(DiskPod(folder)) as one:
        one.put("k", b"body")
        await one.written()
        shutil.rmtree(folder)
        for n in range(20):
            one.put(f"n{n}", b"x" * 5_000)
            await one.written()
            assert await one.body("missing") is None
    async with running(DiskPod(folder), up=False) as late:
        assert await late.body("k") is None


async def test_a_file_removed_under_a_running_service_is_made_anew(tmp_path: Path) -> None:
    """What is written to a removed file looks kept, and neither a restart nor another process ever sees it."""
    async with running(DiskPod(tmp_path)) as one, running(DiskPod(tmp_path)) as other:
        one.put("k", b"before")
        await one.written()
        assert await other.body("k") == b"before"
        remove_file(tmp_path)
        one.put("k", b"after")
        await one.written()
        assert await one.body("k") == b"after"
        assert await other.body("k") == b"after"
        assert await one.shelf.swap_purges(b"", b"list") is True
        assert await other.shelf.purges() == b"list"
        async with running(DiskPod(tmp_path)) as late:
            assert await late.body("k") == b"after"
            assert await late.shelf.purges() == b"list"
