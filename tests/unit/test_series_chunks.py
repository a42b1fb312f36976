"""Splitting the vendor's pages into chunks, and cutting chunks."""

from __future__ import annotations

import json
import random

import pytest

from stock_service.base.errors import VendorFailed
from stock_service.cache.chunks import Chunk, cell_of, cell_span, joined, reversed_text, split_page
from stock_service.cache.sizes import BarSize

MINUTE = BarSize(1, "minute")
OPENING = 1_795_530_600_000  # 2026-11-24 09:30 in New York
DAY_MS = 86_400_000


def bars(count: int, days: int = 1, step: int = 60_000) -> list[dict[str, float]]:
    chance = random.Random(count)
    return [
        {"v": chance.randrange(9_999), "c": chance.random(), "t": OPENING + day * DAY_MS + at * step, "n": 3}
        for day in range(days)
        for at in range(count)
    ]


def page(rows: object, **rest: object) -> bytes:
    return json.dumps({"ticker": "AAPL", "results": rows, "status": "OK", **rest}, separators=(",", ":")).encode()


def test_a_page_is_cut_into_one_chunk_a_trading_day() -> None:
    found = split_page(page(bars(390, days=3)), MINUTE)
    assert [chunk.count for chunk in found.cells.values()] == [390] * 3
    assert (found.count, found.first, found.last) == (1_170, OPENING, OPENING + 2 * DAY_MS + 389 * 60_000)
    assert [json.loads(b"[%b]" % chunk.text) for chunk in found.cells.values()] == [
        bars(390, days=3)[at : at + 390] for at in (0, 390, 780)
    ]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_spacing_and_order_of_the_page_do_not_matter(descending: bool, separators: tuple[str, str]) -> None:
    rows = bars(390, days=3)
    body = json.dumps({"results": rows[::-1] if descending else rows}, separators=separators).encode()
    found = split_page(body, MINUTE, descending=descending)
    assert [bar for chunk in found.cells.values() for bar in json.loads(b"[%b]" % chunk.text)] == rows
    chunk = next(iter(found.cells.values()))
    assert json.loads(b"[%b]" % chunk.piece(3, 5)) == rows[3:5]
    assert chunk.time_at(7) == rows[7]["t"]


def test_a_time_spelled_with_a_space_is_found_too() -> None:
    rows = bars(3, days=2)
    body = page(rows).replace(b'"t":', b'"t" :')
    assert [chunk.count for chunk in split_page(body, MINUTE).cells.values()] == [3, 3]


@pytest.mark.parametrize("body", [b'{"resultsCount":0}', b'{"results":null}', b'{"results":[],"next_url":null}'])
def test_a_page_without_bars_has_no_chunks(body: bytes) -> None:
    found = split_page(body, MINUTE)
    assert (found.cells, found.count, found.first, found.last, found.next_url) == ({}, 0, None, None, "")


def test_a_page_says_whether_more_follow() -> None:
    assert split_page(page(bars(2), next_url="http://v/x"), MINUTE).next_url == "http://v/x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"results":[{"c":1}]}',
        b'{"results":[{"t":"1"}]}',
        b'{"results":[{"t":1},{"t":1}]}',
        b'{"results":[{"t":2},{"t":1}]}',
        b'{"results":[{"t":1},{"t":2}',
        b'{"results":[{"t":1,"x":[{"a":1},{"a":2}]},{"t":2}]}',  # not flat: cannot be cut
        b'{"results":[{"t":1,"x":"a},{b"},{"t":2}]}',
        b'{"results":{"t":1}}',
        b"\xff\xfe",
    ],
)
def test_a_page_that_cannot_be_cut_is_refused(body: bytes) -> None:
    with pytest.raises(VendorFailed):
        split_page(body, MINUTE)


def test_a_nested_bar_beside_a_spaced_one_is_not_miscounted() -> None:
    with pytest.raises(VendorFailed):
        split_page(b'{"results":[{"t":1,"x":[{"a":1},{"a":2}]}, {"t":2}]}', MINUTE)


@pytest.mark.parametrize("gap", [1, 2, 7, 60])
def test_any_cut_of_a_chunk_is_the_bars_of_that_time(gap: int) -> None:
    chance = random.Random(gap)
    rows = [bar for bar in bars(120) if chance.random() < 1 / gap] or bars(1)
    chunk = next(iter(split_page(page(rows), MINUTE).cells.values()))
    times = [bar["t"] for bar in rows]
    for _ in range(300):
        start, stop = sorted(OPENING + chance.randrange(-5, 125) * 60_000 + chance.randrange(-1, 2) for _ in range(2))
        low, high = chunk.bounds(start, stop)
        assert json.loads(b"[%b]" % chunk.piece(low, high)) == [bar for bar in rows if start <= bar["t"] < stop]
        assert [chunk.time_at(place) for place in range(low, high)] == [t for t in times if start <= t < stop]


def test_a_whole_chunk_is_served_as_it_is() -> None:
    chunk = next(iter(split_page(page(bars(390)), MINUTE).cells.values()))
    assert chunk.piece(*chunk.bounds(0, 2**50)) is chunk.text
    assert joined([(chunk, 0, 0), (chunk, 0, 390)]) is chunk


def test_reversing_turns_the_order_of_bars_and_nothing_else() -> None:
    rows = bars(5)
    chunk = next(iter(split_page(page(rows), MINUTE).cells.values()))
    assert json.loads(b"[%b]" % reversed_text(chunk.text)) == rows[::-1]
    assert reversed_text(reversed_text(chunk.text)) == chunk.text
    assert reversed_text(b'{"t":1}') == b'{"t":1}'
    assert reversed_text(b"") == b""


@pytest.mark.parametrize("size", [(1, "second"), (5, "minute"), (1, "hour"), (4, "hour"), (1, "day"), (1, "year")])
def test_a_cell_holds_its_times_and_no_others(size: tuple[int, str]) -> None:
    cell_ms = BarSize(*size).cell_ms
    for at in (0, OPENING, OPENING + 12_345_678, -5 * DAY_MS):
        start, stop = cell_span(cell_of(at, cell_ms), cell_ms)
        assert start <= at < stop
        assert cell_of(start, cell_ms) == cell_of(stop - 1, cell_ms) == cell_of(stop, cell_ms) - 1


@pytest.mark.parametrize("size", [(1, "second"), (30, "second"), (1, "minute"), (1, "hour"), (1, "day"), (1, "year")])
def test_a_cell_holds_a_few_thousand_bars_at_most(size: tuple[int, str]) -> None:
    assert BarSize(*size).cell_ms // BarSize(*size).length_ms <= 3_600


def test_a_chunk_weighs_its_text_and_its_index() -> None:
    chunk = Chunk(b"x" * 1_000, 0, 9, 10)
    assert chunk.weight_bytes == 320 + 1_000 + 40
