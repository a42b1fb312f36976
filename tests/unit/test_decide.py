"""What to do next for one question, over every state of a kept answer."""

from __future__ import annotations

import pytest

from stock_service.base import errors
from stock_service.base.errors import NotCached, ServiceError
from stock_service.base.reply import Reply
from stock_service.cache.entry import Entry
from stock_service.cache.freshness import Lifetime
from stock_service.reads.decide import (
    Fetch,
    Refuse,
    ServeFresh,
    ServeStale,
    ServeStaleAndRefresh,
    Wishes,
    decide_read,
    may_fall_back,
    stale_reason,
)

STORED = 100.0
DEADLINE_AFTER = 9.0


def kept() -> Entry:
    """Fresh for 10 s, soft for 20 more, hard for 100 more."""
    reply = Reply(200, "application/json", b"{}", STORED)
    return Entry("k", "bars", reply, Lifetime(10.0, 20.0, 120.0), STORED)


ANY = Wishes()


def step(age: float, wishes: Wishes = ANY, retry_in: float = -1.0) -> object:
    now = STORED + age
    return decide_read(kept(), wishes, now, now + DEADLINE_AFTER, now + retry_in)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0.0, ServeFresh),
        (9.999, ServeFresh),
        (10.0, ServeStaleAndRefresh),
        (29.999, ServeStaleAndRefresh),
        (30.0, Fetch),
        (129.999, Fetch),
        (130.0, Fetch),
    ],
)
def test_age_decides(age: float, expected: type) -> None:
    assert type(step(age)) is expected


def test_hard_stale_waits_only_part_of_the_time_and_keeps_its_fallback() -> None:
    found = step(40.0)
    assert isinstance(found, Fetch)
    assert found.until == pytest.approx(STORED + 40.0 + 0.6 * DEADLINE_AFTER)
    assert found.fallback is not None


def test_dead_answer_is_never_a_fallback() -> None:
    found = step(130.0)
    assert isinstance(found, Fetch)
    assert found.fallback is None
    assert found.until == pytest.approx(STORED + 130.0 + DEADLINE_AFTER)


@pytest.mark.parametrize("age", [10.0, 30.0, 129.0])
def test_failed_renewal_is_not_tried_again_before_its_time(age: float) -> None:
    assert type(step(age, retry_in=0.5)) is ServeStale


def test_forced_read_asks_even_when_fresh_and_may_fall_back() -> None:
    found = step(1.0, Wishes(force=True))
    assert isinstance(found, Fetch)
    assert found.fallback is not None


@pytest.mark.parametrize(("age", "expected"), [(1.0, ServeFresh), (15.0, ServeStale), (60.0, ServeStale)])
def test_only_cached_never_asks(age: float, expected: type) -> None:
    assert type(step(age, Wishes(only_cached=True))) is expected


@pytest.mark.parametrize("entry", [None, "dead"])
def test_only_cached_without_an_answer_is_refused(entry: str | None) -> None:
    now = STORED + 1_000.0
    found = decide_read(kept() if entry else None, Wishes(only_cached=True), now, now + 9.0, 0.0)
    assert isinstance(found, Refuse)
    assert isinstance(found.error, NotCached)


def test_unknown_question_is_fetched_without_fallback() -> None:
    found = decide_read(None, Wishes(), 5.0, 14.0, 0.0)
    assert found == Fetch(14.0, None)


EXAMPLES: list[ServiceError] = [
    errors.QuotaSpent(1.0),
    errors.CircuitOpen(1.0),
    errors.CredentialRefused(401),
    errors.VendorSlow(5.0),
    errors.VendorFailed("server", 500),
    errors.Overloaded("requests"),
    errors.Unavailable("draining"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_refusal_has_a_closed_word_and_stale_beats_it(error: ServiceError) -> None:
    assert stale_reason(error).replace("-", "").isalpha()
    assert may_fall_back(error)


@pytest.mark.parametrize("error", [errors.BadRequest("limit", "x"), errors.NotAllowed("unknown")])
def test_fault_of_the_question_is_told_not_hidden(error: ServiceError) -> None:
    assert not may_fall_back(error)
