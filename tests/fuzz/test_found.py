"""Inputs that once showed something; each is tried for ever."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS
from tests.support.wire import KEY, REVOKED_KEY

FOUND = {
    "a key glued to the name of a doubled parameter was read back": (
        "credentials",
        f"\x10Bearer {KEY}\nx{REVOKED_KEY}=1&x{REVOKED_KEY}=2",
    ),
    "a key glued to the name of a badly encoded parameter was read back": (
        "credentials",
        f"\x10Bearer {KEY}\nx{REVOKED_KEY}=%f",
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once_stays_mended(what: str) -> None:
    name, data = FOUND[what]
    TARGETS[name][0]().check(data.encode("latin-1"))
