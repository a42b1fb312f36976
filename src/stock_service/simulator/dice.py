"""Numbers that look random and depend on their name only.

Must never keep state: the same name gives the same number in every process and on every machine.
"""

from __future__ import annotations

import hashlib


def roll(*name: object) -> int:
    """A 64-bit number for a name of several parts."""
    text = "\x1f".join(map(str, name)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def share(*name: object) -> float:
    """A number in [0, 1) for a name of several parts."""
    return roll(*name) / 2**64
