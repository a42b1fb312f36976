"""Questions for bars: what the series takes on, what it leaves to the vendor, and the envelope of its answers."""

from __future__ import annotations

import base64
import json

import pytest

from stock_service.cache.bar_questions import BarsQuestion, SeriesKey, ask_for, envelope, next_target, question_of
from stock_service.cache.ranges import Span
from stock_service.cache.series import Slice
from stock_service.cache.sizes import BarSize
from stock_service.vendor.request import parse_request

DAY_MS = 86_400_000
NOV_24 = 1_795_496_400_000  # 2026-11-24 00:00 in New York
PATH = "/v2/aggs/ticker/AAPL/range"


def ask(target: str, accept: str = "") -> BarsQuestion | None:
    path, _, query = target.partition("?")
    return question_of(parse_request(path, query, accept))


def asked(target: str) -> BarsQuestion:
    question = ask(target)
    assert question is not None
    return question


@pytest.mark.parametrize(
    ("target", "span"),
    [
        ("1/minute/2026-11-24/2026-11-24", Span(NOV_24, NOV_24 + DAY_MS)),
        ("1/day/2026-11-24/2026-11-24", Span(NOV_24, NOV_24 + DAY_MS)),
        (f"1/day/{NOV_24 + 5}/{NOV_24 + 6}", Span(NOV_24, NOV_24 + 7)),
        (f"1/minute/{NOV_24 + 90_000}/{NOV_24 + 90_000}", Span(NOV_24 + 30_001, NOV_24 + 90_001)),
        (f"1/minute/{NOV_24 + 60_000}/{NOV_24 + 60_000}", Span(NOV_24 + 1, NOV_24 + 60_001)),
        (f"5/minute/{NOV_24 + 1}/{NOV_24 + 1}", Span(NOV_24, NOV_24 + 2)),  # no bar crosses midnight
        ("1/week/2026-11-26/2026-11-26", Span(NOV_24 - 2 * DAY_MS, NOV_24 + 3 * DAY_MS)),  # from Sunday
        ("1/month/2026-11-24/2026-11-24", Span(NOV_24 - 23 * DAY_MS - 3_600_000, NOV_24 + DAY_MS)),  # summer time
        ("1/day/2026-11-24/9999-12-31", Span(NOV_24, 7_258_136_400_000)),  # "until now"
    ],
)
def test_a_range_is_widened_to_every_bar_that_overlaps_it(target: str, span: Span) -> None:
    assert asked(f"{PATH}/{target}").span == span


def test_days_of_crypto_begin_at_midnight_utc() -> None:
    question = asked("/v2/aggs/ticker/X:BTCUSD/range/1/day/2026-11-24/2026-11-24")
    assert question.span == Span(1_795_478_400_000, 1_795_564_800_000)


@pytest.mark.parametrize(
    ("size", "bars_max"),
    [
        ("1/second", 5_000),
        ("1/minute", 5_000),
        ("5/minute", 1_000),
        ("30/second", 166),
        ("1/hour", 83),
        ("4/hour", 20),
        ("1/day", 5_000),
        ("1/week", 714),
        ("1/month", 161),
        ("1/quarter", 54),
        ("1/year", 13),
    ],
)
def test_limit_counts_base_bars(size: str, bars_max: int) -> None:
    assert asked(f"{PATH}/{size}/2026-01-01/2026-11-24").bars_max == bars_max


def test_a_page_holds_a_bar_even_when_its_base_bars_exceed_the_limit() -> None:
    assert asked(f"{PATH}/1/hour/2026-01-01/2026-11-24?limit=2").bars_max == 1


def test_defaults_and_choices_are_read() -> None:
    plain = asked(f"{PATH}/1/day/2026-01-01/2026-11-24")
    assert (plain.key, plain.descending, plain.limit) == (SeriesKey("AAPL", BarSize(1, "day"), True), False, 5_000)
    chosen = asked(f"{PATH}/1/day/2026-01-01/2026-11-24?adjusted=false&sort=desc&limit=7")
    assert (chosen.key.adjusted, chosen.descending, chosen.limit) == (False, True, 7)


@pytest.mark.parametrize(
    "target",
    [
        f"{PATH}/7/minute/2026-01-01/2026-11-24",  # the vendor's grid of such sizes is not documented
        f"{PATH}/5/hour/2026-01-01/2026-11-24",
        f"{PATH}/24/hour/2026-01-01/2026-11-24",
        f"{PATH}/2/day/2026-01-01/2026-11-24",
        f"{PATH}/2/week/2026-01-01/2026-11-24",
        f"{PATH}/1/day/9999-12-30/9999-12-31",
        f"{PATH}/1/minute/99999999999999999/99999999999999999",
        f"{PATH}/1/day/2026-01-01/2026-11-24?new=thing",
        f"{PATH}/1/day/2026-01-01/2026-11-24?by=stock-service",
        f"{PATH}/1/day/2026-01-01/2026-11-24?cursor=bGltaXQ9MiZzb3J0PWFzYw",  # the vendor's own
        f"{PATH}/1/day/2026-01-01/2026-11-24?cursor=%C3%BF",
        "/v2/aggs/ticker/AAPL/prev",
    ],
)
def test_what_the_series_cannot_answer_is_left_to_the_vendor(target: str) -> None:
    assert ask(target) is None


