"""Absolute vendor links inside a body: where they are, and where they shall point instead.

The vendor puts absolute links to itself into its answers (`next_url`, `underlying.url`, `branding.*_url`). A client
that follows one as given bypasses the gateway, and the JavaScript client hands it the gateway's key as well, so every
such link is pointed at the origin the client used. A link counts only where it opens a JSON string value, and only
its origin (`scheme://host[:port]`) is ever replaced.

Works by scanning bytes, in time linear in the body: a body is never parsed or rebuilt, so everything outside a
vendor's origin stays byte for byte what the vendor sent. Links of any other origin are never touched.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

LinkSpans = tuple[tuple[int, int], ...]

VENDOR_ORIGINS = frozenset({b"https://api.polygon.io", b"https://api.massive.com"})

_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
_SCHEME_MAX = len(b'\\"https:')
_SCHEME = re.compile(rb'(?<!\\)"(https?):\Z', re.IGNORECASE)
_NAMES_A_KEY = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+:', re.DOTALL)
_POINTABLE = re.compile(rb"https?://[A-Za-z0-9._:\-\[\]]+\Z")

_EMPTY_MEMBER = re.compile(rb'"next_url"\s*+:\s*+(?:""|null)(\s*+,)?')
_STRING_REST = re.compile(rb'(?:[^"\\]|\\.)*+', re.DOTALL)
_CREDENTIAL = rb"apiKey=(?:[^&\"#\\]|\\(?!u0026).)*+"
_AND = rb"(?:&|\\u0026)"
_LEADING_CREDENTIALS = re.compile(rb"\?(?:" + _CREDENTIAL + _AND + rb")+", re.DOTALL)
_OTHER_CREDENTIALS = re.compile(rb"(?:\?|" + _AND + rb")" + _CREDENTIAL, re.DOTALL)

_ABSOLUTE = re.compile(r"(https?)://([a-z0-9.:\-\[\]]+)(?=[/?]|\Z)", re.IGNORECASE)
_FOLLOWABLE = re.compile(r"/(?![/\\])[!-\[\]-~]*\Z|/\Z")


def vendor_origins(upstream_url: str) -> frozenset[bytes]:
    """Return the origins whose links are the vendor's: both its names and the configured upstream's."""
    parts = urlsplit(upstream_url)
    return VENDOR_ORIGINS | {_normal_origin(parts.scheme.encode("ascii"), parts.netloc.encode("ascii"))}


def find_links(body: bytes, origins: frozenset[bytes]) -> LinkSpans:
    """Return the spans of the origin part of every vendor link that opens a JSON string value, in order.

    `origins` are lower-case and without a default port, like `b"https://api.polygon.io"`.
    """
    spans = []
    for link in _authority_pattern(origins).finditer(body):
        slashes = link.start()
        slashes -= body[slashes - 1 : slashes] == b"\\"  # the first slash may be written `\\/`
        scheme = _SCHEME.search(body, max(0, slashes - _SCHEME_MAX), slashes)
        if scheme is None or _normal_origin(scheme[1], link[1]) not in origins:
            continue
        if not _NAMES_A_KEY.match(body, link.end()):
            spans.append((scheme.start(1), link.end()))
    return tuple(spans)


def point_links(body: bytes, spans: LinkSpans, origin: bytes) -> bytes:
    """Return `body` with each span replaced by `origin`, its slashes escaped where the span's are.

    Raises ValueError when `origin` is not `scheme://host[:port]`: anything else could end the JSON string.
    """
    return b"".join(point_pieces(body, spans, origin))


def point_pieces(body: bytes, spans: LinkSpans, origin: bytes) -> tuple[bytes | memoryview, ...]:
    """Return the same as `point_links` in pieces that share the memory of `body`."""
    if not _POINTABLE.match(origin):
        raise ValueError("not an origin")
    escaped = origin.replace(b"/", b"\\/")
    whole = memoryview(body)
    pieces: list[bytes | memoryview] = []
    done = 0
    for start, end in spans:
        pieces.append(whole[done:start])
        pieces.append(escaped if b"\\" in body[start:end] else origin)
        done = end
    pieces.append(whole[done:])
    return tuple(pieces)


def clean_body(body: bytes, origins: frozenset[bytes] = VENDOR_ORIGINS) -> bytes:
    """Return `body` without empty `next_url` members and without credentials in vendor links.

    The official Python client follows an empty `next_url` to `/`; an absent one ends its paging.
    Returns the same object when there is nothing to clean.
    """
    if b"apiKey=" in body:
        body = _without_credentials(body, origins)
    return _without_empty_next(body)


def follow_target(next_url: str, origins: frozenset[bytes]) -> str | None:
    """Return the path and query to ask for the page behind `next_url`, or None when it leads elsewhere.

    Credentials in the link are dropped. A link without an origin of its own is taken as the vendor's.
    """
    rest = next_url
    absolute = _ABSOLUTE.match(next_url)
    if absolute is not None:
        if _normal_origin(absolute[1].encode("ascii"), absolute[2].encode("ascii")) not in origins:
            return None
        rest = next_url[absolute.end() :]
        rest = rest if rest.startswith("/") else "/" + rest
    rest = rest.partition("#")[0]
    if not _FOLLOWABLE.match(rest):
        return None
    return _drop_credentials(rest.encode("ascii")).decode("ascii")


@lru_cache(maxsize=8)
def _authority_pattern(origins: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return the pattern of the second half of a link; it begins with one literal byte, so that `re` skips fast."""
    authorities = []
    for origin in sorted(origins):
        scheme, _, authority = origin.partition(b"://")
        authorities.append(re.escape(authority) + b"(?:" + _DEFAULT_PORTS.get(scheme, b"") + b")?")
    return re.compile(rb"/(?:/|\\/)(?i:(" + b"|".join(authorities) + rb'))(?=/|\\/|\?|")')


def _normal_origin(scheme: bytes, authority: bytes) -> bytes:
    scheme = scheme.lower()
    return scheme + b"://" + authority.lower().removesuffix(_DEFAULT_PORTS.get(scheme, b":"))


def _without_empty_next(body: bytes) -> bytes:
    pieces = []
    done = 0
    at = body.find(b'"next_url"')
    while at >= 0:
        member = _EMPTY_MEMBER.match(body, at)
        if member is not None and body[at - 1 : at] != b"\\":
            before = body[done:at].rstrip(b" \t\r\n")
            if before.endswith(b","):
                pieces.append(before[:-1])
                done = member.start(1) if member[1] is not None else member.end()
            else:
                pieces.append(body[done:at])
                done = member.end()
        at = body.find(b'"next_url"', at + 1)
    return b"".join([*pieces, body[done:]]) if pieces else body


def _without_credentials(body: bytes, origins: frozenset[bytes]) -> bytes:
    pieces = []
    done = 0
    for _, end in find_links(body, origins):
        rest = _STRING_REST.match(body, end)
        assert rest is not None  # the pattern matches the empty rest too
        pieces += [body[done:end], _drop_credentials(rest[0])]
        done = rest.end()
    return b"".join([*pieces, body[done:]])


def _drop_credentials(link: bytes) -> bytes:
    return _OTHER_CREDENTIALS.sub(b"", _LEADING_CREDENTIALS.sub(b"?", link))
