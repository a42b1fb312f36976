"""URLs of the shared store."""

from __future__ import annotations

import pytest

from stock_service.cache.shared_address import Address, Topology, parse_address

SINGLE, SENTINEL, CLUSTER = Topology.SINGLE, Topology.SENTINEL, Topology.CLUSTER


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address(SINGLE, (("cache", 6379),))),
        ("valkey://cache:7000/3", Address(SINGLE, (("cache", 7000),), database=3)),
        ("rediss://cache", Address(SINGLE, (("cache", 6379),), tls=True)),
        ("valkeys://cache", Address(SINGLE, (("cache", 6379),), tls=True)),
        ("valkey://app:p%40ss@cache", Address(SINGLE, (("cache", 6379),), user="app", password="p@ss")),
        ("valkey://:secret@cache", Address(SINGLE, (("cache", 6379),), password="secret")),
        ("valkey://[::1]:7000", Address(SINGLE, (("::1", 7000),))),
        ("valkey://a:1,b:2?cluster=true", Address(CLUSTER, (("a", 1), ("b", 2)))),
        (
            "valkey+sentinel://a,b:2/mymaster/1",
            Address(SENTINEL, (("a", 26379), ("b", 2)), database=1, service="mymaster"),
        ),
        ("rediss+sentinel://a/m", Address(SENTINEL, (("a", 26379),), tls=True, service="m")),
    ],
)
def test_a_url_says_where_the_store_is(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://cache",
        "valkey+other://cache",
        "valkey://",
        "valkey://cache:port",
        "valkey://a,b",
        "valkey://cache/name",
        "valkey://cache/1/2",
        "valkey://cache/1?cluster=true",
        "valkey://cache?cluster=maybe",
        "valkey+sentinel://a/m?cluster=true",
        "valkey+sentinel://a",
        "valkey://cache?socket_timeout=9",
    ],
)
def test_a_faulty_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|knows|takes|names|may|has)") as refusal:
        parse_address(url.replace("://", "://app:hunter2@"))
    assert "hunter2" not in str(refusal.value)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(parse_address("valkey://app:hunter2@cache"))
