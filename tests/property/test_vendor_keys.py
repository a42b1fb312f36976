"""One question has one key however it is spelled; two questions never share one; no credential is in either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_service.base.errors import BadRequest
from stock_service.vendor.request import parse_request, reopen_request

SECRET = "sEcReT0kEn"

Value = str | int | bool | Decimal | frozenset[str]
Draw = Callable[[st.SearchStrategy[str]], str]


@dataclass(frozen=True)
class Kind:
    """A route under test: its path, the values its parameters may have, and what the vendor assumes."""

    path: str
    values: Mapping[str, st.SearchStrategy[Value]]
    defaults: Mapping[str, Value]
    repeats: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """What is asked, free of spelling: parameters that are the default are not in it."""

    segments: tuple[str, ...]
    params: frozenset[tuple[str, Value]]
    csv: bool


tickers = st.sampled_from(["AAPL", "aapl", "BRK.B", "X:BTCUSD", "O:SPY251219C00650000", "TRUE", "tickers"])
wild = st.text("aA01 &=#?;%+/.,:\\é€😀\x00\n", max_size=8)
texts = st.one_of(st.sampled_from(["", "a b", "true", "1.0", "%2F"]), wild).filter(str.isprintable)
amounts = st.decimals(min_value=-50, max_value=50, places=2).map(lambda number: number.normalize() + 0)
symbol_sets = st.frozensets(st.sampled_from(["AAPL", "MSFT", "X:BTCUSD", "a b"]), min_size=1)

KINDS = (
    Kind(
        "/v2/aggs/ticker/{ticker}/range/1/day/2024-01-01/2024-01-31",
        {
            "adjusted": st.booleans(),
            "sort": st.sampled_from(["asc", "desc"]),
            "limit": st.sampled_from([1, 10, 100, 5000, 50_000]),
        },
        {"adjusted": True, "sort": "asc", "limit": 5000},
        {},
    ),
    Kind("/v3/reference/tickers/{ticker}", {"date": texts}, {}, {"ticker": "{ticker}"}),
    Kind(
        "/v2/aggs/grouped/locale/us/market/stocks/2024-01-02",
        {"adjusted": st.booleans(), "include_otc": st.booleans()},
        {"adjusted": True, "include_otc": False},
        {"locale": "us", "market_type": "stocks"},
    ),
    Kind(
        "/v3/snapshot",
        {"ticker.any_of": symbol_sets, "limit": st.integers(1, 250), "type": texts, "ticker": tickers},
        {"limit": 10},
        {},
    ),
    Kind(
        "/v3/reference/options/contracts",
        {"strike_price": amounts, "strike_price.gte": amounts, "underlying_ticker": texts, "expired": st.booleans()},
        {"sort": "ticker", "limit": 10},
        {},
    ),
    Kind("/unknown/v7/{ticker}", {"search": texts, "Search": texts, "a&b": texts, "names.any_of": symbol_sets}, {}, {}),
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Kind, Question]:
    kind = draw(st.sampled_from(KINDS))
    path = kind.path.format(ticker=draw(tickers))
    chosen = draw(st.fixed_dictionaries({}, optional=dict(kind.values)))
    params = frozenset(pair for pair in chosen.items() if kind.defaults.get(pair[0]) != pair[1] and pair[1] != "")
    return kind, Question(tuple(path.split("/")[1:]), params, draw(st.booleans()))


@st.composite
def encoded(draw: st.DrawFn, text: str, plain: str) -> str:
    """Spell a text in a URL: any character may be percent-encoded, some must, in either case of hexadecimals."""
    spelled = []
    for character in text:
        if character in plain and draw(st.integers(0, 4)):
            spelled.append(character)
        elif character == " " and "+" not in plain and draw(st.booleans()):
            spelled.append("+")
        else:
            code = "".join(f"%{byte:02x}" for byte in character.encode())
            spelled.append(code.upper() if draw(st.booleans()) else code)
    return "".join(spelled)


@st.composite
def spelled_value(draw: st.DrawFn, value: Value) -> str:
    """Write a typed value in one of the ways the vendor reads alike."""
    match value:
        case bool():
            return draw(st.sampled_from([str(value), str(value).lower(), str(value).upper()]))
        case int():
            return "0" * draw(st.integers(0, 2)) + str(value)
        case Decimal():
            text = f"{value:f}"
            zeros = "0" * draw(st.integers(0, 2))
            return text + zeros if "." in text else text + draw(st.sampled_from(["", ".0", ".00"]))
        case frozenset():
            return ",".join(draw(st.permutations(sorted(value))) + draw(st.lists(st.sampled_from(sorted(value)))))
        case str():
            return value


@st.composite
def urls(draw: st.DrawFn, kind: Kind, question: Question) -> tuple[str, str, str]:
    """Return path, query and Accept header of one way to ask `question`."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~:@,"
    path = "".join("/" + draw(encoded(segment, letters + "+")) for segment in question.segments)
    pairs = dict(question.params)
    for name, value in kind.defaults.items():
        if name not in pairs and draw(st.booleans()):
            pairs[name] = value
    for name, part in kind.repeats.items():
        if draw(st.booleans()):
            pairs[name] = part.format(ticker=question.segments[-1])
    pieces = [
        draw(encoded(name, letters)) + "=" + draw(encoded(draw(spelled_value(value)), letters))
        for name, value in pairs.items()
    ]
    pieces += draw(
        st.lists(
            st.sampled_from(["", f"apiKey={SECRET}", f"api%4bey={SECRET}", "apiKey", "blank="]), max_size=2, unique=True
        )
    )
    accept = draw(
        st.sampled_from(["text/csv", "text/csv, */*;q=0.1"] if question.csv else ["", "*/*", "application/json"])
    )
    return path, "&".join(draw(st.permutations(pieces))), accept


