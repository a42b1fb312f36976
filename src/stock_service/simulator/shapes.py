"""The shape of a session: when it trades, which way the price goes, how volume spreads.

A shape is made once from a seed and then laid over any day by arithmetic. It has three legs: from the open to one
extreme, to the other extreme, to the close. Inside a leg every price is a fraction of the leg's span, in steps of
2**-16, so that mapping a leg onto real prices by integer arithmetic keeps order, touches both ends exactly and never
leaves them. That is why finer bars always add up to coarser ones. Must never know prices, dates or tickers.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

ONE = 1 << 16
"""A whole leg, in the units of fractions."""

SHAPES_PER_KIND = 16
"""How many different shapes a session of one kind can have."""

SECOND_SHAPES = 32
"""How many different ways a minute of one size can go."""

SECOND_SIZES = (3, 6, 15, 40)
"""How many seconds of a minute trade, from a quiet minute to a busy one."""


class Density(StrEnum):
    """How many minutes of a session have a trade."""

    DENSE = "dense"
    NORMAL = "normal"
    SPARSE = "sparse"
    THIN = "thin"


# Share of minutes with a trade, in 1/256: regular hours, extended hours.
_PRESENT = {Density.DENSE: (256, 150), Density.NORMAL: (244, 60), Density.SPARSE: (110, 10), Density.THIN: (14, 1)}


class Slot(NamedTuple):
    """One minute (or second) of a leg; a tuple because bars are made by unpacking it.

    Prices are fractions of the leg, `mean` the volume-weighted one. `weight` is the running total up to and with this
    slot. `least` is how many trades it needs, so that each of its seconds has one. `seconds` names their shape.
    """

    at: int
    open: int
    high: int
    low: int
    close: int
    mean: int
    weight: int
    least: int
    seconds: int


class LegMeans(NamedTuple):
    """What one leg adds to a volume-weighted price; means are fractions of the leg between 0 and 1."""

    weight: int
    mean_by_weight: float
    least: int
    mean_by_least: float


@dataclass(frozen=True, slots=True)
class Shape:
    """Three legs of slots, in time order. `least` is the sum of the slots' least counts.

    `means` has each leg's total weight and least, with the mean fraction weighted by either: with them the
    volume-weighted price of the whole follows without visiting the slots.
    """

    legs: tuple[tuple[Slot, ...], ...]
    count: int
    weight: int
    least: int
    means: tuple[LegMeans, ...]


@lru_cache(maxsize=512)
def day_shape(seed: int, minutes: tuple[int, int, int, int], density: Density, number: int) -> Shape:
    """The shape of a session with `minutes` = start, end, regular start, regular end (minutes of the day)."""
    start, end, regular_start, regular_end = minutes
    dice = _dice(f"day:{seed}:{minutes}:{density}:{number}", 4 * (end - start) + 16)
    regular, extended = _PRESENT[density]
    present: list[tuple[int, int, int]] = []
    for minute in range(start, end):
        within = regular_start <= minute < regular_end
        if next(dice) & 0xFF < (regular if within else extended):
            edge = min(minute - regular_start, regular_end - 1 - minute) if within else 0
            weight = (120 + 900 // (1 + edge // 4) if within else 12) * (64 + (next(dice) & 0xFF)) // 64
            busy = (3 if density is Density.DENSE else 2) if within else 1
            size = busy if next(dice) & 3 else busy - 1
            present.append((minute, weight, size if density is not Density.SPARSE else min(size, 1)))
    return _shape(present, dice, seed)


@lru_cache(maxsize=256)
def second_shape(seed: int, size: int, number: int) -> Shape:
    """How a minute of that size goes; `size` indexes `SECOND_SIZES`."""
    dice = _dice(f"second:{seed}:{size}:{number}", 400)
    chosen: set[int] = set()
    while len(chosen) < SECOND_SIZES[size]:
        chosen.add(next(dice) % 60)
    return _shape([(second, 10 + (next(dice) & 0x3F), 0) for second in sorted(chosen)], dice, None)


def second_shape_of(seed: int, slot: Slot) -> tuple[Shape, bool]:
    """The shape of the seconds within a minute's slot, and whether its high comes first."""
    size, number = divmod(slot.seconds, SECOND_SHAPES)
    return second_shape(seed, size, number), bool(number & 1)


