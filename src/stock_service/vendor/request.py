"""A question to the vendor in canonical form: what is asked, the key it is kept under, the target that is sent.

Two spellings of one question have one key, two questions never share one, and no credential is ever part of a key or
a target. The recipe is written down for users in `docs/vendor.md`. Pure: no vendor call, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal
from urllib.parse import urlencode

from stock_service.base.errors import BadRequest
from stock_service.base.record import record
from stock_service.vendor.checks import check_path, check_query
from stock_service.vendor.endpoints import Endpoint, match_segments
from stock_service.vendor.spelling import (
    NAME_SHOWN,
    join_query,
    join_verbatim,
    read_path,
    spell_segment,
    spell_value,
    split_query,
)

Accept = Literal["json", "csv"]

URL_MAX_BYTES = 8 * 1024

_CSV_MARK = " csv"  # a target never contains a space
_CREDENTIAL = "apikey"
_OPERATOR = re.compile(r"_(gt|gte|lt|lte|any_of)\Z")
_QUALITY = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|\Z)", re.IGNORECASE)


@record
class VendorRequest:
    """One canonical question.

    `params` are the decoded query pairs that differ from the route's defaults, sorted by name; of a page asked for by
    cursor they are all pairs, in the order given. `target` is path and query as sent. `key` is the target, and says
    so when the answer is to be CSV.
    """

    endpoint: Endpoint
    key: str
    target: str
    path_params: Mapping[str, str] = field(hash=False)
    params: tuple[tuple[str, str], ...]
    accept: Accept = "json"

    def param(self, name: str) -> str | None:
        """Return what the vendor takes `name` to be: the asked value, else its default, else None."""
        for asked, value in self.params:
            if asked == name:
                return value
        return self.endpoint.defaults.get(name)


def parse_request(raw_path: str, raw_query: str, accept: str = "") -> VendorRequest:
    """Return the canonical form of a URL's path and query (still percent-encoded) and its `Accept` header.

    Raises:
        BadRequest: the URL is malformed, or the vendor would surely refuse it.
    """
    _check_length(raw_path, raw_query)
    segments, path = read_path(raw_path)
    endpoint, path_params = match_segments(segments)
    check_path(endpoint, path_params)
    params, query = _read_query(endpoint, path_params, raw_query) if raw_query else ((), "")
    target = f"{path}?{query}" if query else path
    _check_length(target, "")
    wanted: Accept = "csv" if endpoint.offers_csv and _prefers_csv(accept) else "json"
    key = target + _CSV_MARK if wanted == "csv" else target
    return VendorRequest(endpoint, key, target, path_params, params, wanted)


def reopen_request(key: str) -> VendorRequest:
    """Return the request whose key is `key`."""
    target = key.removesuffix(_CSV_MARK)
    path, _, query = target.partition("?")
    return parse_request(path, query, "" if target == key else "text/csv")


def ask(path: str, **params: str | float | bool | None) -> VendorRequest:
    """Return a request of our own: parameters as the official client takes them (`timestamp_gte=…`), None left out.

    Raises:
        BadRequest: as `parse_request`.
    """
    pairs = [
        (_OPERATOR.sub(r".\1", name), str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in params.items()
        if value is not None
    ]
    return parse_request(path, urlencode(pairs))


def bars_request(
    ticker: str,
    multiplier: int,
    timespan: str,
    start: str,
    end: str,
    *,
    adjusted: bool = True,
    sort: str = "asc",
    limit: int = 50_000,
) -> VendorRequest:
    """Return a question for bars; `start` and `end` are dates (YYYY-MM-DD) or Unix milliseconds.

    Raises:
        BadRequest: as `parse_request`.
    """
    parts = [spell_segment(part) for part in (ticker, "range", str(multiplier), timespan, start, end)]
    return ask(  # without the vendor's defaults, which would be read only to be left out
        "/v2/aggs/ticker/" + "/".join(parts),
        adjusted=None if adjusted else False,
        sort=None if sort == "asc" else sort,
        limit=limit,
    )


def _read_query(
    endpoint: Endpoint, path_params: Mapping[str, str], raw_query: str
) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the parameters of a query, and how they are sent."""
    given = [found for found in split_query(raw_query) if found[0].lower() != _CREDENTIAL]
    _check_once([name for name, _, _ in given])
    if any(name == "cursor" and value for name, value, _ in given):
        pairs = tuple((name, value) for name, value, _ in given)
        return pairs, join_verbatim([piece for _, _, piece in given])
    params = _canonical_params(endpoint, path_params, given)
    return params, join_query(params)


def _canonical_params(
    endpoint: Endpoint, path_params: Mapping[str, str], given: list[tuple[str, str, str]]
) -> tuple[tuple[str, str], ...]:
    # An empty value asks for nothing: form fields left blank, which the official clients never send.
    every = {name: spell_value(name, value, name in endpoint.sets) for name, value, _ in given}
    spelled = {name: value for name, value in every.items() if value}
    check_query(endpoint, spelled)
    kept = []
    for name, value in sorted(spelled.items()):
        repeated = path_params.get(name) or endpoint.fixed.get(name) if name in endpoint.junk else None
        if value not in (repeated, endpoint.defaults.get(name)):
            kept.append((name, value))
    return tuple(kept)


def _check_length(path: str, query: str) -> None:
    if len(path) + len(query) > URL_MAX_BYTES:
        raise BadRequest("url", f"is longer than {URL_MAX_BYTES} bytes", "ask for fewer tickers at once")


def _check_once(names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        shown = twice[:NAME_SHOWN]
        raise BadRequest(shown, "is given more than once", "give it once, with the values joined by commas")


def _prefers_csv(accept: str) -> bool:
    """Return whether an `Accept` header ranks `text/csv` above JSON (RFC 9110 12.5.1); a tie is for JSON."""
    if "text/csv" not in accept.lower():
        return False
    ranks = {"text/csv": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in ranks:
            quality = _QUALITY.search(part)
            ranks[kind] = float(quality[1]) if quality else 1.0
    return ranks["text/csv"] > ranks["application/json"]
