"""Validators, codings, origins and routes: the pure parts of answering."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from stock_service.config.load import ConfigFaulty, load_settings
from stock_service.vendor.links import point_links
from stock_service.web.conditional import accepts_gzip, matches_etag
from stock_service.web.origin import client_origin, local_authority, valid_host
from stock_service.web.routes import Part, part_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b", "a"', True),
        (b'"b",W/"a" ', True),
        (b"*", True),
        (b'"b"', False),
        (b'"aa"', False),
        (b"a", False),
        (b"", False),
    ],
)
def test_if_none_match(value: bytes, expected: bool) -> None:
    assert matches_etag(value, b'"a"') is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"gzip", True),
        (b"GZIP", True),
        (b"gzip, deflate, br", True),
        (b"br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        (b"*", True),
        (b"x-gzip", True),
        (b"", False),
        (b"identity", False),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000", False),
        (b"*;q=0", False),
        (b"*;q=0, gzip", True),
        (b"*, gzip;q=0", False),
        (b"gzip;q=0.5, identity", False),
        (b"gzip;q=nonsense", False),
        (b"deflate, br", False),
    ],
)
def test_accept_encoding(value: bytes, expected: bool) -> None:
    assert accepts_gzip(value) is expected


HOST = (b"host", b"gw.example:8080")
FORWARDED = ((b"x-forwarded-host", b"data.example"), (b"x-forwarded-proto", b"https"))
TRUSTED = (ip_network("10.0.0.0/8"),)


def test_links_point_where_the_client_came_in() -> None:
    assert client_origin((HOST,), "http", b"l:1", "10.1.1.1", "", ()) == b"http://gw.example:8080"


def test_forwarding_headers_count_only_from_trusted_peers() -> None:
    headers = (HOST, *FORWARDED)
    assert client_origin(headers, "http", b"l:1", "10.1.1.1", "", TRUSTED) == b"https://data.example"
    assert client_origin(headers, "http", b"l:1", "192.0.2.1", "", TRUSTED) == b"http://gw.example:8080"


def test_a_trusted_peer_is_known_by_its_ipv4_address_on_a_socket_of_both_families() -> None:
    """Listening on `::`, the kernel names it `::ffff:10.1.1.1`."""
    headers = (HOST, *FORWARDED)
    assert client_origin(headers, "http", b"l:1", "::ffff:10.1.1.1", "", TRUSTED) == b"https://data.example"
    for stranger in ("::ffff:192.0.2.1", "::10.1.1.1", "2001:db8::1"):
        assert client_origin(headers, "http", b"l:1", stranger, "", TRUSTED) == b"http://gw.example:8080"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (("127.0.0.1", 8080), b"127.0.0.1:8080"),
        (("::1", 8080), b"[::1]:8080"),
        (("::ffff:127.0.0.1", 80), b"[::ffff:127.0.0.1]:80"),
        (None, b"localhost"),
    ],
)
def test_the_address_that_stands_in_for_a_host_can_stand_in_a_link(
    server: tuple[str, int] | None, expected: bytes
) -> None:
    assert local_authority(server) == expected
    assert valid_host(expected)


def test_public_url_wins() -> None:
    assert client_origin((HOST,), "http", b"l:1", "", "https://md.example", ()) == b"https://md.example"


@pytest.mark.parametrize("public_url", ["https://md.example", "HTTP://MD.example:81/", "https://[2001:db8::1]", ""])
def test_every_public_url_the_settings_take_can_stand_in_a_link(public_url: str) -> None:
    settings = load_settings(env={"STOCKS_SERVER__PUBLIC_URL": public_url}).settings
    origin = client_origin((HOST,), "http", b"l:1", "", settings.server.public_url, ())
    assert point_links(b'"@/x"', ((1, 2),), origin) == b'"%b/x"' % origin


def test_a_public_url_with_a_path_is_refused_at_start() -> None:
    """The vendor's Python client puts its own address before the path of a link: a path there would stand twice."""
    with pytest.raises(ConfigFaulty, match=r"server.public_url .* without user, path"):
        load_settings(env={"STOCKS_SERVER__PUBLIC_URL": "https://md.example/stocks"})


@pytest.mark.parametrize("host", [b'evil"><', b"a b", b"", b"user@host", b"host/path"])
def test_unusable_host_never_reaches_a_link(host: bytes) -> None:
    assert not valid_host(host)


def test_no_host_is_longer_than_a_name_can_be() -> None:
    """Links with it are kept in copies of an answer, and the cache counts none of its bytes."""
    longest = b".".join([b"a" * 63] * 4)[:253]
    for host in (longest, longest + b":65535"):
        assert valid_host(host)
    for host in (longest + b"a", longest + b"a:65535", b"a" * 30_000, b"[" + b"0" * 30_000 + b"]"):
        assert not valid_host(host)
    assert client_origin(((b"host", host),), "http", b"127.0.0.1:8080", "", "", ()) == b"http://127.0.0.1:8080"


def test_first_of_two_hosts_counts() -> None:
    headers = ((b"host", b"a"), (b"host", b"b"))
    assert client_origin(headers, "http", b"l:1", "", "", ()) == b"http://a"


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v2/aggs/ticker/AAPL/prev", Part.GATEWAY),
        ("/vX/reference/financials", Part.GATEWAY),
        ("/futures/v1/products", Part.GATEWAY),
        ("/futures/vX/products", Part.GATEWAY),
        ("/stocks/filings/10-K/vX/sections", Part.GATEWAY),
        ("/benzinga/v2/news", Part.GATEWAY),
        ("/v99/brand/new", Part.GATEWAY),
        ("/stocks/dev/trades/AAPL", Part.GATEWAY),
        ("/stocks/filings/10-K/vX_0/sections", Part.GATEWAY),
        ("/api/stocks/AAPL", Part.API),
        ("/api/v1/x", Part.API),
        ("/admin/circuit-breaker", Part.ADMIN),
        ("/health", Part.OPS),
        ("/", Part.OPS),
        ("/metrics", Part.OPS),
        ("/favicon.ico", Part.NOBODY),
        ("/version", Part.NOBODY),
        ("/a/b/c/d/v1", Part.NOBODY),
        ("/healthz", Part.NOBODY),
        ("", Part.NOBODY),
    ],
)
def test_parts(path: str, part: Part) -> None:
    assert part_of(path) is part
