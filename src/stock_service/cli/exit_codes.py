"""What the exit code of a command says; the same for all commands, listed in docs/configuration.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a command ended."""

    DONE = 0
    FAILED = 1  # it ran, and the answer is not good: unknown symbol, refused request
    FAULTY = 2  # the call or the configuration is wrong; nothing was started
    UNREACHABLE = 3  # no service answers at the address
