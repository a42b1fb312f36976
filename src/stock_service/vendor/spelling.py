"""One spelling for what URLs can spell in many ways: percent-encoding, numbers, booleans, sets.

Decodes strictly and encodes one way only, so a decoded value can never become two parameters, another path segment
or a second request. Knows nothing of routes.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from stock_service.base.errors import BadRequest

BOOLEANS = frozenset(
    {
        "active",
        "adjusted",
        "expand_underlying",
        "expired",
        "has_xbrl",
        "include_otc",
        "include_sources",
        "reverse",
        "reverse_split",
    }
)
COUNTS = frozenset({"frequency", "limit", "long_window", "precision", "short_window", "signal_window", "window"})
AMOUNTS = frozenset({"amount", "cash_amount", "strike_price"})
SET_SUFFIXES = (".any_of", ".all_of")
NAME_SHOWN = 24  # characters of a name in an error: a key glued to one by mistake must not be read back in it

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RAW = re.compile(r"[ -~]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_IN_PATH = re.compile(r"[^ -~]|[\\/%]")
_COUNT = re.compile(r"[0-9]{1,18}\Z")
_AMOUNT = re.compile(r"(-?)([0-9]{1,30})(?:\.([0-9]{1,30}))?\Z")
_SAFE_IN_SEGMENT = ":@,=+$!"
_NEEDS_NO_QUOTING = re.compile(r"[A-Za-z0-9._~:@,-]*\Z")  # `quote` would take most of a request's time
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~:@,-][A-Za-z0-9._~:@,-]*)+\Z")  # spelt as we would, as nearly all are
_SAFE_IN_QUERY = ":@,/"
_SAFE_IN_VERBATIM = ":@,/%=+&$!*'();?[]"


def read_path(raw_path: str) -> tuple[list[str], str]:
    """Return the decoded segments of a path, and its canonical encoding.

    Raises BadRequest for anything a proxy on the way could read as another path.
    """
    if _PLAIN_PATH.match(raw_path):
        return raw_path[1:].split("/"), raw_path
    if not raw_path.startswith("/"):
        raise BadRequest("path", "must begin with a slash")
    if raw_path.startswith("//"):
        raise BadRequest("path", "begins with two slashes", "does the address of the client end in one? leave it out")
    segments = [_decode("path", part) for part in raw_path[1:].split("/")]
    for segment in segments:
        if not segment:
            raise BadRequest("path", "has an empty segment", "is a ticker or a date missing?")
        if segment in {".", ".."}:
            raise BadRequest("path", "has a dot segment", "write the path out")
        if _NOT_IN_PATH.search(segment):
            raise BadRequest(
                "path",
                "has an encoded slash or percent sign, a backslash, or a character that is not printable ASCII",
                "write symbols as the vendor does: BRK.B, X:BTCUSD, O:SPY251219C00650000",
            )
    return segments, "/" + "/".join([spell_segment(part) for part in segments])


def spell_segment(text: str) -> str:
    """Return the canonical encoding of one decoded segment of a path."""
    return _encode(text, _SAFE_IN_SEGMENT)


def split_query(raw_query: str) -> list[tuple[str, str, str]]:
    """Return name, value (both decoded) and raw text of each parameter, in the order given."""
    found = []
    for piece in raw_query.split("&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition("=")
        name = _decode("query", raw_name.replace("+", " "))
        if not name:
            raise BadRequest("query", "has a parameter without a name", "write name=value")
        found.append((name, _decode(name[:NAME_SHOWN], raw_value.replace("+", " ")), piece))
    return found


def join_query(pairs: tuple[tuple[str, str], ...]) -> str:
    """Return the canonical encoding of decoded pairs, in their order."""
    return "&".join([f"{quote(name, safe='')}={_encode(value, _SAFE_IN_QUERY)}" for name, value in pairs])


def join_verbatim(pieces: list[str]) -> str:
    """Return raw parameters as they were given; only what cannot stand in a URL is encoded."""
    return "&".join([quote(piece, safe=_SAFE_IN_VERBATIM) for piece in pieces])


def spell_value(name: str, value: str, is_set: bool) -> str:
    """Return the canonical spelling of a decoded value; one we cannot read stays as it is."""
    if is_set or name.endswith(SET_SUFFIXES):
        return ",".join(sorted(set(value.split(","))))
    plain_name = name.partition(".")[0]
    if plain_name in BOOLEANS:
        return value.lower() if value.lower() in {"true", "false"} else value
    if plain_name in COUNTS:
        return str(int(value)) if _COUNT.match(value) else value
    if plain_name in AMOUNTS:
        return _spell_amount(value)
    return value


def _spell_amount(value: str) -> str:
    number = _AMOUNT.match(value)
    if number is None:
        return value
    sign, whole, fraction = number.groups()
    whole, fraction = whole.lstrip("0") or "0", (fraction or "").rstrip("0")
    digits = f"{whole}.{fraction}" if fraction else whole
    return digits if digits == "0" else sign + digits


def _encode(text: str, safe: str) -> str:
    return text if _NEEDS_NO_QUOTING.match(text) else quote(text, safe=safe)


def _decode(field: str, raw: str) -> str:
    if not _RAW.match(raw):
        raise BadRequest(field, "has a character that is not printable ASCII", "percent-encode it")
    if "%" not in raw:
        return raw
    if _BAD_PERCENT.search(raw):
        raise BadRequest(field, "has a percent sign that no two hexadecimal digits follow", "write %25 for a percent")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(field, "is not UTF-8 once decoded", "encode text as UTF-8") from None
    if _CONTROL.search(text):
        raise BadRequest(field, "has a control character", "remove it")
    return text
