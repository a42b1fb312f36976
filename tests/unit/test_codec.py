"""What comes out of the envelope is what went in under that key, or a named damage."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.cache.codec import (
    MAGIC,
    PACK_FROM_BYTES,
    PREFIX_BYTES,
    VERSION,
    Damage,
    Stored,
    decode_stored,
    encode_stored,
    prefix_of,
)
from stock_service.cache.freshness import Lifetime

KEY = "GET /v2/aggs/ticker/AAPL/prev?adjusted=true"
ANSWER = Stored(KEY, 200, "application/json", "abc", 1_700_000_000_123, 1_700_000_000_456, Lifetime(5, 60, 900), b"{}")

lengths = st.floats(0, 1e9, allow_nan=False)
answers = st.builds(
    Stored,
    key=st.text(max_size=300),
    status=st.integers(100, 599),
    content_type=st.text(max_size=60),
    request_id=st.text(max_size=40),
    fetched_at=st.integers(0, 10**16 - 1),
    kept_at=st.integers(0, 2**63),
    lifetime=st.builds(Lifetime, lengths, lengths, lengths),
    body=st.one_of(st.binary(max_size=200), st.integers(0, 8_000).map(lambda n: b'{"c":1.5},' * n)),
)


def resealed(value: bytes) -> bytes:
    """Return `value` with a right sum: what a faulty writer, not a faulty wire, would have made."""
    return value[:-4] + zlib.crc32(value[:-4]).to_bytes(4, "big")


@given(answers)
def test_an_answer_survives_the_trip(answer: Stored) -> None:
    assert decode_stored(answer.key, encode_stored(answer)) == answer


@given(answers, st.data())
def test_no_flipped_bit_is_ever_served(answer: Stored, data: st.DataObject) -> None:
    value = bytearray(encode_stored(answer))
    at = data.draw(st.integers(0, len(value) * 8 - 1))
    value[at // 8] ^= 1 << at % 8
    assert isinstance(decode_stored(answer.key, bytes(value)), Damage)


@given(answers, st.data())
def test_no_shortened_or_lengthened_value_is_served(answer: Stored, data: st.DataObject) -> None:
    value = encode_stored(answer)
    cut = data.draw(st.integers(0, len(value) - 1))
    assert isinstance(decode_stored(answer.key, value[:cut]), Damage)
    assert isinstance(decode_stored(answer.key, value + b"x"), Damage)


@given(st.binary(max_size=400))
def test_any_bytes_are_damage_and_never_an_exception(value: bytes) -> None:
    assert isinstance(decode_stored(KEY, value), Damage)
    assert isinstance(decode_stored(KEY, resealed(prefix_of(1) + value + b"\0\0\0\0")), Damage)


def test_another_keys_answer_is_damage() -> None:
    """The defence against replies that arrive one question late."""
    assert decode_stored(KEY + "2", encode_stored(ANSWER)) is Damage.KEY


def test_a_newer_version_is_told_apart_from_damage() -> None:
    value = encode_stored(ANSWER)
    newer = MAGIC + b"%02d" % (VERSION + 1) + value[6:]
    assert decode_stored(KEY, newer) is Damage.NEWER
    assert decode_stored(KEY, newer[:PREFIX_BYTES] + b"a layout we do not know") is Damage.NEWER


@pytest.mark.parametrize(
    ("value", "damage"),
    [
        (b"", Damage.FOREIGN),
        (b"WRONGTYPE", Damage.FOREIGN),
        (MAGIC + b"0a" + b"0" * 16, Damage.FOREIGN),
        (MAGIC + b"00" + b"0" * 90, Damage.LENGTH),
        (prefix_of(1), Damage.LENGTH),
        (encode_stored(ANSWER)[:-1] + b"\0", Damage.SUM),
        (resealed(encode_stored(ANSWER)[:-4] + b"more" + b"\0\0\0\0"), Damage.LENGTH),
        (encode_stored(replace(ANSWER, lifetime=Lifetime(float("nan")))), Damage.BODY),
        (encode_stored(replace(ANSWER, lifetime=Lifetime(-1.0))), Damage.BODY),
    ],
)
def test_each_kind_of_damage_has_its_name(value: bytes, damage: Damage) -> None:
    assert decode_stored(KEY, value) is damage


def test_a_bomb_unpacks_no_further_than_it_says() -> None:
    """Ten megabytes of zeros that claim to be two bytes."""
    honest = encode_stored(replace(ANSWER, body=bytes(10_000_000)))
    lying = honest.replace((10_000_000).to_bytes(4, "big"), (2).to_bytes(4, "big"), 1)
    assert decode_stored(KEY, resealed(lying)) is Damage.BODY


def test_packing_starts_where_it_pays_and_never_makes_longer() -> None:
    small, large = b"a" * (PACK_FROM_BYTES - 1), b"a" * PACK_FROM_BYTES
    assert small in encode_stored(replace(ANSWER, body=small))
    assert len(encode_stored(replace(ANSWER, body=large))) < 300
    noise = os.urandom(PACK_FROM_BYTES)
    assert noise in encode_stored(replace(ANSWER, body=noise))


def test_it_is_useless_when_neither_refreshing_nor_error_allows_it() -> None:
    assert replace(ANSWER, kept_at=1_000, lifetime=Lifetime(5, 60, 900)).useless_at == 906_000
    assert replace(ANSWER, kept_at=1_000, lifetime=Lifetime(5, 60, 0)).useless_at == 66_000
