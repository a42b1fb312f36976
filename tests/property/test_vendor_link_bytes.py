"""Pointing links changes vendor origins in JSON string values and no other byte."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stock_service.vendor.links import clean_body, find_links, point_links, vendor_origins
from stock_service.vendor.payloads import inspect_body

ORIGINS = vendor_origins("http://127.0.0.1:9999")
GATEWAY = "http://gw.internal:8080"
VENDOR = re.compile(
    r"(https://api\.polygon\.io(:443)?|https://api\.massive\.com(:443)?|http://127\.0\.0\.1:9999)(?=[/?]|\Z)",
    re.IGNORECASE,
)

vendor_links = st.builds(
    str.__add__,
    st.sampled_from(["https://api.polygon.io", "HTTPS://API.massive.com:443", "http://127.0.0.1:9999"]),
    st.sampled_from(["", "/", "/v2/x?cursor=a", "?a=b", '/"quoted"', "/back\\slash", "/é"]),
)
foreign_links = st.sampled_from(
    [
        "https://api.polygon.io.evil.com/",
        "https://api.polygon.io:444/",
        "https://u@api.polygon.io/",
        "https://api.polygon.io@evil.com/",
        "https://api.polygon.io#/",
        "http://api.polygon.io/",
        "https://evil.com/https://api.polygon.io/",
        'a "https://api.polygon.io/"',
        "//api.polygon.io/",
        " https://api.polygon.io/",
    ]
)
strings = st.one_of(vendor_links, foreign_links, st.text('ah:/\\"\x00é😀', max_size=12))
documents = st.recursive(
    st.one_of(strings, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(strings, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Return a document written the way some JSON encoder writes it."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    text = json.dumps(draw(documents), ensure_ascii=draw(st.booleans()), separators=separators)
    return (text.replace("/", "\\/") if draw(st.booleans()) else text).encode()


def repointed(document: Any) -> Any:
    """Return what a parsed document must become; keys stay."""
    match document:
        case str():
            return VENDOR.sub(GATEWAY, document, count=1) if VENDOR.match(document) else document
        case list():
            return [repointed(item) for item in document]
        case dict():
            return {key: repointed(item) for key, item in document.items()}
        case _:
            return document


@given(bodies())
def test_exactly_the_vendor_links_of_a_document_change(body: bytes) -> None:
    pointed = point_links(body, find_links(body, ORIGINS), GATEWAY.encode())
    assert json.loads(pointed) == repointed(json.loads(body))


@given(bodies())
def test_everything_outside_the_spans_is_byte_identical(body: bytes) -> None:
    spans = find_links(body, ORIGINS)
    pointed = point_links(body, spans, GATEWAY.encode())
    outside = []
    done = 0
    for start, end in spans:
        outside.append(body[done:start])
        done = end
    outside.append(body[done:])
    origin = rb"http:(?:/|\\/){2}gw\.internal:8080"
    assert re.fullmatch(origin.join(re.escape(part) for part in outside), pointed, re.DOTALL)


@given(bodies())
def test_a_pointed_body_has_no_vendor_link_left(body: bytes) -> None:
    pointed = point_links(body, find_links(body, ORIGINS), GATEWAY.encode())
    assert find_links(pointed, ORIGINS) == ()


@given(st.dictionaries(st.sampled_from(["next_url", 'x"next_url', "a", "b"]), st.sampled_from(["", "x", "next_url"])))
def test_cleaning_drops_empty_next_pages_and_nothing_else(document: dict[str, str]) -> None:
    cleaned = json.loads(clean_body(json.dumps(document).encode(), ORIGINS))
    assert cleaned == {key: value for key, value in document.items() if (key, value) != ("next_url", "")}


@given(bodies())
def test_cleaning_what_is_clean_changes_no_byte(body: bytes) -> None:
    assert clean_body(body, ORIGINS) == body


FRAGMENTS = [
    b'"',
    b"\\",
    b"/",
    b"//",
    b"https:",
    b'"https://api.polygon.io',
    b'"next_url"',
    b":",
    b'""',
    b",",
    b"?apiKey=",
    b"&",
]


@given(st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join)))
def test_no_bytes_break_the_scanners(body: bytes) -> None:
    spans = find_links(body, ORIGINS)
    point_links(body, spans, GATEWAY.encode())
    clean_body(body, ORIGINS)
    inspect_body(200, "application/json", body)
    assert list(spans) == sorted(spans)
    assert all(VENDOR.fullmatch(body[start:end].decode().replace("\\/", "/")) for start, end in spans)
