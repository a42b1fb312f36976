"""What one process counts of its clients, by day."""

from __future__ import annotations

from datetime import date, timedelta

from stock_service.access.usage import KEPT_DAYS, ClientUsage, Counts, Tally


def usage(client: str = "team", requests: int = 0, calls: int = 0, limited: int = 0) -> ClientUsage:
    return ClientUsage(client, requests, calls, limited)


def test_what_is_new_since_the_last_look_is_of_the_day_of_the_look() -> None:
    tally = Tally()
    tally.note([usage(requests=5, calls=2)], "2026-03-01")
    tally.note([usage(requests=5, calls=2)], "2026-03-02")
    tally.note([usage(requests=9, calls=2, limited=1), usage("bots", 1)], "2026-03-02")
    assert tally.of_day("2026-03-01") == {"team": Counts(5, 2, 0)}
    assert tally.of_day("2026-03-02") == {"team": Counts(4, 0, 1), "bots": Counts(1)}
    assert tally.of_day("2026-03-03") == {}


def test_what_was_told_is_not_told_again_unless_it_changed_meanwhile() -> None:
    tally = Tally()
    tally.note([usage(requests=5), usage("bots", 1)], "2026-03-01")
    untold = tally.untold()
    tally.note([usage(requests=6), usage("bots", 1)], "2026-03-01")  # while it is being told
    tally.told("2026-03-01", untold["2026-03-01"])
    assert tally.untold() == {"2026-03-01": {"team": Counts(6)}}
    tally.told("2026-03-01", tally.untold()["2026-03-01"])
    assert tally.untold() == {}
    tally.forget_told()
    assert tally.untold() == {"2026-03-01": {"team": Counts(6), "bots": Counts(1)}}


def test_memory_is_bounded_by_the_days_that_are_kept() -> None:
    tally, first = Tally(), date(2026, 1, 1)
    for number in range(KEPT_DAYS + 10):
        tally.note([usage(requests=number + 1)], (first + timedelta(days=number)).isoformat())
    assert tally.of_day(first.isoformat()) == {}
    assert len(tally.untold()) == KEPT_DAYS
