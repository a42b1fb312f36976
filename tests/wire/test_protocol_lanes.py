"""Both lanes give the same answer to the same bytes: the fast lane is the same service, sooner."""

from __future__ import annotations

import pytest

from tests.support.corpus import SAMPLES, Sample
from tests.support.told import Told, primed, raw_of, told_on, warmed
from tests.support.wire import Wire

_BATCHES = 24


async def _ask(wire: Wire, sample: Sample, *, prime: bool) -> Told:
    connection = await primed(wire) if prime else wire.connect()
    since = len(connection.output)
    await connection.send(raw_of(sample, wire))
    return told_on(connection, sample.methods, since=since)


def test_the_corpus_is_large_enough() -> None:
    """Five hundred is the floor the contract was given."""
    assert len(SAMPLES) >= 500
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


@pytest.mark.parametrize("batch", range(_BATCHES))
async def test_both_lanes_answer_every_sample_alike(batch: int) -> None:
    """On a fresh connection, and on one whose header block is remembered."""
    fast, slow = await warmed(), await warmed(taught=False)
    for sample in SAMPLES[batch::_BATCHES]:
        for prime in (False, True):
            told = await _ask(fast, sample, prime=prime)
            assert told == await _ask(slow, sample, prime=prime), (sample.name, prime)
    assert fast.hits > 0
    assert slow.hits == 0
