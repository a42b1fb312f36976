"""One kept answer: its variants, what they share, and what they say."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import tracemalloc

import pytest

from stock_service.base.reply import Reply
from stock_service.cache.entry import GZIP_INLINE_BYTES, Entry
from stock_service.cache.freshness import Lifetime
from stock_service.vendor.links import find_links

ORIGINS = frozenset({b"https://api.polygon.io"})
A, B = b"http://a.example:8080", b"https://b.example"


def made(body: bytes, content_type: str = "application/json") -> Entry:
    reply = Reply(200, content_type, body, 100.0)
    return Entry("k", "ticks", reply, Lifetime(10.0), 100.0, find_links(body, ORIGINS))


def linked(rows: int) -> bytes:
    return b'{"results":[' + b"1," * rows + b'1],"next_url":"https://api.polygon.io/v3/x?cursor=1"}'


def test_every_origin_has_its_own_links_and_etag() -> None:
    entry = made(linked(10))
    first, second = entry.make_variant(A, False), entry.make_variant(B, False)
    assert b'"http://a.example:8080/v3/x?cursor=1"' in first.content()
    assert b'"https://b.example/v3/x?cursor=1"' in second.content()
    assert len({first.etag, second.etag, entry.plain.etag}) == 3
    assert entry.ready_variant(A, False) is first


def test_variants_of_a_large_answer_share_its_body() -> None:
    """A page of trades is megabytes; a copy for each name the service is reached by would push all else out."""
    body = linked(GZIP_INLINE_BYTES)
    entry = made(body)
    variant = entry.make_variant(A, False)
    views = [piece for piece in variant.pieces if isinstance(piece, memoryview)]
    assert sum(len(view) for view in views) > 0.99 * len(body)
    assert {view.obj is body for view in views} == {True}
    assert variant.content() == body.replace(b"https://api.polygon.io", A)
    assert entry.weight_bytes < 1.6 * len(body)
    packed = entry.make_variant(A, True)
    assert gzip.decompress(packed.content()) == variant.content()
    assert packed.length_bytes < len(body) // 2


def test_a_large_answer_is_packed_without_a_copy_of_it() -> None:
    """The vendor's largest page takes 16 MB, and several are packed at once."""
    entry = made(linked(2_000_000))
    tracemalloc.start()
    try:
        packed = entry.make_variant(A, True)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert gzip.decompress(packed.content()) == entry.make_variant(A, False).content()
    assert most_bytes < len(entry.body) // 4


def test_large_answer_that_does_not_shrink_is_sent_plain() -> None:
    noise = random.Random(1).randbytes(2 * GZIP_INLINE_BYTES)
    entry = made(noise, "image/png")
    assert entry.make_variant(A, True) is entry.plain
    assert entry.ready == (entry.plain, entry.plain)


def test_content_type_that_could_split_a_header_is_replaced() -> None:
    assert made(b"x", "text/html\r\nSet-Cookie: a=b").content_type == b"application/octet-stream"
    assert made(b"x", "Application/JSON; charset=UTF-8").content_type == b"application/json; charset=utf-8"


def test_ages_are_whole_seconds_and_ttl_rounds_down() -> None:
    entry = made(b"{}")
    assert (entry.age(99.0), entry.age(103.9)) == (0, 3)
    assert (entry.ttl(109.5), entry.ttl(110.0), entry.ttl(110.5)) == (0, 0, -1)


@pytest.mark.parametrize(("size", "count"), [(300, 20_000), (3_000, 5_000)])
def test_entries_weigh_what_they_take(size: int, count: int) -> None:
    """The cache is bounded by what they say; at most a tenth more may be resident, heads and request lines included."""
    command = [sys.executable, "-m", "bench.memory", str(size), str(count), "1"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert 0.6 * told["counted_mib"] < told["rss_mib"] < 1.1 * told["counted_mib"]
