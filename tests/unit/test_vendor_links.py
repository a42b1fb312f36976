"""Links to the vendor are pointed at the gateway; every other byte stays."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from stock_service.vendor.links import (
    VENDOR_ORIGINS,
    clean_body,
    find_links,
    follow_target,
    point_links,
    vendor_origins,
)

ORIGINS = vendor_origins("http://127.0.0.1:9999")
GATEWAY = b"http://gw.internal:8080"


def pointed(body: bytes) -> bytes:
    return point_links(body, find_links(body, ORIGINS), GATEWAY)


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("https://api.polygon.io/v2/x?cursor=a", "http://gw.internal:8080/v2/x?cursor=a"),
        ("https://api.massive.com/v2/x", "http://gw.internal:8080/v2/x"),
        (
            "https://api.massive.com:443/v2/reference/news?cursor=a",
            "http://gw.internal:8080/v2/reference/news?cursor=a",
        ),
        ("http://127.0.0.1:9999/v2", "http://gw.internal:8080/v2"),
        ("HTTPS://API.Polygon.IO/v2", "http://gw.internal:8080/v2"),
        ("https://api.polygon.io?x=1", "http://gw.internal:8080?x=1"),
        ("https://api.polygon.io", "http://gw.internal:8080"),
        ("https:\\/\\/api.polygon.io\\/v2", "http:\\/\\/gw.internal:8080\\/v2"),
        ("https:/\\/api.polygon.io/v2", "http:\\/\\/gw.internal:8080/v2"),
    ],
)
def test_a_vendor_link_gets_the_clients_origin(link: str, becomes: str) -> None:
    body = '{"a": [1, {"url": "%s"}], "b": "kept"}'
    assert pointed((body % link).encode()) == (body % becomes).encode()


@pytest.mark.parametrize(
    "text",
    [
        '"https://api.polygon.io.evil.com/"',
        '"https://api.polygon.io:444/"',
        '"http://api.polygon.io/"',
        '"https://user@api.polygon.io/"',
        '"https://api.polygon.io@evil.com/"',
        '"https://api.polygon.io#@evil.com/"',
        '"https://api.polygon.io\\\\@evil.com/"',
        '"https://api.polygon.io\\u002f"',
        '"https://xapi.polygon.io/"',
        '"https://api-polygon.io/"',
        '"ftp://api.polygon.io/"',
        '"//api.polygon.io/"',
        '"see https://api.polygon.io/docs"',
        '"say \\"https://api.polygon.io/docs\\""',
        '"https://www.fool.com/?from=https://api.polygon.io/"',
        '{"https://api.polygon.io/a key": 1}',
        '{"https:\\/\\/api.polygon.io/a \\"key\\"" : 1}',
    ],
)
def test_what_is_not_a_vendor_link_is_left_alone(text: str) -> None:
    body = f'{{"x": {text}}}'.encode()
    json.loads(body)
    assert find_links(body, ORIGINS) == ()


def test_links_are_found_in_order_and_do_not_overlap() -> None:
    body = (
        b'["https://api.polygon.io/1","https:\\/\\/api.massive.com\\/2","https://evil.com/","http://127.0.0.1:9999/3"]'
    )
    spans = find_links(body, ORIGINS)
    assert [body[start:end] for start, end in spans] == [
        b"https://api.polygon.io",
        b"https:\\/\\/api.massive.com",
        b"http://127.0.0.1:9999",
    ]
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_a_prefix_of_a_configured_port_is_another_origin() -> None:
    assert find_links(b'["http://127.0.0.1:999/"]', ORIGINS) == ()
    assert len(find_links(b'["http://127.0.0.1:9999/"]', vendor_origins("http://127.0.0.1:999") | ORIGINS)) == 1


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.polygon.io", b"https://api.polygon.io"),
        ("HTTPS://Vendor.Example:443/", b"https://vendor.example"),
        ("http://vendor.example:80", b"http://vendor.example"),
        ("https://vendor.example:80", b"https://vendor.example:80"),
        ("http://[::1]:7000", b"http://[::1]:7000"),
    ],
)
def test_origins_are_both_names_of_the_vendor_and_the_configured_one(url: str, origin: bytes) -> None:
    assert vendor_origins(url) == VENDOR_ORIGINS | {origin}


@pytest.mark.parametrize(
    "origin", [b'http://gw"', b"http://gw/", b"gw:8080", b"http://gw\\", b"http://g w", b"http://"]
)
def test_only_an_origin_may_be_put_into_a_body(origin: bytes) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        point_links(b'["https://api.polygon.io/"]', ((2, 24),), origin)


@pytest.mark.parametrize(
    ("body", "cleaned"),
    [
        (b'{"a":1,"next_url":""}', b'{"a":1}'),
        (b'{"a":1 , "next_url" : "" , "b":2}', b'{"a":1  , "b":2}'),
        (b'{"next_url":"","a":1}', b'{"a":1}'),
        (b'{"next_url":""}', b"{}"),
        (b'{"next_url":null,"a":1}', b'{"a":1}'),
        (b'{"next_url":"","next_url":"","b":2}', b'{"b":2}'),
        (b'{"a":1,"next_url":"","next_url":""}', b'{"a":1}'),
    ],
)
def test_an_empty_next_url_is_dropped(body: bytes, cleaned: bytes) -> None:
    """A blank one makes the official client ask for `/`."""
    assert clean_body(body).replace(b" ", b"") == cleaned.replace(b" ", b"")
    json.loads(clean_body(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"next_url":"https://api.polygon.io/v3/x?cursor=a"}',
        b'{"a\\"next_url":""}',
        b'{"a":"\\"next_url\\":\\"\\""}',
        b'{"a":"next_url"}',
        b'{"url":"https://evil.com/?apiKey=theirs"}',
        b'{"url":"https://api.polygon.io.evil.com/?apiKey=theirs"}',
        b'{"text":"put ?apiKey= at the end"}',
        b"",
    ],
)
def test_a_clean_body_stays_the_same(body: bytes) -> None:
    assert clean_body(body) == body


@pytest.mark.parametrize(
    ("query", "cleaned"),
    [
        (b"?apiKey=SECRET", b""),
        (b"?cursor=a&apiKey=SECRET", b"?cursor=a"),
        (b"?apiKey=SECRET&cursor=a", b"?cursor=a"),
        (b"?apiKey=SECRET\\u0026apiKey=SECRET\\u0026cursor=a", b"?cursor=a"),
        (b"?cursor=a\\u0026apiKey=SEC\\/RET\\u0026limit=1", b"?cursor=a\\u0026limit=1"),
        (b"?cursor=a&apiKey=SECRET#top", b"?cursor=a#top"),
    ],
)
def test_a_credential_in_a_vendor_link_is_removed(query: bytes, cleaned: bytes) -> None:
    body = b'{"other":"https://evil.com/?apiKey=1","next_url":"https://api.polygon.io/v3/x%b","z":[]}'
    assert clean_body(body % query) == body % cleaned


@pytest.mark.parametrize(
    ("next_url", "target"),
    [
        ("https://api.polygon.io/v3/x?cursor=a%3D&limit=5", "/v3/x?cursor=a%3D&limit=5"),
        ("https://api.massive.com:443/v3/x?cursor=a", "/v3/x?cursor=a"),
        ("http://127.0.0.1:9999/v3/x", "/v3/x"),
        ("https://api.polygon.io/v3/x?cursor=a&apiKey=SECRET", "/v3/x?cursor=a"),
        ("https://api.polygon.io/v3/x?cursor=a#part", "/v3/x?cursor=a"),
        ("https://api.polygon.io", "/"),
        ("https://api.polygon.io?cursor=a", "/?cursor=a"),
        ("/v3/x?cursor=a", "/v3/x?cursor=a"),
        ("https://evil.com/v3/x", None),
        ("https://api.polygon.io@evil.com/", None),
        ("https://api.polygon.io:444/", None),
        ("http://api.polygon.io/v3", None),
        ("https://api.polygon.io//evil.com/", None),
        ("https://api.polygon.io/\\evil.com/", None),
        ("https://api.polygon.io/a b", None),
        ("https://api.polygon.io/a\r\nHost: evil", None),
        ("https://api.polygon.io/é", None),
        ("//evil.com/", None),
        ("v3/x", None),
        ("", None),
    ],
)
def test_only_the_vendors_own_next_page_is_followed(next_url: str, target: str | None) -> None:
    """Asking anyone else would hand our credential to a stranger."""
    assert follow_target(next_url, ORIGINS) == target


@pytest.mark.parametrize(
    "piece",
    [
        b"/",
        b"\\/",
        b'"https:',
        b'"https://api.polygon.io/',
        b'"next_url" ',
        b'"next_url":"" ',
        b'"https://api.polygon.io/?apiKey=',
        b"&apiKey=",
    ],
)
def test_a_hostile_mebibyte_is_scanned_once(piece: bytes) -> None:
    """Anything worse than linear would take minutes here."""
    body = piece * (1_048_576 // len(piece))
    assert len(find_links(body, ORIGINS)) <= len(body) // len(piece)
    assert len(clean_body(body, ORIGINS)) <= len(body)