def test_csv_is_left_to_the_vendor() -> None:
    assert ask(f"{PATH}/1/day/2026-01-01/2026-11-24", "text/csv") is None


def test_a_cursor_of_ours_with_a_spoilt_limit_is_left_to_the_vendor() -> None:
    for limit in ("0", "50001", "many", "-1"):
        cursor = base64.urlsafe_b64encode(f"by=stock-service&limit={limit}".encode()).decode().rstrip("=")
        assert ask(f"{PATH}/1/day/2026-01-01/2026-11-24?cursor={cursor}") is None


@pytest.mark.parametrize("query", ["sort=desc&limit=3&adjusted=false", "limit=3", "adjusted=false", "sort=desc"])
def test_a_link_to_the_next_page_carries_the_whole_question(query: str) -> None:
    question = asked(f"{PATH}/1/day/2026-01-01/2026-11-24?{query}")
    following = asked(next_target(question, NOV_24 - 30 * DAY_MS))
    assert (following.key, following.descending, following.limit) == (question.key, question.descending, question.limit)
    if question.descending:
        assert following.span == Span(question.span.start, NOV_24 - 30 * DAY_MS + 1)
    else:
        assert following.span.stop == question.span.stop
        assert following.last == "2026-11-24"


def test_a_link_backwards_does_not_end_before_it_begins() -> None:
    """The last page of a descending question may hold only the bar that the asked time begins in."""
    question = asked(f"{PATH}/1/day/{NOV_24 + 5_000}/2026-11-30?sort=desc")
    following = asked(next_target(question, NOV_24))
    assert following.span == Span(NOV_24, NOV_24 + 5_001)


def test_the_largest_page_is_asked_for_in_the_order_it_is_wanted() -> None:
    request = ask_for(SeriesKey("X:BTCUSD", BarSize(1, "minute"), True), Span(NOV_24, NOV_24 + 1), descending=True)
    assert request.target == f"/v2/aggs/ticker/X:BTCUSD/range/1/minute/{NOV_24}/{NOV_24}?limit=50000&sort=desc"


@pytest.mark.parametrize(
    "path", ["AAPL/range/1/day/2005-04-01/2005-04-04", "X:BTCUSD/range/5/minute/2025-03-09/2025-11-02"]
)
def test_a_range_of_which_nothing_is_known_is_asked_for_in_the_client_s_words(path: str) -> None:
    """Days stay days, whatever the clocks do on them: the vendor answers what was asked, not our reading of it."""
    question = asked(f"/v2/aggs/ticker/{path}")
    assert ask_for(question.key, question.span).target == f"/v2/aggs/ticker/{path}?limit=50000"


def test_only_a_whole_day_is_asked_for_as_a_day() -> None:
    question = asked(f"{PATH}/1/minute/{NOV_24 + 60_000}/2026-11-24")
    target = ask_for(question.key, question.span).target
    assert target == f"{PATH}/1/minute/{NOV_24 + 1}/2026-11-24?limit=50000"


def body(found: Slice) -> bytes:
    question = asked(f"{PATH}/1/day/2026-01-01/2026-11-24")
    return b"".join(envelope(question, found, "abc", "https://host"))


def test_the_envelope_is_the_vendor_s() -> None:
    assert body(Slice([b'{"t":1}', b'{"t":2},{"t":3}'], 3, None)) == (
        b'{"ticker":"AAPL","queryCount":3,"resultsCount":3,"adjusted":true,'
        b'"results":[{"t":1},{"t":2},{"t":3}],"status":"OK","request_id":"abc","count":3}'
    )


def test_an_answer_without_bars_has_no_results() -> None:
    assert json.loads(body(Slice([], 0, None))) == {
        "ticker": "AAPL",
        "queryCount": 0,
        "resultsCount": 0,
        "adjusted": True,
        "status": "OK",
        "request_id": "abc",
        "count": 0,
    }


def test_a_page_that_is_not_the_last_links_to_the_next_under_the_given_origin() -> None:
    link = json.loads(body(Slice([b'{"t":1}'], 1, NOV_24)))["next_url"]
    assert link.startswith(f"https://host{PATH}/1/day/{NOV_24}/2026-11-24?cursor=")
