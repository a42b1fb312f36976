"""The outcome table: what each answer and each fault amounts to."""

from __future__ import annotations

import pytest

from stock_service.upstream.breaker import Verdict
from stock_service.upstream.outcome import RULES, Fault, Outcome, classify_answer, classify_fault
from stock_service.vendor.payloads import inspect_body

JSON = "application/json"
QUOTA_TEXT = (
    b'{"status":"ERROR","request_id":"1","error":"You\'ve exceeded the maximum requests per minute, please wait"}'
)
UNKNOWN_KEY = b'{"status":"ERROR","request_id":"1","error":"Unknown API Key"}'
NOT_ENTITLED = (
    b'{"status":"NOT_AUTHORIZED","request_id":"1","message":"You are not entitled to this data. Please upgrade"}'
)
TIMEFRAME = b'{"status":"NOT_AUTHORIZED","message":"Your plan doesn\'t include this data timeframe."}'
TODAY = b'{"status":"NOT_AUTHORIZED","message":"Attempted to request today\'s data before end of day. Please upgrade"}'


@pytest.mark.parametrize(
    ("status", "content_type", "body", "outcome", "retry"),
    [
        (200, JSON, b'{"status":"OK","results":[]}', "ok", False),
        (200, JSON, b'{"status":"DELAYED"}', "ok", False),
        (200, JSON, b'{"market":"open"}', "ok", False),
        (200, JSON, b'[{"date":"2024-01-01"}]', "ok", False),
        (200, "", b'{"status":"OK"}', "ok", False),
        (200, "text/csv", b"t,o,h\n1,2,3\n", "ok", False),
        (200, "text/html", b"<html>We will be back</html>", "invalid", False),
        (200, JSON, b"<html>We will be back</html>", "invalid", False),
        (200, JSON, b'{"status":"OK","results":[{"c":1', "invalid", False),
        (200, JSON, b"", "invalid", False),
        (200, "text/csv", b"", "invalid", False),
        (200, JSON, b'"OK"', "invalid", False),
        (200, JSON, b'{"status":"ERROR","error":"backend"}', "invalid", False),
        (200, JSON, QUOTA_TEXT, "quota", False),
        (200, JSON, b'{"status":"OK","message":"the rate limit of loans rose"}', "ok", False),
        (204, "", b"", "invalid", False),
        (206, JSON, b'{"status":"OK"}', "invalid", False),
        (400, JSON, b'{"status":"ERROR","error":"bad from"}', "client_fault", False),
        (404, "text/plain", b"404 page not found", "client_fault", False),
        (404, JSON, b'{"status":"NOT_FOUND"}', "client_fault", False),
        (410, JSON, b"{}", "client_fault", False),
        (422, JSON, b"{}", "client_fault", False),
        (401, JSON, UNKNOWN_KEY, "credential", False),
        (401, "text/html", b"<html>", "credential", False),
        (403, JSON, UNKNOWN_KEY, "credential", False),
        (403, JSON, NOT_ENTITLED, "client_fault", False),
        (403, JSON, TIMEFRAME, "client_fault", False),
        (403, JSON, TODAY, "client_fault", False),
        (403, "text/html", b"<html>Forbidden</html>", "invalid", False),
        (407, "text/html", b"proxy", "server", False),
        (408, "", b"", "server", False),
        (429, JSON, QUOTA_TEXT, "quota", False),
        (429, "", b"", "quota", False),
        (429, "text/html", b"<html>", "quota", False),
        (499, "text/html", b"<html>", "server", False),
        (500, JSON, b"{}", "server", False),
        (502, "text/html", b"<html>nginx/1.19.2</html>", "server", True),
        (503, JSON, b"{}", "server", True),
        (503, JSON, QUOTA_TEXT, "quota", False),
        (504, "", b"", "server", True),
        (521, "", b"", "server", False),
        (600, JSON, b"{}", "invalid", False),
    ],
)
def test_an_answer_has_one_class(status: int, content_type: str, body: bytes, outcome: str, retry: bool) -> None:
    facts = inspect_body(status, content_type, body)
    judgement = classify_answer(status, facts, media_fits=bool(body) and content_type == "text/csv")
    assert (judgement.outcome.value, judgement.status, judgement.retry) == (outcome, status, retry)


@pytest.mark.parametrize(
    ("fault", "outcome", "retry"),
    [
        (Fault.UNREACHABLE, "transport_early", True),
        (Fault.LOST_EARLY, "transport_early", True),
        (Fault.LOST_KEPT, "idle_closed", True),
        (Fault.LOST_LATE, "transport_late", True),
        (Fault.CONNECT_TIMEOUT, "timeout", True),
        (Fault.TIMEOUT, "timeout", False),
        (Fault.CUT_SHORT, "local", False),
        (Fault.STALLED, "local", False),
        (Fault.CERTIFICATE, "certificate", False),
        (Fault.MALFORMED, "invalid", False),
        (Fault.REDIRECTED, "invalid", False),
        (Fault.TOO_LARGE, "too_large", False),
        (Fault.BOMB, "invalid", False),
        (Fault.CODING, "invalid", False),
    ],
)
def test_a_fault_has_one_class(fault: Fault, outcome: str, retry: bool) -> None:
    judgement = classify_fault(fault)
    assert (judgement.outcome.value, judgement.status, judgement.retry) == (outcome, None, retry)


def test_every_fault_has_a_class_and_every_class_a_rule() -> None:
    assert {classify_fault(fault).outcome for fault in Fault} <= set(Outcome)
    assert set(RULES) == set(Outcome)


@pytest.mark.parametrize(
    ("outcome", "health", "key", "passes"),
    [
        ("ok", "success", "success", True),
        ("client_fault", "success", "success", True),
        ("quota", "ignored", "ignored", False),
        ("credential", "ignored", "failure", False),
        ("server", "failure", "ignored", False),
        ("transport_early", "failure", "ignored", False),
        ("idle_closed", "ignored", "ignored", False),
        ("transport_late", "failure", "ignored", False),
        ("timeout", "failure", "ignored", False),
        ("invalid", "failure", "ignored", False),
        ("certificate", "failure", "ignored", False),
        ("local", "ignored", "ignored", False),
    ],
)
def test_the_table(outcome: str, health: str, key: str, passes: bool) -> None:
    rule = RULES[Outcome(outcome)]
    assert (rule.health, rule.key, rule.passes) == (Verdict(health), Verdict(key), passes)
