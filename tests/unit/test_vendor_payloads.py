"""What a body says about itself, and what we say in the vendor's voice."""

from __future__ import annotations

import json

import pytest

from stock_service.base.errors import VendorFailed
from stock_service.vendor.payloads import Bar, BodyFacts, Form, Refusal, decode_bars, error_body, inspect_body

JSON = "application/json; charset=utf-8"
BAR = '{"v":1234.5,"vw":150.1,"o":150,"c":150.2,"h":151,"l":149.9,"t":1704776400000,"n":12}'


def inspected(body: str, status: int = 200) -> BodyFacts:
    return inspect_body(status, JSON, body.encode())


def test_the_envelope_is_read() -> None:
    body = f'{{"status":"DELAYED","request_id":"r1","results":[{BAR},{BAR}],"next_url":"https://api.polygon.io/x"}}'
    assert inspected(body) == BodyFacts(Form.OBJECT, "DELAYED", 2)


@pytest.mark.parametrize(
    ("body", "results"),
    [
        ('{"results":[]}', 0),
        ('{"results":null}', 0),
        ('{"resultsCount":0}', 0),
        ('{"count":0}', 0),
        ('{"resultsCount":5}', None),
        ('{"market":"open"}', None),
        ('{"results":[1,"two",null,[4],{}]}', 5),
        ('{"results":{"p":1}}', 1),
        ('{"results":{"underlying":{"url":"x"},"values":[{},{}]}}', 2),
        ('{"results":{"underlying":{"url":"x"}}}', 0),
        ('{"results":{"values":null}}', 0),
        ('{"results":"odd"}', 1),
        ('{"tickers":[{},{},{}]}', 3),
        ('{"ticks":[{}]}', 1),
        ("[{},{}]", 2),
        ("[]", 0),
    ],
)
def test_the_entries_are_counted_wherever_the_route_lists_them(body: str, results: int | None) -> None:
    assert inspected(body).results == results


@pytest.mark.parametrize(
    ("body", "content_type", "form"),
    [
        (b' \n{"a":1}', JSON, Form.OBJECT),
        (b"[1]", JSON, Form.LIST),
        (b'{"a":1}', "", Form.OBJECT),
        (b"", JSON, Form.BROKEN),
        (b'{"results":[{"v":1},', JSON, Form.BROKEN),
        (b"[1,2", JSON, Form.BROKEN),
        (b"<html>502</html>", JSON, Form.BROKEN),
        (b'"text"', JSON, Form.BROKEN),
        (b'{"status":"\xff"}', JSON, Form.BROKEN),
        (b'{"results":' + b"[" * 100_000, JSON, Form.BROKEN),
        (b'{"results":' + b'{"values":' * 100_000, JSON, Form.BROKEN),
        (b"<html>502</html>", "text/html", Form.OTHER),
        (b"ticker,name\nAAPL,Apple\n", "text/csv", Form.OTHER),
        (b"404 page not found", "text/plain", Form.OTHER),
        (b"\x89PNG", "image/png", Form.OTHER),
    ],
)
def test_the_form_tells_an_answer_from_wreckage(body: bytes, content_type: str, form: Form) -> None:
    assert inspect_body(200, content_type, body).form is form


@pytest.mark.parametrize(
    ("body", "is_error", "error"),
    [
        ('{"status":"ERROR","request_id":"r","error":"boom"}', True, "boom"),
        ('{"status":"NOT_FOUND","message":"Ticker not found."}', True, "Ticker not found."),
        ('{"status":"NOT_AUTHORIZED","message":"no"}', True, "no"),
        ('{"status":"OK","error":{"code":1}}', False, ""),
        ('{"status":"success"}', False, ""),
        ('{"status":404,"error":null,"message":"m"}', False, "m"),
    ],
)
def test_an_error_is_seen_in_the_envelope_whatever_the_http_status(body: str, is_error: bool, error: str) -> None:
    facts = inspected(body)
    assert (facts.is_error, facts.error) == (is_error, error)


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (401, '{"status":"ERROR","error":"Unknown API Key"}', Refusal.BAD_KEY),
        (401, "", Refusal.BAD_KEY),
        (403, '{"status":"ERROR","error":"Unknown API Key"}', Refusal.BAD_KEY),
        (403, '{"message":"You are not entitled to this data. Please upgrade your plan at …"}', Refusal.NOT_ENTITLED),
        (403, '{"message":"Your plan doesn\'t include this data timeframe."}', Refusal.TIMEFRAME),
        (403, '{"message":"Attempted to request today\'s data before end of day."}', Refusal.BEFORE_END_OF_DAY),
        (403, "<html>", Refusal.NOT_ENTITLED),
        (403, "[]", Refusal.NOT_ENTITLED),
        (404, '{"message":"Unknown API Key"}', None),
        (200, "{}", None),
    ],
)
def test_the_text_of_a_refusal_tells_its_kind(status: int, body: str, refusal: Refusal | None) -> None:
    assert inspected(body, status).refusal is refusal


def test_the_message_of_a_429_is_kept() -> None:
    body = '{"status":"ERROR","request_id":"r","error":"You\'ve exceeded the maximum requests per minute"}'
    assert inspected(body, 429).error.startswith("You've exceeded")
    assert inspect_body(429, "", b"") == BodyFacts(Form.OTHER)


def test_bars_are_rows_of_floats_with_optional_members() -> None:
    page = decode_bars(f'{{"results":[{BAR},{{"t":1,"o":1,"h":1,"l":1,"c":1}}],"next_url":"u","x":[]}}'.encode())
    assert page.next_url == "u"
    assert page.results[0] == Bar(1704776400000.0, 150.0, 151.0, 149.9, 150.2, 1234.5, 150.1, 12.0)
    assert page.results[1] == Bar(1.0, 1.0, 1.0, 1.0, 1.0, 0.0, None, None)
    assert isinstance(page.results[0].n, float)


@pytest.mark.parametrize("body", [b"{}", b'{"results":null,"next_url":null}', b'{"resultsCount":0,"results":[]}'])
def test_a_page_without_bars_is_empty(body: bytes) -> None:
    page = decode_bars(body)
    assert (page.results, page.next_url) == ([], "")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"results":[{"t":1}]}', b'{"results":[{"t":"x"}]}', b'{"results":[\xff]}']
)
def test_a_body_that_is_no_page_of_bars_is_the_vendors_failure(body: bytes) -> None:
    with pytest.raises(VendorFailed) as failure:
        decode_bars(body)
    assert failure.value.kind == "invalid"


@pytest.mark.parametrize(
    ("word", "member"), [("ERROR", "error"), ("NOT_FOUND", "message"), ("NOT_AUTHORIZED", "message")]
)
def test_an_error_body_has_the_vendors_shape_and_reads_back(word: str, member: str) -> None:
    body = error_body(word, 'say "no"\n', "r1")
    assert json.loads(body) == {"status": word, "request_id": "r1", member: 'say "no"\n'}
    facts = inspect_body(400, JSON, body)
    assert (facts.status_word, facts.error) == (word, 'say "no"\n')
