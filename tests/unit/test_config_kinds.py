"""Units, lists, addresses and secrets as an operator writes them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.config import kinds
from stock_service.config.kinds import Kind, write_duration, write_size
from stock_service.config.secret import Secret


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (kinds.duration(), "750ms", 0.75),
        (kinds.duration(), "30s", 30.0),
        (kinds.duration(), " 5m ", 300.0),
        (kinds.duration(), "1h", 3600.0),
        (kinds.duration(), "1.5s", 1.5),
        (kinds.duration(), "0", 0.0),
        (kinds.duration(), 0, 0.0),
        (kinds.duration(), "1d", 86_400.0),
        (kinds.size("1B", "64GiB"), "64MiB", 64 * 2**20),
        (kinds.size("1B", "64GiB"), "10MB", 10_000_000),
        (kinds.size("1B", "64GiB"), "0.5GiB", 2**29),
        (kinds.size("1B", "64GiB"), "4096", 4096),
        (kinds.size("1B", "64GiB"), 4096, 4096),
        (kinds.whole(0, 65_535), "8080", 8080),
        (kinds.whole(0, 65_535), 0, 0),
        (kinds.switch(), "Yes", True),
        (kinds.switch(), "off", False),
        (kinds.switch(), True, True),
        (kinds.choice("INFO", "ERROR"), "info", "INFO"),
        (kinds.networks(), "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        (kinds.networks(), ["10.0.0.1"], ("10.0.0.1",)),
        (kinds.networks(), "", ()),
        (kinds.text("write a word", "[a-z]+"), "word", "word"),
        (kinds.origin("https"), "https://api.example.com/", "https://api.example.com"),
        (kinds.origin("http"), "http://example.com:81", "http://example.com:81"),
        (kinds.origin("http"), "", ""),
        (kinds.origin("https", "http"), "HTTPS://[::1]:8443/", "https://[::1]:8443"),
        (kinds.text(), " a text ", "a text"),
        (kinds.secret(), " key\n", Secret("key")),
    ],
)
def test_a_value_is_read(kind: Kind, raw: object, value: object) -> None:
    read = kind.read(raw)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("kind", "raw", "problem"),
    [
        (kinds.duration(), "30", "duration with its unit"),
        (kinds.duration(), 30, "duration with its unit"),
        (kinds.duration(), "-1s", "duration with its unit"),
        (kinds.duration(), "1 s", "duration with its unit"),
        (kinds.duration(), "1e3s", "duration with its unit"),
        (kinds.duration(), "infs", "duration with its unit"),
        (kinds.duration(), "٣s", "duration with its unit"),
        (kinds.duration(), False, "duration with its unit"),
        (kinds.duration("1s", "1m"), "0", "from 1s to 1m"),
        (kinds.duration("1s", "1m"), "61s", "from 1s to 1m"),
        (kinds.size("1KiB", "1GiB"), "64 MiB", "size such as"),
        (kinds.size("1KiB", "1GiB"), "64mib", "size such as"),
        (kinds.size("1KiB", "1GiB"), True, "size such as"),
        (kinds.size("1KiB", "1GiB"), "1023B", "from 1KiB to 1GiB"),
        (kinds.size("1KiB", "1GiB"), -1, "from 1KiB to 1GiB"),
        (kinds.whole(1, 9), "10", "from 1 to 9"),
        (kinds.whole(1, 9), "x", "whole number"),
        (kinds.whole(1, 9), "1.0", "whole number"),
        (kinds.whole(1, 9), True, "whole number"),
        (kinds.switch(), "maybe", "true or false"),
        (kinds.switch(), 1, "true or false"),
        (kinds.choice("INFO", "ERROR"), "LOUD", "one of INFO, ERROR"),
        (kinds.choice("INFO", "ERROR"), 3, "one of INFO, ERROR"),
        (kinds.text("write a word", "[a-z]+"), "two words", "write a word"),
        (kinds.networks(), 3, "must be a list"),
        (kinds.networks(), [["10.0.0.0/8"]], "no address or network"),
        (kinds.networks(), "10.0.0.1/8", "no address or network"),
        (kinds.networks(), "proxy", "no address or network"),
        (kinds.origin("https"), "http://example.com", "https://host"),
        (kinds.origin("https"), "example.com", "https://host"),
        (kinds.origin("https"), "https://example.com/path", "https://host"),
        (kinds.origin("https"), "https://example.com?q=1", "https://host"),
        (kinds.origin("https"), "https://example.com:99999", "https://host"),
        (kinds.origin("https"), "https://exa mple.com", "https://host"),
        (kinds.origin("https"), "https://[::1", "https://host"),
        (kinds.origin("https"), 3, "https://host"),
        (kinds.origin("https"), "https://example.com:0", "https://host"),
        (kinds.origin("https"), "https://ex$mple.com", "https://host"),
        (kinds.text(), "a\nb", "line break"),
        (kinds.text(), 3, "must be a text"),
        (kinds.secret(), "two words", "visible ASCII"),
        (kinds.secret(), "ключ", "visible ASCII"),
        (kinds.secret(), 3, "visible ASCII"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write_instead(kind: Kind, raw: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        kind.read(raw)


@pytest.mark.parametrize(("kind", "raw"), [(kinds.secret(), "p4ss w0rd"), (kinds.origin("https"), "https://u:p4ss@h")])
def test_a_refusal_never_quotes_a_secret(kind: Kind, raw: str) -> None:
    with pytest.raises(ValueError, match="must") as refused:
        kind.read(raw)
    assert "p4ss" not in str(refused.value)


@given(st.integers(0, 86_400_000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert kinds.duration().read(write_duration(seconds)) == pytest.approx(seconds, abs=1e-9)


@given(st.integers(0, 2**36))
def test_a_written_size_reads_back(count: int) -> None:
    assert kinds.size("0B", "64GiB").read(write_size(count)) == count


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.75, "750ms"), (61, "61s"), (60, "1m"), (7200, "2h"), (4.5, "4.5s"), (0, "0")]
)
def test_a_duration_is_written_with_the_largest_fitting_unit(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>20}".format, "%s".__mod__, lambda secret: repr([secret])])
def test_a_secret_shows_stars_however_it_is_printed(show: Any) -> None:
    shown = show(Secret("p4ss"))
    assert "p4ss" not in shown
    assert "***" in shown


def test_a_secret_is_compared_but_never_pickled() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret()
    assert str(Secret()) == ""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("a"))


def test_a_key_in_an_address_is_not_repeated() -> None:
    for address in ("https://api.example/?apiKey=MYKEY", "https://user:MYKEY@api.example", "https://a.example/#MYKEY"):
        with pytest.raises(ValueError, match="without user, path, query or fragment") as refused:
            kinds.origin("https").read(address)
        assert "MYKEY" not in str(refused.value)
