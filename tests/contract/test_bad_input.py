"""The table of bad input in docs/errors.md, sent row by row to a running gateway."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.running import Pair, running_pair

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


def read_cases() -> list[Case]:
    table = PAGE.read_text().partition("## Bad input, case by case")[2]
    return [case_of(match) for match in ROW.finditer(table)]


def case_of(row: re.Match[str]) -> Case:
    line = row["line"].replace("…", "a" * 8_200)
    line = line if "HTTP/" in line else f"{line} HTTP/1.1"
    fields = ["Host: gw.example", "Connection: close", *([row["field"]] if row["field"] else [])]
    body = "x" * 70_000 if "Content-Length" in (row["field"] or "") else ""
    return Case(row["case"], "\r\n".join([line, *fields, "", body]).encode(), int(row["status"]), row["says"])


CASES = read_cases()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        yield running


def test_the_table_is_read_whole() -> None:
    rows = [line for line in PAGE.read_text().partition("case by case")[2].splitlines() if line.startswith("| ")]
    assert len(CASES) == len(rows) - 1
    assert len(CASES) > 25


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_gets_its_status_and_is_told_why(pair: Pair, case: Case) -> None:
    port = int(pair.gateway.url.rsplit(":", 1)[1])
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(case.message)
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split(b" ", 2)[1]) == case.status
    assert case.says.encode() in body
    assert b"request_id" in body
    assert pair.simulator.calls.total == 0