def asked(kind: Kind, question: Question) -> Question:
    """Return what the question comes to: CSV is an answer of its own only where the route has it."""
    offers_csv = kind.path != "/v3/snapshot"
    return Question(question.segments, question.params, question.csv and offers_csv)


@given(st.data())
def test_two_spellings_of_one_question_share_a_key_and_a_target(data: st.DataObject) -> None:
    kind, question = data.draw(questions())
    first = parse_request(*data.draw(urls(kind, question)))
    second = parse_request(*data.draw(urls(kind, question)))
    assert (first.key, first.target) == (second.key, second.target)
    assert first == second


@given(st.data())
def test_two_different_questions_never_share_a_key(data: st.DataObject) -> None:
    kind, question = data.draw(questions())
    other_kind, other = data.draw(questions())
    first = parse_request(*data.draw(urls(kind, question)))
    second = parse_request(*data.draw(urls(other_kind, other)))
    assert (first.key == second.key) is (asked(kind, question) == asked(other_kind, other))


@given(st.data())
def test_the_canonical_form_is_its_own_canonical_form(data: st.DataObject) -> None:
    path, query, accept = data.draw(urls(*data.draw(questions())))
    request = parse_request(path, query, accept)
    target_path, _, target_query = request.target.partition("?")
    assert parse_request(target_path, target_query, accept) == request
    assert reopen_request(request.key) == request


@given(st.data())
def test_no_credential_is_in_a_key_or_a_target(data: st.DataObject) -> None:
    path, query, accept = data.draw(urls(*data.draw(questions())))
    name = data.draw(encoded("apiKey", "apiKey"))
    cursor = data.draw(st.sampled_from(["", "&cursor=abc%3D"]))
    before = "&".join(piece for piece in query.split("&") if SECRET not in piece and piece != "apiKey")
    request = parse_request(path, f"{before}{cursor}&{name}={SECRET}", accept)
    assert SECRET not in repr(request)
    assert "apikey" not in request.target.lower()


# What a server hands on: bytes read as Latin-1.
raw = st.binary(max_size=60).map(lambda text: text.decode("latin-1"))


@given(st.one_of(raw, wild), st.one_of(raw, wild), raw)
def test_any_text_is_a_canonical_question_or_a_bad_request(path: str, query: str, accept: str) -> None:
    try:
        request = parse_request("/" + path, query, accept)
    except BadRequest:
        return
    assert all("!" <= character <= "~" for character in request.target)
    assert "#" not in request.target
    assert reopen_request(request.key) == request


@given(wild, wild)
def test_a_value_can_never_become_another_parameter(name: str, value: str) -> None:
    query = f"{quote(name, safe='')}={quote(value, safe='')}"
    try:
        request = parse_request("/v9/unknown", query)
    except BadRequest:
        return
    assert len(request.params) <= 1
    assert request.target.count("=") <= 1
    assert request.target.count("&") == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
def test_the_questions_above_reach_every_route(kind: Kind) -> None:
    endpoint = parse_request(kind.path.format(ticker="AAPL"), "").endpoint
    assert (endpoint.name == "unclassified") is kind.path.startswith("/unknown")
