"""How a value that never changes is made.

A record is a frozen dataclass to the type checker, which refuses every assignment to its fields, and a plain one when
it runs: freezing at run time makes it four times as dear to make, and a miss makes thirty of them. Where one is made
for each request its fields are given in order: by keyword it costs twice as much, since a dictionary is made first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Return `cls` as a record: compared and hashed by its fields, in slots."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
