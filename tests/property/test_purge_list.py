"""Lists of purges, merged in whatever order instances meet: nothing that was purged comes back, and they stay short."""

from __future__ import annotations

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from stock_service.base.reply import Reply
from stock_service.cache import purge_list
from stock_service.cache.outdated import Outdated
from stock_service.cache.policy import Policy, PolicySettings
from stock_service.cache.purge_list import EVERYTHING, Purges, merge_purges, parse_purges, render_purges
from stock_service.market.calendar import Calendar
from stock_service.vendor.request import parse_request

NOW, KEEP = 1_000_000, 500_000
MOST = 5

tickers = st.sampled_from([EVERYTHING, "A", "BRK.B", "O:SPX251219C05000000", "X:BTCUSD", "*", "C", "D", "E", "F"])
lists = st.dictionaries(tickers, st.integers(0, NOW + 100_000))


def holds(purges: Purges, ticker: str) -> int:
    """Up to when answers about `ticker` are purged."""
    return max(purges.get(ticker, 0), purges.get(EVERYTHING, 0))


@given(st.lists(lists, max_size=4))
def test_whatever_is_merged_no_purge_that_may_still_matter_is_lost_and_the_list_stays_short(many: list[Purges]) -> None:
    with mock.patch.object(purge_list, "LISTED_MAX", MOST):
        merged = merge_purges(tuple(many), NOW, KEEP)
    for purges in many:
        for ticker, at in purges.items():
            if NOW - KEEP < at <= NOW:
                assert holds(merged, ticker) >= at
    assert len(merged) <= MOST + 1
    assert all(NOW - KEEP < at <= NOW + 60_000 for at in merged.values())


@given(lists, lists)
def test_instances_that_have_met_have_nothing_more_to_tell_each_other(mine: Purges, theirs: Purges) -> None:
    """Or they would write for ever."""
    with mock.patch.object(purge_list, "LISTED_MAX", MOST):
        merged = merge_purges((mine, theirs), NOW, KEEP)
        assert merge_purges((theirs, mine), NOW, KEEP) == merged
        assert merge_purges((merged, mine), NOW, KEEP) == merged
        assert merge_purges((theirs, merged), NOW, KEEP) == merged


@given(lists)
def test_a_list_reads_as_it_was_written(purges: Purges) -> None:
    assert parse_purges(render_purges(purges)) == purges


@given(
    st.binary()
    | st.lists(st.sampled_from([b"1 A", b"2 A", b"x A", b"", b"3", b"4  B", b"9" * 30 + b" A"])).map(b"\n".join)
)
def test_any_bytes_read_as_some_list(text: bytes) -> None:
    found = parse_purges(text)
    assert parse_purges(render_purges(found)) == found


def test_a_ticker_too_many_takes_everything_before_it_along() -> None:
    outdated, request = Outdated(), parse_request("/v2/aggs/ticker/T0/prev", "")
    for number in range(10_050):
        outdated.purge(f"T{number}", float(number + 1))
    assert len(outdated._purged) == 10_000
    assert outdated.purged_from(request) == 50.0  # of the last that made room; its own was 1.0


def test_no_answer_outlives_its_purge_in_the_list() -> None:
    """Settled history is kept longest: a month, and a year when the vendor fails."""
    for settings in (PolicySettings(), PolicySettings(history_for=90 * 86_400.0)):
        policy = Policy(Calendar(), settings)
        for path in ("/v2/aggs/ticker/AAPL/range/1/day/2020-01-02/2020-01-31", "/vX/reference/tickers/types"):
            reply = Reply(200, "application/json", b'{"results":[1]}' + b" " * 4_000, 0.0)
            lifetime = policy.judge_lifetime(parse_request(path, ""), reply, 1_764_000_000.0)
            assert lifetime is not None
            kept_for = lifetime.fresh_for + max(lifetime.stale_while_for, lifetime.stale_error_for)
            assert kept_for <= settings.longest_for
