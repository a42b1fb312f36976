"""Where the network cuts a message never changes its answer."""

from __future__ import annotations

import itertools
import os
import random

import pytest

from tests.support.corpus import SAMPLES, Sample
from tests.support.told import Told, primed, raw_of, told_on, warmed
from tests.support.wire import Wire

_BATCHES = 16
_LONG = 2_000  # bytes; longer samples are cut at random places only
# One sample in so many is cut at every offset; all are cut at random and byte by byte. 1 takes a minute.
_SHARE = int(os.environ.get("WIRE_SPLIT_SHARE", "8"))


async def _ask(wire: Wire, sample: Sample, cuts: list[int]) -> Told:
    """Send the sample cut at `cuts` on a connection whose plain header block is remembered."""
    connection = await primed(wire)
    since = len(connection.output)
    raw = raw_of(sample, wire)
    edges = [0, *cuts, len(raw)]
    await connection.send(*(raw[start:end] for start, end in itertools.pairwise(edges)))
    told = told_on(connection, sample.methods, since=since)
    connection.transport.abort()  # or they would soon be more than a server takes
    return told


@pytest.mark.parametrize("batch", range(_BATCHES))
async def test_every_offset_of_a_sample_may_be_a_cut(batch: int) -> None:
    """Inside line ends, names, values, targets, chunk sizes and bodies."""
    wire = await warmed()
    for sample in SAMPLES[::_SHARE][batch::_BATCHES]:
        if len(sample.raw) > _LONG:
            continue
        await _ask(wire, sample, [])  # what can be kept is kept now
        whole = await _ask(wire, sample, [])
        for offset in range(1, len(sample.raw)):
            assert await _ask(wire, sample, [offset]) == whole, (sample.name, offset)


@pytest.mark.parametrize("batch", range(_BATCHES))
async def test_samples_arrive_byte_by_byte_and_in_random_pieces(batch: int) -> None:
    """Seeded, so that a failure can be repeated."""
    wire = await warmed()
    dice = random.Random(batch)
    for sample in SAMPLES[batch::_BATCHES]:
        await _ask(wire, sample, [])  # what can be kept is kept now
        whole = await _ask(wire, sample, [])
        if len(sample.raw) <= _LONG:
            assert await _ask(wire, sample, list(range(1, len(sample.raw)))) == whole, sample.name
        for _ in range(4):
            cuts = sorted(dice.sample(range(1, len(sample.raw)), min(dice.randint(1, 6), len(sample.raw) - 1)))
            assert await _ask(wire, sample, cuts) == whole, (sample.name, cuts)
