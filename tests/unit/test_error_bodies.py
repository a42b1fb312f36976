"""Every error of the family in both shapes, and the page that lists them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from stock_service.base import errors
from stock_service.base.errors import (
    BadRequest,
    Broken,
    CircuitOpen,
    ClientLimited,
    CredentialRefused,
    KeysFixed,
    NotAllowed,
    NotCached,
    NotFound,
    NotRecorded,
    Overloaded,
    QuotaSpent,
    ServiceError,
    Unavailable,
    VendorFailed,
    VendorRefused,
    VendorSlow,
    WrongMethod,
)
from stock_service.web.error_bodies import PROBLEM_PREFIX, ErrorAnswer, problem, vendor_error

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

# error, status, seconds of Retry-After, stable name, the vendor's word
CASES: list[tuple[ServiceError, int, int | None, str, str]] = [
    (BadRequest("limit", "is above 50000", "ask for less"), 400, None, "bad-request", "ERROR"),
    (NotFound("symbol", "ZZZZ"), 404, None, "not-found", "NOT_FOUND"),
    (NotFound("route", "/nothing"), 404, None, "not-found", "NOT_FOUND"),
    (NotAllowed("missing"), 401, None, "key-missing", "ERROR"),
    (NotAllowed("unknown"), 401, None, "key-unknown", "ERROR"),
    (NotAllowed("expired"), 401, None, "key-expired", "ERROR"),
    (NotAllowed("revoked"), 401, None, "key-revoked", "ERROR"),
    (NotAllowed("admin-only"), 403, None, "admin-only", "NOT_AUTHORIZED"),
    (WrongMethod("GET", "HEAD"), 405, None, "method-not-allowed", "ERROR"),
    (Broken(), 500, None, "internal", "ERROR"),
    (ClientLimited(0.01), 429, 1, "client-limited", "ERROR"),
    (QuotaSpent(12.2), 429, 13, "quota-spent", "ERROR"),
    (CircuitOpen(5.0), 503, 5, "circuit-open", "ERROR"),
    (CredentialRefused(401), 502, None, "credential-refused", "ERROR"),
    (CredentialRefused(403, 59.5), 503, 60, "credential-refused", "ERROR"),
    (VendorSlow(8.25), 504, None, "vendor-slow", "ERROR"),
    (VendorFailed("invalid"), 502, None, "vendor-failed", "ERROR"),
    (VendorFailed("too_large"), 502, None, "vendor-failed", "ERROR"),
    (VendorFailed("server", 500, 3.0), 502, None, "vendor-failed", "ERROR"),
    (VendorFailed("server", 503), 502, None, "vendor-failed", "ERROR"),
    (VendorFailed("server", 503, 1.5), 503, 2, "vendor-failed", "ERROR"),
    (VendorRefused(403, "not in the plan"), 403, None, "vendor-refused", "NOT_AUTHORIZED"),
    (VendorRefused(400, "bad range"), 400, None, "vendor-refused", "ERROR"),
    (VendorRefused(401, "key"), 502, None, "vendor-refused", "ERROR"),
    (VendorRefused(200, "odd"), 502, None, "vendor-refused", "ERROR"),
    (NotCached(), 504, None, "not-cached", "ERROR"),
    (NotRecorded("/v3/x"), 501, None, "not-recorded", "ERROR"),
    (Overloaded("requests"), 503, 1, "overloaded", "ERROR"),
    (KeysFixed("read-only"), 409, None, "keys-fixed", "ERROR"),
    (KeysFixed("faulty"), 409, None, "keys-fixed", "ERROR"),
    (Unavailable("draining", 4.1), 503, 5, "unavailable", "ERROR"),
]
IDS = [f"{type(case[0]).__name__}-{case[1]}-{number}" for number, case in enumerate(CASES)]


def header(answer: ErrorAnswer, name: bytes) -> bytes | None:
    values = [value for key, value in answer.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


def test_every_class_of_the_family_is_among_the_cases() -> None:
    family = {
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, ServiceError) and each is not ServiceError
    }
    assert family == {type(error) for error, *_ in CASES}


@pytest.mark.parametrize(("error", "status", "wait", "slug", "word"), CASES, ids=IDS)
def test_an_error_has_its_status_its_wait_and_the_shape_of_its_audience(
    error: ServiceError, status: int, wait: int | None, slug: str, word: str
) -> None:
    shaped, ours = vendor_error(error, "r-1"), problem(error, "r-1")
    assert [answer.status for answer in (shaped, ours)] == [status, status]
    for answer in (shaped, ours):
        assert header(answer, b"retry-after") == (None if wait is None else b"%d" % wait)
        assert (header(answer, b"www-authenticate") is not None) is (status == 401)
    assert header(shaped, b"content-type") == b"application/json"
    body: dict[str, Any] = json.loads(shaped.body)
    assert set(body) == {"status", "request_id", "error" if word == "ERROR" else "message"}
    assert (body["status"], body["request_id"]) == (word, "r-1")
    assert header(ours, b"content-type") == b"application/problem+json"
    told: dict[str, Any] = json.loads(ours.body)
    assert (told["type"], told["status"], told["request_id"]) == (PROBLEM_PREFIX + slug, status, "r-1")
    assert told["detail"] in body.values()
    assert told.get("retry_after") == wait


@pytest.mark.parametrize(("error", "status", "wait", "slug", "word"), CASES, ids=IDS)
def test_the_page_of_errors_has_a_row_for_it(
    error: ServiceError, status: int, wait: int | None, slug: str, word: str
) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|") and f"`{slug}`" in line]
    assert [row for row in rows if str(status) in row.split("|")[2]]
    assert all(("yes" in row.split("|")[4]) is (wait is not None) for row in rows if f" {status} " in row)


def test_the_page_names_no_error_that_does_not_exist() -> None:
    lines = PAGE.read_text().split("## Other refusals", maxsplit=1)[0].splitlines()
    named = {line.split("|")[1].strip().strip("`") for line in lines if line.startswith("| `")}
    assert named == {slug for _, _, _, slug, _ in CASES}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5.0, b"1"), (0.0, b"1"), (1.0, b"1"), (1.0001, b"2"), (1e12, b"86400"), (float("inf"), b"86400")],
)
def test_the_wait_is_whole_never_early_never_zero_and_bounded(seconds: float, shown: bytes) -> None:
    assert header(vendor_error(QuotaSpent(seconds), "r"), b"retry-after") == shown
    assert header(vendor_error(QuotaSpent(float("nan")), "r"), b"retry-after") == b"86400"


def test_a_bad_request_names_the_part_the_fault_and_the_cure() -> None:
    told = json.loads(problem(BadRequest("limit", "is above 50000", "ask for less"), "r").body)
    assert told["detail"] == "limit: is above 50000; ask for less"
    assert (told["field"], told["problem"], told["hint"]) == ("limit", "is above 50000", "ask for less")
    assert "hint" not in json.loads(problem(BadRequest("limit", "is above 50000"), "r").body)


def test_odd_text_of_a_client_or_the_vendor_is_bounded_and_stays_json() -> None:
    odd = 'a"\\\n\x00\udcff<script>' + "x" * 10_000
    for error in (NotFound("route", odd), BadRequest(odd, odd, odd), VendorRefused(400, odd)):
        for answer in (vendor_error(error, "r"), problem(error, "r")):
            assert len(json.loads(answer.body)["request_id"]) == 1
            assert len(answer.body) < 8_000
