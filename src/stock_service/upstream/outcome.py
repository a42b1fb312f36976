"""What one exchange with the vendor amounts to: the single table breaker, latch, retries and readers go by.

Pure. A client's mistake is the vendor's success; the vendor's 429 is the pacer's business; our own refusals, our
own stalls and a deadline we had used up are nobody's fault. Only what `passes` ever reaches a reader as an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from stock_service.base.record import record
from stock_service.upstream.breaker import Verdict
from stock_service.vendor.payloads import BodyFacts, Form, Refusal

_RETRIED_STATUSES = frozenset({502, 503, 504})
_SERVER_STATUSES = frozenset({407, 408, 425, 499})  # in the 4xx range, yet not the asker's mistake
_QUOTA_WORDS = ("maximum requests", "rate limit", "too many requests")


class Fault(Enum):
    """Why an exchange gave no complete answer within its limits."""

    UNREACHABLE = "unreachable"  # refused, no address, handshake reset
    LOST_EARLY = "lost_early"  # the connection ended before an answer began
    LOST_KEPT = (
        "lost_kept"  # as lost_early, on a connection that had served before: the vendor's idle timer, most often
    )
    LOST_LATE = "lost_late"  # the connection ended, or the coding stopped, inside the body
    CONNECT_TIMEOUT = "connect_timeout"
    TIMEOUT = "timeout"
    CUT_SHORT = "cut_short"  # timed out because our deadline left it too little time
    STALLED = "stalled"  # timed out while our own event loop stood still
    CERTIFICATE = "certificate"
    MALFORMED = "malformed"  # not HTTP, or headers beyond the limits
    REDIRECTED = "redirected"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    CODING = "coding"  # a content coding not asked for, or not what it says


class Outcome(StrEnum):
    """The classes; the words are metric labels."""

    OK = "ok"
    CLIENT_FAULT = "client_fault"
    QUOTA = "quota"
    CREDENTIAL = "credential"
    SERVER = "server"
    TRANSPORT_EARLY = "transport_early"
    TRANSPORT_LATE = "transport_late"
    IDLE_CLOSED = "idle_closed"
    TIMEOUT = "timeout"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    CERTIFICATE = "certificate"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: what the breaker hears, what the credential latch hears, and whether the answer may be used and kept."""

    health: Verdict
    key: Verdict
    passes: bool = False


_WORKS, _BROKEN, _SILENT = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

RULES: dict[Outcome, Rule] = {
    Outcome.OK: Rule(_WORKS, _WORKS, passes=True),
    Outcome.CLIENT_FAULT: Rule(_WORKS, _WORKS, passes=True),
    Outcome.QUOTA: Rule(_SILENT, _SILENT),
    Outcome.CREDENTIAL: Rule(_SILENT, _BROKEN),
    Outcome.SERVER: Rule(_BROKEN, _SILENT),
    Outcome.TRANSPORT_EARLY: Rule(_BROKEN, _SILENT),
    Outcome.TRANSPORT_LATE: Rule(_BROKEN, _SILENT),
    Outcome.IDLE_CLOSED: Rule(_SILENT, _SILENT),
    Outcome.TIMEOUT: Rule(_BROKEN, _SILENT),
    Outcome.INVALID: Rule(_BROKEN, _SILENT),
    Outcome.TOO_LARGE: Rule(_BROKEN, _SILENT),
    Outcome.CERTIFICATE: Rule(_BROKEN, _SILENT),
    Outcome.LOCAL: Rule(_SILENT, _SILENT),
}


@record
class Judgement:
    """An exchange's outcome, its HTTP status if it had one, and whether another attempt may help."""

    outcome: Outcome
    status: int | None = None
    retry: bool = False

    @property
    def rule(self) -> Rule:
        """The row of the table."""
        return RULES[self.outcome]


_FAULTS: dict[Fault, Judgement] = {
    Fault.UNREACHABLE: Judgement(Outcome.TRANSPORT_EARLY, retry=True),
    Fault.LOST_EARLY: Judgement(Outcome.TRANSPORT_EARLY, retry=True),
    Fault.LOST_KEPT: Judgement(Outcome.IDLE_CLOSED, retry=True),
    Fault.LOST_LATE: Judgement(Outcome.TRANSPORT_LATE, retry=True),
    Fault.CONNECT_TIMEOUT: Judgement(Outcome.TIMEOUT, retry=True),
    Fault.TIMEOUT: Judgement(Outcome.TIMEOUT),
    Fault.CUT_SHORT: Judgement(Outcome.LOCAL),
    Fault.STALLED: Judgement(Outcome.LOCAL),
    Fault.CERTIFICATE: Judgement(Outcome.CERTIFICATE),
    Fault.MALFORMED: Judgement(Outcome.INVALID),
    Fault.REDIRECTED: Judgement(Outcome.INVALID),
    Fault.TOO_LARGE: Judgement(Outcome.TOO_LARGE),
    Fault.BOMB: Judgement(Outcome.INVALID),
    Fault.CODING: Judgement(Outcome.INVALID),
}


class ExchangeFailed(Exception):
    """An exchange gave no usable answer. Carries no text: the library's own errors quote our key."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


_GOOD = Judgement(Outcome.OK, 200)


def classify_fault(fault: Fault) -> Judgement:
    """Return what an exchange without an answer amounts to."""
    return _FAULTS[fault]


def classify_answer(status: int, facts: BodyFacts, *, media_fits: bool) -> Judgement:
    """Return what a complete answer amounts to.

    `media_fits` says whether the content type is one that the route gives; it decides for bodies that are not JSON.
    """
    if status == 429 or (status in (200, 503) and _says_quota(facts)):
        return Judgement(Outcome.QUOTA, status)
    if status == 200:
        return _GOOD if _usable(facts, media_fits) else Judgement(Outcome.INVALID, status)
    if status in (401, 403):
        return Judgement(_classify_refusal(status, facts), status)
    if 500 <= status <= 599 or status in _SERVER_STATUSES:
        return Judgement(Outcome.SERVER, status, retry=status in _RETRIED_STATUSES)
    if 400 <= status <= 499:
        return Judgement(Outcome.CLIENT_FAULT, status)
    return Judgement(Outcome.INVALID, status)


def _usable(facts: BodyFacts, media_fits: bool) -> bool:
    if facts.form is Form.OTHER:
        return media_fits
    return facts.form is not Form.BROKEN and not facts.is_error


def _classify_refusal(status: int, facts: BodyFacts) -> Outcome:
    """Tell our key's refusal from the plan's; a 403 page of some proxy is neither (facts 1.6)."""
    if status == 401 or facts.refusal is Refusal.BAD_KEY:
        return Outcome.CREDENTIAL
    return Outcome.CLIENT_FAULT if facts.form is Form.OBJECT else Outcome.INVALID


def _says_quota(facts: BodyFacts) -> bool:
    if not facts.error or (facts.form is Form.OBJECT and not facts.is_error):
        return False
    text = facts.error.lower()
    return any(words in text for words in _QUOTA_WORDS)
