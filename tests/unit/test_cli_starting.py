"""What ends a server is told for what it is."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from stock_service.base.listening import beginning_to_listen
from stock_service.cli.starting import run_or_exit


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


async def taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.socket() as second, beginning_to_listen():
        second.bind(first.getsockname())


async def ends_with(error: Exception) -> None:
    raise error


def test_an_address_one_cannot_have_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_or_exit(taken_port(), "127.0.0.1:1")
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "cannot listen on 127.0.0.1:1: Address already in use; choose another port or address\n"
    )


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EADDRINUSE])
def test_an_error_of_the_system_while_serving_is_not_taken_for_a_wrong_address(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even one that a socket may raise: whoever serves has an address."""
    with pytest.raises(OSError, match=os.strerror(number)):
        run_or_exit(ends_with(system_error(number)), "127.0.0.1:1")
    assert capsys.readouterr().err == ""
