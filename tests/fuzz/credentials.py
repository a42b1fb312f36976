"""Target: no bytes in the places of a credential are accepted, unless they are a valid key and nothing else.

Input: a byte that chooses the request, the value of `Authorization`, a line feed, the query.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from tests.fuzz.conversation import Quirk, converse
from tests.fuzz.service import SOFT_HIT, Service
from tests.fuzz.turns import make_loop
from tests.support.corpus import CREDENTIALS, QUERY_CREDENTIALS
from tests.support.wire import HIT, KEY, LIMITED_KEY, LINKED_HIT, OTHER_KEY, REVOKED_KEY

VALID = tuple(key.encode() for key in (KEY, OTHER_KEY, LIMITED_KEY))

_LINES = tuple(f"{method} {path}".encode() for path in (HIT, SOFT_HIT, LINKED_HIT) for method in ("GET", "HEAD"))
_STATUS = re.compile(rb"(?:\A|\r\n\r\n)HTTP/1\.1 ([0-9]{3}) ")


class Credentials:
    """Who is let in, on both lanes."""

    words = (
        *VALID, REVOKED_KEY.encode(), b"Bearer ", b"bearer ", b"Basic ", b"apiKey=", b"api%4Bey=", b"APIKEY=", b"&",
        b"%20",
        b"+", b"\t", b"stk_", b"team1", b"\n", b",", b"%", b"\r\nAuthorization: Bearer ", b"anonymous",
    )  # fmt: skip

    def __init__(self) -> None:
        self._service = Service(make_loop(), taught=True).ready()
        headers = [lines[0].partition(":")[2].strip().encode("latin-1") if lines else b"" for lines in CREDENTIALS]
        queries = [b"", *(query.removeprefix("?").encode() for query in QUERY_CREDENTIALS)]
        pairs = [(header, query) for header in headers for query in queries[:4]] + [(b"", query) for query in queries]
        self.seeds = tuple(bytes([number % 64]) + b"\n".join(pair) for number, pair in enumerate(pairs))

    def check(self, data: bytes) -> None:
        first, rest = data[0] if data else 0, data[1:]
        authorization, _, query = rest.partition(b"\n")
        query = re.sub(rb"[^!-~]", b"", query)[:300]
        line = _LINES[first % len(_LINES)] + (b"?" + query if query else b"")
        lines = [line + b" HTTP/1.1", b"Host: gateway"]
        if authorization:
            lines.append(b"Authorization: " + authorization.replace(b"\0", b""))
        if first & 64:
            lines.append(b"If-None-Match: *")
        plan = frozenset({Quirk.USED}) if first & 128 else frozenset[Quirk]()
        heard, _ = converse(self._service, plan, [b"\r\n".join([*lines, b"", b""])] * 2)
        accepted = [status for status in _STATUS.findall(heard) if status in (b"200", b"304", b"404", b"429")]
        if accepted:
            assert _names_valid_key(rest), f"accepted without a valid key: {rest!r}"
        assert not any(key in heard for key in (*VALID, REVOKED_KEY.encode())), "a key was read back"


def _names_valid_key(rest: bytes) -> bool:
    """Return whether a valid key stands alone somewhere: between separators, once decoded."""
    header, _, query = rest.partition(b"\n")
    words = re.split(rb"[\s]+", header.replace(b"\0", b"").strip())
    query = re.sub(rb"[^!-~]", b"", query)[:300]
    values = [
        unquote_to_bytes(pair.partition(b"=")[2].replace(b"+", b" ")).strip() for pair in re.split(b"[&#]", query)
    ]
    return any(each in VALID for each in (*words, *values))
