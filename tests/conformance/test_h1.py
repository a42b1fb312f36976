"""HTTP/1.1 checks against a real server process of ours, over real sockets; and against stock uvicorn for scale."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.checks import H1SPEC, LARGE, NEXT, OURS, REFUSED, STOCK_FAILS, Check
from tests.conformance.processes import serving
from tests.support.wire import Answer, parse_answers

_ANSWER_FOR = 5.0
_STOCK_ANSWER_FOR = 0.3  # stock uvicorn keeps open what it should end; waiting longer shows nothing more


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


def heard_after(port: int, check: Check, patience: float, *, bytewise: bool = False) -> tuple[list[Answer], bool]:
    """Return the answers to a check's bytes, and whether the server ended the connection.

    One that should be open is asked once more: its answer shows that nothing else was under way.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for piece in [check.raw[at : at + 1] for at in range(len(check.raw))] if bytewise else [check.raw]:
                client.sendall(piece)
            if check.ends is not True:
                client.sendall(NEXT)
        return _read(client, check)


def _read(client: socket.socket, check: Check) -> tuple[list[Answer], bool]:
    heard, ended = b"", False
    wanted = len(check.statuses) + (check.ends is not True)
    while not ended and (check.ends is True or len(_whole(heard, check)) < wanted):
        try:
            piece = client.recv(65_536)
        except TimeoutError:
            break
        except ConnectionError:
            piece = b""
        heard, ended = heard + piece, not piece
    return _whole(heard, check), ended


def _whole(heard: bytes, check: Check) -> list[Answer]:
    """Return the answers in `heard`, none as long as the last is not whole."""
    try:
        return parse_answers(heard, (*check.methods, "GET"))
    except AssertionError:
        return []


def passes(check: Check, answers: list[Answer], ended: bool) -> bool:
    """Return whether this is what the check demands."""
    expected = [*check.statuses, *([200] if check.ends is not True else [])]
    statuses = [answer.status for answer in answers]
    fits = [
        given >= 400 if wanted == REFUSED else given == wanted
        for given, wanted in zip(statuses, expected, strict=False)
    ]
    absent = not check.absent or all(check.absent not in answer.body for answer in answers)
    return len(statuses) == len(expected) and all(fits) and ended is (check.ends is True) and absent


def test_the_table_has_the_checks_of_h1spec() -> None:
    """Thirty-three, each under a name of its own, and the seven among them."""
    names = [check.name for check in (*H1SPEC, *OURS)]
    assert len(H1SPEC) == 33
    assert len(set(names)) == len(names)
    assert len(STOCK_FAILS) == 7
    assert set(names) > STOCK_FAILS


@pytest.mark.parametrize("check", [*H1SPEC, *OURS], ids=lambda check: check.name)
def test_our_server_does_as_the_rfc_says(port: int, check: Check) -> None:
    """Whole, and byte by byte where the bytes are few: the verdict must not depend on how they arrive."""
    for bytewise in (False, True) if len(check.raw) < 1_000 else (False,):
        answers, ended = heard_after(port, check, _ANSWER_FOR, bytewise=bytewise)
        assert passes(check, answers, ended), (bytewise, ended, answers)


def test_stock_uvicorn_fails_the_seven() -> None:
    """The checks can fail; what we added is what was missing. Of what is large h1spec demands only that we survive."""
    with serving("stock") as number:
        failed = {
            check.name
            for check in H1SPEC
            if check not in LARGE and not passes(check, *heard_after(number, check, _STOCK_ANSWER_FOR))
        }
    assert failed == STOCK_FAILS
