"""What `/openapi.json` says of our API is what a running service answers, errors included."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import jsonschema
import pytest

from stock_service.web.api_table import OPERATIONS, Operation
from tests.support.running import Pair, running_pair


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        yield running


@pytest.fixture(scope="module")
def document(pair: Pair) -> dict[str, Any]:
    _, _, body = get(pair, "/openapi.json")
    found: dict[str, Any] = json.loads(body)
    return found


def get(pair: Pair, target: str) -> tuple[str, str, bytes]:
    """Return status, media type and body."""
    try:
        with urllib.request.urlopen(pair.gateway.url + target) as answer:
            return str(answer.status), answer.headers.get_content_type(), answer.read()
    except HTTPError as error:
        with error:
            return str(error.code), error.headers.get_content_type(), error.read()


def check(document: dict[str, Any], template: str, status: str, media: str, body: bytes) -> None:
    """Raise when the document does not describe this answer."""
    content = document["paths"][template]["get"]["responses"][status]["content"]
    described = {name.partition(";")[0]: each["schema"] for name, each in content.items()}
    schema = described[media]
    if media.endswith("json"):
        jsonschema.validate(json.loads(body), {**schema, "components": document["components"]})


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.route)
def test_the_example_of_a_route_is_answered_as_described(
    pair: Pair, document: dict[str, Any], operation: Operation
) -> None:
    for target in {operation.example, operation.example.replace("format=csv", "format=json")}:
        status, media, body = get(pair, target)
        assert status == "200"
        check(document, operation.template, status, media, body)


@pytest.mark.parametrize(
    ("template", "target", "status"),
    [
        ("/api/stocks", "/api/stocks", "400"),
        ("/api/stocks/{symbol}", "/api/stocks/ZZZQ", "404"),
        ("/api/stocks/{symbol}/bars", "/api/stocks/AAPL/bars?from=2024-01-02&to=2024-01-01", "400"),
        ("/api/stocks/{symbol}/average", "/api/stocks/AAPL/average?days=0", "400"),
        ("/api/stocks/{symbol}/quality", "/api/stocks/AAPL/quality?from=2024-01-02&to=2024-01-05&every=1w", "400"),
        ("/api/market", "/api/market?x=1", "400"),
    ],
)
def test_an_error_is_a_problem_as_described(
    pair: Pair, document: dict[str, Any], template: str, target: str, status: str
) -> None:
    got, media, body = get(pair, target)
    assert (got, media) == (status, "application/problem+json")
    check(document, template, got, media, body)


def test_an_answer_that_is_not_described_is_noticed(document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(document, "/api/stocks/{symbol}", "200", "application/json", b'{"symbol":"AAPL"}')
