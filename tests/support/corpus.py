"""Raw request bytes as clients, broken clients and attackers send them: one table for every test that needs some.

`SAMPLES` is what one connection sends. Both HTTP paths must give the same answers to each, whole or in pieces.
Reason for each family: RFC 9110, RFC 9112 and the attacks published against servers that frame leniently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.support.wire import HIT, KEY, LINKED_HIT, LOST, OTHER_KEY, REVOKED_KEY, SMALL_HIT, get

_HOST = "Host: gateway"
_AUTH = f"Authorization: Bearer {KEY}"
PLAIN_ETAG = '"0000000000000000"'  # replaced by the real one of `HIT`


@dataclass(frozen=True)
class Sample:
    """The bytes of one connection, and the methods of the requests in them when they are not all GET."""

    name: str
    raw: bytes
    methods: tuple[str, ...] = ()


def head(line: str, *lines: str, body: bytes = b"") -> bytes:
    """Join a request line, header lines and a body."""
    return "\r\n".join([line, *lines, "", ""]).encode("latin-1") + body


def hit_with(*lines: str, body: bytes = b"", target: str = HIT) -> bytes:
    """A request for a kept answer with `lines` added."""
    return head(f"GET {target} HTTP/1.1", _HOST, _AUTH, *lines, body=body)


CODINGS = (
    "",
    "gzip",
    "GZIP",
    "x-gzip",
    "gzip, deflate, br",
    "gzip;q=0",
    "gzip;q=0.0",
    "gzip;q=0.001",
    "gzip; q=0.5, identity; q=0.6",
    "gzip;q=0.5,identity;q=0.5",
    "identity",
    "identity;q=0",
    "identity;q=0, gzip;q=0",
    "*",
    "*;q=0",
    "*;q=0.1",
    "*;q=0, gzip",
    "gzip;q=0, *",
    "br",
    "deflate",
    "br;q=1.0, gzip;q=0.8, *;q=0.1",
    "gzip;q=nonsense",
    "gzip;q=",
    "gzip;level=9",
    "gzip;q=1;x=y",
    ",gzip,",
    " gzip ",
    "gzip\t",
    "gzipped",
    "agzip",
    "gzip deflate",
    ";q=1",
    "compress, gzip",
    "zstd, br, gzip",
    "gzip;q=-1",
    "gzip;q=2",
    "*;q=0.5, identity;q=0.9",
    "deflate, gzip;q=1.0, *;q=0.5",
    "identity, gzip;q=0.2",
    "gzip, gzip;q=0",
)

ETAGS = (
    "*",
    '"other"',
    PLAIN_ETAG,
    f"W/{PLAIN_ETAG}",
    f'"other", {PLAIN_ETAG}',
    f'"other",W/{PLAIN_ETAG} , "third"',
    f" {PLAIN_ETAG} ",
    PLAIN_ETAG[:-1] + '-gz"',
    PLAIN_ETAG.strip('"'),
    f'"x{PLAIN_ETAG[1:]}',
    "",
    ",",
    '"',
    "W/",
    f"w/{PLAIN_ETAG}",
    "* , *",
    f"*, {PLAIN_ETAG}",
)

CREDENTIALS: tuple[tuple[str, ...], ...] = (
    (),
    (f"Authorization: Bearer {KEY}",),
    (f"authorization: bearer {KEY}",),
    (f"AUTHORIZATION: BEARER {KEY}",),
    (f"Authorization:Bearer {KEY}",),
    (f"Authorization: Bearer  {KEY}",),
    (f"Authorization: Bearer {KEY} ",),
    (f"Authorization: Bearer\t{KEY}",),
    (f"Authorization: Bearer {KEY}x",),
    (f"Authorization: Bearer {KEY[:-1]}",),
    (f"Authorization: Bearer {KEY.upper()}",),
    (f"Authorization: Bearer {OTHER_KEY}",),
    (f"Authorization: Bearer {REVOKED_KEY}",),
    ("Authorization: Bearer",),
    ("Authorization: Bearer ",),
    ("Authorization:",),
    ("Authorization: Basic dXNlcjpwYXNz",),
    (f"Authorization: Basic {KEY}",),
    (f"Authorization: {KEY}",),
    (f"Authorization: Bearer {KEY}, Bearer {OTHER_KEY}",),
    (f"Authorization: Bearer {KEY}", f"Authorization: Bearer {KEY}"),
    (f"Authorization: Bearer {KEY}", f"Authorization: Bearer {OTHER_KEY}"),
    (f"Authorization: Bearer {REVOKED_KEY}", f"Authorization: Bearer {KEY}"),
    (f"X-Api-Key: {KEY}",),
    (f"Cookie: apiKey={KEY}",),
    (f"Proxy-Authorization: Bearer {KEY}",),
    ("Authorization: Bearer \xe9\xe9",),
    ("Authorization: Bearer " + "k" * 300,),
)

QUERY_CREDENTIALS = (
    f"?apiKey={KEY}",
    f"?apikey={KEY}",
    f"?api%4Bey={KEY}",
    f"?apiKey={KEY}&apiKey={KEY}",
    f"?apiKey={KEY}&apiKey={OTHER_KEY}",
    f"?apiKey={REVOKED_KEY}",
    "?apiKey=",
    "?apiKey",
    f"?apiKey={KEY}x",
    f"?adjusted=true&apiKey={KEY}",
    f"?apiKey={KEY}&adjusted=true",
)

CONNECTIONS = ("keep-alive", "Keep-Alive", "close", "Close", "close, te", "te", "upgrade", "keep-alive, close", "", "x")

HOSTS: tuple[tuple[str, ...], ...] = (
    (),
    ("Host: gateway",),
    ("Host: gateway:8080",),
    ("host:gateway",),
    ("Host: 127.0.0.1:8080",),
    ("Host: [::1]:8080",),
    ("Host: gateway", "Host: gateway"),
    ("Host: gateway", "Host: evil"),
    ("Host:",),
    ("Host: ",),
    ("Host: a b",),
    ("Host: evil/x",),
    ("Host: user@evil",),
    ("Host: gateway:port",),
    ("Host: gateway, evil",),
    ("Host: ga\\teway",),
    ("Host: \xe9",),
    ("Host: -gateway",),
    ("Host: gateway:99999999",),
    ("Host: [::1",),
    ("Host: gateway#x",),
    ("Host: gateway?x",),
)

LINES = (
    f"GET {HIT} HTTP/1.1",
    f"GET {HIT}? HTTP/1.1",
    f"GET {HIT}?adjusted=true HTTP/1.1",
    f"GET {HIT}?adjusted=false HTTP/1.1",
    f"GET {HIT}?zzz=1 HTTP/1.1",
    f"GET {HIT}?a?b&c HTTP/1.1",
    f"GET {HIT}#frag HTTP/1.1",
    f"GET {HIT}#frag?adjusted=true HTTP/1.1",
    f"GET {HIT}/ HTTP/1.1",
    "GET /v2/aggs/ticker/aapl/prev HTTP/1.1",
    "GET /v2/aggs/ticker/%41APL/prev HTTP/1.1",
    "GET /v2/aggs/ticker/%41APL%2Fprev HTTP/1.1",
    "GET /v2/aggs/ticker/A%00PL/prev HTTP/1.1",
    "GET /v2/aggs/ticker/A%zzPL/prev HTTP/1.1",
    "GET /v2//aggs/ticker/AAPL/prev HTTP/1.1",
    "GET /v2/aggs/../aggs/ticker/AAPL/prev HTTP/1.1",
    "GET /v2/aggs/./ticker/AAPL/prev HTTP/1.1",
    "GET /v2/aggs/ticker/AAPL/prev;a=b HTTP/1.1",
    "GET /v2\\aggs/ticker/AAPL/prev HTTP/1.1",
    "GET //v2/aggs/ticker/AAPL/prev HTTP/1.1",
    f"GET http://gateway{HIT} HTTP/1.1",
    f"GET http://other{HIT} HTTP/1.1",
    f"GET https://other:8443{HIT} HTTP/1.1",
    f"GET http://user@other{HIT} HTTP/1.1",
    f"GET ftp://other{HIT} HTTP/1.1",
    f"GET http://{HIT} HTTP/1.1",
    "GET http://gateway HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET * HTTP/1.1",
    f"OPTIONS {HIT} HTTP/1.1",
    "CONNECT gateway:443 HTTP/1.1",
    f"TRACE {HIT} HTTP/1.1",
    f"POST {HIT} HTTP/1.1",
    f"PUT {HIT} HTTP/1.1",
    f"DELETE {HIT} HTTP/1.1",
    f"PATCH {HIT} HTTP/1.1",
    f"PURGE {HIT} HTTP/1.1",
    f"QUERY {HIT} HTTP/1.1",
    f"FOO {HIT} HTTP/1.1",
    f"get {HIT} HTTP/1.1",
    f"Get {HIT} HTTP/1.1",
    f"GET {HIT} HTTP/1.0",
    f"GET {HIT} HTTP/0.9",
    f"GET {HIT} HTTP/1.2",
    f"GET {HIT} HTTP/2.0",
    f"GET {HIT} HTTP/3",
    f"GET {HIT} http/1.1",
    f"GET {HIT} HTTP/1.1 ",
    f"GET {HIT} HTTP/01.1",
    f"GET {HIT} HTTP/1,1",
    f"GET {HIT} RTSP/1.0",
    f"GET {HIT} ICE/1.0",
    f"GET {HIT}",
    f"GET  {HIT} HTTP/1.1",
    f"GET {HIT}  HTTP/1.1",
    f"GET\t{HIT}\tHTTP/1.1",
    f" GET {HIT} HTTP/1.1",
    f"GET {HIT} extra HTTP/1.1",
    "GET v2/aggs HTTP/1.1",
    "GET  HTTP/1.1",
    "GET",
    "",
    "PRI * HTTP/2.0",
    "GET /\xc3\xa9 HTTP/1.1",
    "GET /v2/aggs/ticker/A\x01PL/prev HTTP/1.1",
    "GET /v2/aggs/ticker/A\x7fPL/prev HTTP/1.1",
    "GET /health HTTP/1.1",
    "GET /ready HTTP/1.1",
    "GET / HTTP/1.1",
    "GET /nowhere HTTP/1.1",
    "GET /favicon.ico HTTP/1.1",
    f"GET {LOST} HTTP/1.1",
    f"GET {SMALL_HIT} HTTP/1.1",
    f"GET {LINKED_HIT} HTTP/1.1",
    f"HEAD {HIT} HTTP/1.0",
)

FIELDS = (
    "Range: bytes=0-3",
    'If-Range: "x"',
    "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT",
    'If-Match: "x"',
    "Origin: https://app.example",
    "Cache-Control: no-cache",
    "Cache-Control: only-if-cached",
    "Cache-Control: max-age=0",
    "Pragma: no-cache",
    "Accept: application/json",
    "Accept: text/csv",
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept: nothing",
    "Expect: 100-continue",
    "Expect: 100-Continue",
    "Expect: 200-ok",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "TE: trailers",
    "Trailer: X-Api-Key",
    "Content-Length: 0",
    "X-Request-Id: mine-1",
    "X-Request-Id: bad id",
    "X-Request-Id: " + "a" * 65,
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X-HTTP-Method-Override: DELETE",
    "X-Forwarded-For: 10.0.0.1",
    "X-Forwarded-Host: evil",
    "X-Forwarded-Proto: https",
    "Forwarded: host=evil;proto=https",
    "X-Forwarded-Host: evil\t",
    "Cookie: session=1",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "traceparent: nonsense",
    "tracestate: a=b",
    "X-Massive-Edge-ID: 1",
    "X: a\x01b",
    "X: a\x00b",
    "X: \xff\xfe",
    "X: ",
    "X:",
    ": y",
    "X : y",
    " X: y",
    "X",
    "X\x00: y",
    "X(: y",
    "X: a\rY: b",
    "X: a\nY: b",
    "X: a\r\n b",
    "X: a\r\n\tb",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: close",
)

_CHUNKED_ABC = b"3\r\nabc\r\n0\r\n\r\n"
_NEXT = get("/health")

BODIES: tuple[tuple[str, tuple[str, ...], bytes], ...] = (
    ("three bytes", ("Content-Length: 3",), b"abc"),
    ("length twice, same", ("Content-Length: 3", "Content-Length: 3"), b"abc"),
    ("length twice, different", ("Content-Length: 3", "Content-Length: 4"), b"abcd"),
    ("length list", ("Content-Length: 3, 3",), b"abc"),
    ("length with plus", ("Content-Length: +3",), b"abc"),
    ("length in hexadecimal", ("Content-Length: 0x3",), b"abc"),
    ("length empty", ("Content-Length: ",), b"abc"),
    ("length negative", ("Content-Length: -1",), b"abc"),
    ("length with leading zeros", ("Content-Length: 0003",), b"abc"),
    ("length huge", ("Content-Length: 99999999999999999999",), b"abc"),
    ("length with space inside", ("Content-Length: 3 3",), b"abc"),
    ("length and chunked", ("Content-Length: 3", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + get("/admin/x")),
    ("chunked and length", ("Transfer-Encoding: chunked", "Content-Length: 3"), _CHUNKED_ABC),
    ("chunked", ("Transfer-Encoding: chunked",), _CHUNKED_ABC),
    ("chunked in capitals", ("Transfer-Encoding: CHUNKED",), _CHUNKED_ABC),
    ("chunked twice", ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), _CHUNKED_ABC),
    ("xchunked", ("Transfer-Encoding: xchunked",), _CHUNKED_ABC),
    ("chunked, identity", ("Transfer-Encoding: chunked, identity",), _CHUNKED_ABC),
    ("gzip, chunked", ("Transfer-Encoding: gzip, chunked",), _CHUNKED_ABC),
    ("chunked with a vertical tab", ("Transfer-Encoding: \x0bchunked",), _CHUNKED_ABC),
    ("chunked with a space before the colon", ("Transfer-Encoding : chunked",), _CHUNKED_ABC),
    ("chunk extension", ("Transfer-Encoding: chunked",), b"3;a=b\r\nabc\r\n0\r\n\r\n"),
    ("chunk size with 0x", ("Transfer-Encoding: chunked",), b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("chunk size empty", ("Transfer-Encoding: chunked",), b"\r\nabc\r\n0\r\n\r\n"),
    ("chunk size too large", ("Transfer-Encoding: chunked",), b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ("chunk size with bare line feed", ("Transfer-Encoding: chunked",), b"3\nabc\r\n0\r\n\r\n"),
    ("chunk longer than its size", ("Transfer-Encoding: chunked",), b"3\r\nabcd\r\n0\r\n\r\n"),
    ("chunk of line ends", ("Transfer-Encoding: chunked",), b"4\r\n\r\n\r\n\r\n0\r\n\r\n"),
    ("trailers", ("Transfer-Encoding: chunked",), b"3\r\nabc\r\n0\r\nX-Api-Key: smuggled\r\nHost: evil\r\n\r\n"),
    ("a request as body", (f"Content-Length: {len(get())}",), get()),
    ("head ends inside the body", ("Content-Length: 8",), b"\r\n\r\n\r\n\r\n"),
    ("body as large as is ignored", ("Content-Length: 65536",), b"x" * 65_536),
    ("body larger than is ignored", ("Content-Length: 65537",), b"x" * 65_537),
)


def _plain() -> Iterator[Sample]:
    for target, method in product((HIT, SMALL_HIT, LINKED_HIT, LOST, "/health"), ("GET", "HEAD")):
        yield Sample(f"{method} {target}", get(target, method=method), (method,))
        yield Sample(f"{method} {target} twice", get(target, method=method) * 2, (method, method))
        yield Sample(f"{method} {target} to another host", get(target, method=method, host="other:81"), (method,))
        yield Sample(f"{method} {target} closing", get(target, "Connection: close", method=method), (method,))


def _negotiated() -> Iterator[Sample]:
    for value in CODINGS:
        yield Sample(f"accept-encoding {value!r}", hit_with(f"Accept-Encoding: {value}"))
        yield Sample(f"accept-encoding {value!r} with links", hit_with(f"Accept-Encoding: {value}", target=LINKED_HIT))
    for value, method in product(ETAGS, ("GET", "HEAD")):
        field = f"If-None-Match: {value}"
        yield Sample(f"{method} if-none-match {value!r}", get(HIT, field, method=method), (method,))
        identity = head(f"{method} {HIT} HTTP/1.1", _HOST, _AUTH, field)
        yield Sample(f"{method} if-none-match {value!r} without gzip", identity, (method,))
    yield Sample("if-none-match on an error", get(LOST, "If-None-Match: *"))
    yield Sample("two if-none-match", get(HIT, 'If-None-Match: "a"', "If-None-Match: *"))


def _credentials() -> Iterator[Sample]:
    for lines, method in product(CREDENTIALS, ("GET", "HEAD")):
        line = f"{method} {HIT} HTTP/1.1"
        yield Sample(f"{method} credentials {lines}", head(line, _HOST, *lines), (method,))
        conditional = head(line, _HOST, *lines, "If-None-Match: *")
        yield Sample(f"{method} credentials {lines} conditional", conditional, (method,))
    for query, extra in product(QUERY_CREDENTIALS, ((), (_AUTH,), (f"Authorization: Bearer {OTHER_KEY}",))):
        yield Sample(f"query {query} {extra}", head(f"GET {HIT}{query} HTTP/1.1", _HOST, *extra))


def _heads() -> Iterator[Sample]:
    for value, target in product(CONNECTIONS, (HIT, "/health")):
        raw = hit_with(f"Connection: {value}", target=target)
        yield Sample(f"connection {value!r} {target}", raw)
        yield Sample(f"connection {value!r} {target} and more", raw + _NEXT)
    for hosts, version in product(HOSTS, ("1.1", "1.0")):
        yield Sample(f"hosts {hosts} {version}", head(f"GET {HIT} HTTP/{version}", *hosts, _AUTH))
        linked = head(f"GET {LINKED_HIT} HTTP/{version}", *hosts, _AUTH)
        yield Sample(f"hosts {hosts} {version} with links", linked)
    for line in LINES:
        methods = ("HEAD",) if line.startswith("HEAD") else ()
        yield Sample(f"line {line!r}", head(line, _HOST, _AUTH), methods)
        yield Sample(f"line {line!r} and more", head(line, _HOST, _AUTH) + _NEXT, methods)
    for field in FIELDS:
        yield Sample(f"field {field[:60]!r}", hit_with(field))
        yield Sample(f"field {field[:60]!r} and more", hit_with(field) + _NEXT)


def _bodies() -> Iterator[Sample]:
    for (name, lines, body), line in product(BODIES, (f"GET {HIT} HTTP/1.1", "POST /admin/echo HTTP/1.1")):
        raw = head(line, _HOST, _AUTH, *lines, body=body)
        yield Sample(f"{line[:4]} {name}", raw)
        yield Sample(f"{line[:4]} {name} and more", raw + _NEXT)


def _odd() -> Iterator[Sample]:
    old = head("POST /admin/echo HTTP/1.0", "Transfer-Encoding: chunked", body=_CHUNKED_ABC)
    expecting = head("POST /admin/echo HTTP/1.1", _HOST, _AUTH, "Expect: 100-continue", "Content-Length: 3")
    yield Sample("chunked on HTTP/1.0", old)
    yield Sample("keep-alive on HTTP/1.0", head(f"GET {HIT} HTTP/1.0", "Connection: keep-alive", _AUTH) + _NEXT)
    etag = f"If-None-Match: {PLAIN_ETAG}"
    for method, target, extra in product(
        ("GET", "HEAD"), (HIT, LINKED_HIT, LOST), ((), (etag,), ("X-Request-Id: me",))
    ):
        for version, connection in (("1.0", "keep-alive"), ("1.0", "close"), ("1.1", "close"), ("1.0", "te")):
            raw = head(f"{method} {target} HTTP/{version}", _HOST, _AUTH, f"Connection: {connection}", *extra)
            name = f"{method} {target} {version} {connection} {extra} twice"
            yield Sample(name, raw * 2, (method, method))
    yield Sample("upgrade and more", hit_with("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c") + _NEXT)
    yield Sample("websocket and more", hit_with("Connection: Upgrade", "Upgrade: websocket") + _NEXT)
    yield Sample("line feeds only", get().replace(b"\r\n", b"\n"))
    yield Sample("carriage returns only", get().replace(b"\r\n", b"\r"))
    yield Sample("one line feed in the header", get().replace(b"\r\nUser", b"\nUser"))
    yield Sample("empty lines before", b"\r\n\r\n\r\n" + get())
    yield Sample("empty lines between", get() + b"\r\n\r\n" + get())
    yield Sample("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64))
    yield Sample("nothing but an end", b"\r\n\r\n")
    yield Sample("expect on POST", expecting)


SAMPLES = [*_plain(), *_negotiated(), *_credentials(), *_heads(), *_bodies(), *_odd()]
