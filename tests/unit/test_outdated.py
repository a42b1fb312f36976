"""Which answers a ticker is in: whoever purges one wants every answer that names it gone, in whatever spelling."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.cache.outdated import keys_naming, named_tickers
from stock_service.vendor.request import VendorRequest, parse_request

PINNED = urlsafe_b64encode(b"ap=2&limit=2&order=desc&ticker=AAPL").decode().rstrip("=")


def ask(target: str) -> VendorRequest:
    path, _, query = target.partition("?")
    return parse_request(path, query)


@pytest.mark.parametrize(
    ("target", "ticker"),
    [
        ("/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-01-31", "AAPL"),
        ("/v2/aggs/ticker/X:BTCUSD/prev", "X:BTCUSD"),
        ("/v3/snapshot?ticker.any_of=MSFT,X:BTCUSD", "X:BTCUSD"),
        ("/v3/snapshot/options/AAPL?limit=2", "AAPL"),
        ("/v3/snapshot/options/AAPL/O:AAPL251219C00200000", "AAPL"),
        ("/v3/snapshot/options/AAPL/O:AAPL251219C00200000", "O:AAPL251219C00200000"),
        ("/vX/reference/tickers/META/events", "META"),
        ("/v1/last/crypto/BTC/USD", "X:BTCUSD"),
        ("/v1/open-close/crypto/BTC/USD/2024-01-03", "X:BTCUSD"),
        ("/v1/historic/crypto/BTC/USD/2024-01-03", "X:BTCUSD"),
        ("/v1/last_quote/currencies/EUR/USD", "C:EURUSD"),
        ("/v1/historic/forex/EUR/USD/2024-01-03", "C:EURUSD"),
        ("/v1/conversion/EUR/USD?amount=5", "C:EURUSD"),
        (f"/v3/reference/dividends?cursor={PINNED}", "AAPL"),
        (f"/v3/reference/dividends?limit=2&cursor={PINNED}", "AAPL"),
        ("/v9/something/new/AAPL/x", "AAPL"),
    ],
)
def test_an_answer_is_found_by_every_ticker_its_question_names(target: str, ticker: str) -> None:
    request = ask(target)
    assert ticker in named_tickers(request)
    assert re.search(keys_naming([ticker]), request.key)


@given(st.text(st.sampled_from("AZaz09.:_^=+*~@$!&-"), min_size=1, max_size=8).filter(lambda ticker: ticker.strip(".")))
def test_no_sign_of_a_ticker_hides_the_key_that_names_it(ticker: str) -> None:
    for target in (f"/v2/aggs/ticker/{quote(ticker, safe='')}/prev", f"/v3/snapshot?ticker={quote(ticker, safe='')}"):
        request = ask(target)
        if ticker in named_tickers(request):
            assert re.search(keys_naming(["ZZZZZZZZZ", ticker]), request.key)


def test_a_range_of_bars_names_no_pair_of_currencies() -> None:
    assert named_tickers(ask("/v2/aggs/ticker/AAPL/range/1/day/2024-01-02/2024-01-31")) == {"AAPL"}


def test_the_expression_leaves_most_keys_alone() -> None:
    assert not re.search(keys_naming(["AAPL"]), ask("/v2/aggs/ticker/MSFT/prev").key)
    assert not re.search(keys_naming(["AAPL"]), ask("/v3/reference/dividends?ticker=MSFT").key)
