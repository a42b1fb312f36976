"""What a client was told on a connection, in a form that two runs of the same bytes can be compared in."""

from __future__ import annotations

import re

from tests.support.corpus import PLAIN_ETAG, Sample
from tests.support.wire import HIT, LINKED_HIT, LOST, OTHER_KEY, SMALL_HIT, Answer, Connection, Wire, get, parse_answers

_OWN_IDS = re.compile(rb"\bt-h?[0-9a-f]+|refused-[0-9a-f]+")
_WARM = (
    *(get(target, method=method) for target in (HIT, SMALL_HIT, LINKED_HIT, LOST) for method in ("GET", "HEAD")),
    get(key=OTHER_KEY),
)

Headers = tuple[tuple[str, str], ...]
Told = tuple[list[tuple[int, Headers, bytes]], bool]


async def warmed(*, taught: bool = True) -> Wire:
    """Return a service that keeps, and was taught, what the corpus asks for."""
    wire = Wire(taught=taught)
    await wire.warm(*_WARM)
    return wire


async def primed(wire: Wire) -> Connection:
    """Return a connection whose plain header block is remembered."""
    return await wire.connect().send(get(), get(), get())


def raw_of(sample: Sample, wire: Wire) -> bytes:
    """Return the sample's bytes with the real validator in them."""
    return sample.raw.replace(PLAIN_ETAG.strip('"').encode(), wire.entry(HIT).plain.etag.strip(b'"'))


def told_on(connection: Connection, methods: tuple[str, ...] = (), *, since: int = 0) -> Told:
    """Return what came after the first `since` bytes, without the ids of requests, and whether it was the end."""
    answers = parse_answers(connection.output[since:], methods)
    return [_without_ids(answer) for answer in answers], connection.closed


def _without_ids(answer: Answer) -> tuple[int, Headers, bytes]:
    headers = tuple((name, _OWN_IDS.sub(b"ID", value.encode("latin-1")).decode()) for name, value in answer.headers)
    if ("cache-control", "no-store") in headers:
        # The length of an error body counts the digits of the request id.
        headers = tuple(field for field in headers if field[0] != "content-length")
    return answer.status, headers, _OWN_IDS.sub(b"ID", answer.body)
