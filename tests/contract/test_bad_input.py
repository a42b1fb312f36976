"""The tables of bad input in docs/errors.md, sent row by row to a running gateway."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stock_service.access.key_store import KeyStore
from stock_service.access.keys import KeyRecord, hash_key, make_key
from tests.support.running import VENDOR_KEY, Pair, running_pair

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
ROW = re.compile(
    r"\| (?P<case>[^|]+) \| `(?P<line>[^`]+)`(?: with `(?P<field>[^`]+)`)? \| (?P<status>\d+) \| `(?P<says>[^`]+)` \|"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what is sent, and what comes back."""

    name: str
    message: bytes
    status: int
    says: str

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def read_cases() -> tuple[list[Case], list[Case]]:
    """Return the rows for everybody, and those for a service with a keys file."""
    tables = PAGE.read_text("utf-8").partition("## Bad input, case by case")[2].partition("With a keys file.")
    open_to_all, _, with_keys = ([case_of(match) for match in ROW.finditer(table)] for table in tables)
    return open_to_all, with_keys


def case_of(row: re.Match[str]) -> Case:
    line = row["line"].replace("…", "a" * 8_200)
    line = line if "HTTP/" in line else f"{line} HTTP/1.1"
    fields = ["Host: gw.example", "Connection: close", *([row["field"]] if row["field"] else [])]
    body = "x" * 70_000 if "Content-Length" in (row["field"] or "") else ""
    return Case(row["case"], "\r\n".join([line, *fields, "", body]).encode(), int(row["status"]), row["says"])


CASES, KEY_CASES = read_cases()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        yield running


@dataclass(frozen=True, slots=True)
class Keyed:
    """A service with a keys file, and the keys the page names by a word."""

    pair: Pair
    words: dict[bytes, bytes]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    path = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    words = {b"VENDOR": VENDOR_KEY.encode()}
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    ended: dict[bytes, dict[str, Any]] = {b"EXPIRED": {"expires": long_ago}, b"REVOKED": {"revoked": long_ago}}
    for word, fields in ended.items():
        key_id, key = make_key()
        KeyStore(path).add(KeyRecord(id=key_id, name="team", sha256=hash_key(key), created=long_ago, **fields))
        words[word] = key.encode()
    with running_pair(flags={"access.keys_file": str(path)}) as running:
        yield Keyed(running, words)


def ask(pair: Pair, message: bytes) -> tuple[int, bytes]:
    """Send bytes; return status and body of the one answer."""
    port = int(pair.gateway.url.rsplit(":", 1)[1])
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(message)
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def test_the_tables_are_read_whole() -> None:
    rows = [line for line in PAGE.read_text("utf-8").partition("case by case")[2].splitlines() if line[:2] == "| "]
    assert len(CASES) + len(KEY_CASES) == len(rows) - 2
    assert len(CASES) > 25
    assert len(KEY_CASES) > 5


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_gets_its_status_and_is_told_why(pair: Pair, case: Case) -> None:
    status, body = ask(pair, case.message)
    assert status == case.status
    assert case.says.encode() in body
    assert b"request_id" in body
    assert pair.simulator.calls.total == 0


@pytest.mark.parametrize("case", KEY_CASES, ids=str)
def test_a_bad_key_gets_its_status_and_is_never_repeated(keyed: Keyed, case: Case) -> None:
    message = case.message
    for word, key in keyed.words.items():
        message = message.replace(word, key)
    status, body = ask(keyed.pair, message)
    assert status == case.status
    assert case.says.encode() in body
    assert not any(key in body for key in keyed.words.values())
    assert keyed.pair.simulator.calls.total == 0


def test_a_small_body_on_get_changes_nothing() -> None:
    line = b"GET /v2/reference/news HTTP/1.1\r\nHost: gw.example\r\nConnection: close\r\n"
    with running_pair() as pair:
        plain = ask(pair, line + b"\r\n")
        assert plain[0] == 200
        assert ask(pair, line + b"Content-Length: 65000\r\n\r\n" + b"x" * 65_000) == plain