def _shape(present: Sequence[tuple[int, int, int]], dice: Iterator[int], seed: int | None) -> Shape:
    """Lay a walk over the trading slots. With a seed the slots are minutes and get the shape of their seconds."""
    count = len(present)
    first = 1 + next(dice) % max(1, count // 2)
    second = first + 1 + next(dice) % max(1, count - first - 1)
    legs: list[tuple[Slot, ...]] = []
    means: list[LegMeans] = []
    before = least = 0
    for begin, end in ((0, first), (first, second), (second, count)):
        slots: list[Slot] = []
        began, began_least, by_weight, by_least = before, least, 0, 0
        points = _walk(end - begin, dice)
        for index, (at, weight, size) in enumerate(present[begin:end]):
            before += weight
            slot = _slot(at, points[index], points[index + 1], before, size, dice, seed)
            least += slot.least
            slots.append(slot)
            by_weight += weight * slot.mean
            by_least += slot.least * slot.mean
        legs.append(tuple(slots))
        shares, leasts = before - began, least - began_least
        means.append(LegMeans(shares, by_weight / (shares * ONE), leasts, by_least / (leasts * ONE)))
    return Shape(tuple(legs), count, before, least, tuple(means))


def _slot(at: int, opened: int, closed: int, weight: int, size: int, dice: Iterator[int], seed: int | None) -> Slot:
    reach = 1 + abs(closed - opened) // 2 + ONE // 400
    high = min(ONE, max(opened, closed) + next(dice) % reach)
    low = max(0, min(opened, closed) - next(dice) % reach)
    if seed is None:
        mean = (opened + high + low + closed) // 4
        return Slot(at, opened, high, low, closed, mean, weight, 1, 0)
    seconds = size * SECOND_SHAPES + next(dice) % SECOND_SHAPES
    inner, high_first = second_shape(seed, size, seconds % SECOND_SHAPES), bool(seconds & 1)
    mean = round(mean_price(inner, turns(opened, high, low, closed, high_first)))
    return Slot(at, opened, high, low, closed, mean, weight, inner.count, seconds)


def turns(opened: int, high: int, low: int, closed: int, high_first: bool) -> tuple[tuple[int, int], ...]:
    """Start and span of the three legs of a bar."""
    one, two = (high, low) if high_first else (low, high)
    return ((opened, one - opened), (one, two - one), (two, closed - two))


def mean_price(shape: Shape, legs: tuple[tuple[int, int], ...], volume: int | None = None) -> float:
    """The volume-weighted price of a bar with these legs, without visiting its slots.

    With a `volume` the least that each slot takes of it counts too; without one only the weights do.
    """
    spread = 0.0 if volume is None or volume < shape.least else 1.0
    rest = shape.weight if volume is None or not volume else volume - spread * shape.least
    total = 0.0
    for (start, span), leg in zip(legs, shape.means, strict=True):
        total += spread * leg.least * (start + span * leg.mean_by_least)
        total += rest / shape.weight * leg.weight * (start + span * leg.mean_by_weight)
    return total / (spread * shape.least + rest)


def _walk(steps: int, dice: Iterator[int]) -> list[int]:
    """A wandering way from 0 to `ONE` in so many steps, never outside."""
    noise = [0]
    for _ in range(steps):
        noise.append(noise[-1] + (next(dice) & 0xFFFF) - 0x8000)
    scale = 1.2 / max(1.0, steps**0.5)
    points = [
        min(ONE, max(0, round(ONE * index / steps + scale * (noise[index] - noise[-1] * index / steps))))
        for index in range(steps + 1)
    ]
    points[0], points[-1] = 0, ONE
    return points


def _dice(name: str, count: int) -> Iterator[int]:
    """An endless stream of 32-bit numbers that depends on the name only."""
    block = 0
    while True:
        raw = hashlib.shake_128(f"{name}:{block}".encode()).digest(4 * count)
        yield from struct.unpack(f"<{count}I", raw)
        block += 1
