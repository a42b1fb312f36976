"""Bodies: whole or not at all, however they arrive, and never more than the limits."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.upstream.body import BodyCollector, BodyLimits
from stock_service.upstream.outcome import ExchangeFailed, Fault

STEP = 256 * 1024


def collect(coding: str, *chunks: bytes, limits: BodyLimits | None = None) -> bytes:
    collector = BodyCollector(coding, limits or BodyLimits())
    for chunk in chunks:
        collector.feed(chunk)
    return collector.finish()


def fault_of(coding: str, *chunks: bytes, limits: BodyLimits | None = None) -> Fault:
    with pytest.raises(ExchangeFailed) as caught:
        collect(coding, *chunks, limits=limits)
    return caught.value.fault


@given(
    body=st.binary(max_size=3_000), size=st.integers(1, 700), coding=st.sampled_from(["", "identity", "gzip", "X-GZIP"])
)
def test_a_body_is_the_same_however_it_is_cut(body: bytes, size: int, coding: str) -> None:
    sent = gzip.compress(body) if "gzip" in coding.lower() else body
    assert collect(coding, *[sent[i : i + size] for i in range(0, len(sent), size)]) == body


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 2 * STEP, 3 * STEP + 7])
def test_output_that_waits_inside_the_decoder_is_not_forgotten(size: int) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert collect("gzip", gzip.compress(body, 1), limits=BodyLimits(max_ratio=2_000)) == body


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize(("over", "fits"), [(0, True), (1, False)])
def test_the_limit_itself_still_fits(coding: str, over: int, fits: bool) -> None:
    limits = BodyLimits(max_bytes=1_000)
    body = bytes(1_000 + over)
    sent = gzip.compress(body) if coding else body
    if fits:
        assert collect(coding, sent, limits=limits) == body
    else:
        assert fault_of(coding, sent, limits=limits) is Fault.TOO_LARGE


def test_a_coding_that_stops_early_is_a_lost_body() -> None:
    sent = gzip.compress(b"x" * 1_000)
    assert fault_of("gzip", sent[:-1]) is Fault.LOST_LATE


@pytest.mark.parametrize("rest", [b"rubbish", gzip.compress(b"more", mtime=0), b"\0"])
def test_anything_behind_the_coding_is_refused(rest: bytes) -> None:
    sent = gzip.compress(b"x")
    assert fault_of("gzip", sent + rest) is Fault.CODING
    assert fault_of("gzip", sent, rest) is Fault.CODING


def test_an_empty_body_needs_no_coding() -> None:
    assert collect("gzip") == b""


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity", "gzipped"])
def test_a_coding_nobody_asked_for_is_refused(coding: str) -> None:
    assert fault_of(coding) is Fault.CODING


def test_a_bomb_is_refused_after_two_steps() -> None:
    collector = BodyCollector("gzip", BodyLimits())
    with pytest.raises(ExchangeFailed) as caught:
        collector.feed(gzip.compress(bytes(64 * STEP)))
    assert caught.value.fault is Fault.BOMB
    assert collector._size_bytes == 2 * STEP
