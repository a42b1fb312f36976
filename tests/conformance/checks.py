"""Checks of a server's HTTP/1.1: bytes, the answers they must get, whether the connection must end.

The ideas are those of the public suite h1spec (33 checks), in our words, and some of our own behind them.
`REFUSED` stands for any 4xx or 5xx: the RFCs mostly leave the number open.
"""

from __future__ import annotations

from dataclasses import dataclass

HOST = "Host: gateway"
CHUNKED = "Transfer-Encoding: chunked"
REFUSED = 0


@dataclass(frozen=True)
class Check:
    """`statuses` are those of the answers, in order; `ends` says whether the server must close, None if it may.

    `rule` names section and RFC. `absent` must not occur in any answer's body.
    """

    name: str
    rule: str
    raw: bytes
    statuses: tuple[int, ...]
    ends: bool | None = None
    methods: tuple[str, ...] = ("GET",)
    absent: bytes = b""


def request(line: str, *lines: str, body: bytes = b"") -> bytes:
    """Join a request line, header lines and a body."""
    return "\r\n".join([line, *lines, "", ""]).encode("latin-1") + body


def bad(name: str, rule: str, raw: bytes) -> Check:
    """A message that must be refused, ending the connection: a request behind it is not answered."""
    return Check(name, rule, raw + NEXT, (REFUSED,), ends=True)


def good(name: str, rule: str, raw: bytes, *methods: str) -> Check:
    """Messages that are answered 200, leaving the connection open."""
    return Check(name, rule, raw, (200,) * max(1, len(methods)), ends=False, methods=methods or ("GET",))


NEXT = request("GET /next HTTP/1.1", HOST)
_GET = request("GET / HTTP/1.1", HOST)
_POST = "POST / HTTP/1.1"
_ABC = b"3\r\nabc\r\n0\r\n\r\n"

REQUEST_LINES = (
    good("a plain GET", "9112 3", _GET),
    good("a POST with a length", "9112 6.2", request(_POST, HOST, "Content-Length: 3", body=b"abc")),
    good("OPTIONS *", "9112 3.2.4", request("OPTIONS * HTTP/1.1", HOST)),
    good("absolute form", "9112 3.2.2", request("GET http://gateway/ HTTP/1.1", HOST)),
    Check("CONNECT", "9112 3.2.3", request("CONNECT gateway:443 HTTP/1.1", "Host: gateway:443"), (501,), ends=True),
    bad("HTTP/2.0", "9110 2.5", request("GET / HTTP/2.0", HOST)),
    bad("no version", "9112 3", request("GET /", HOST)),
)
FIELDS = (
    bad("no Host", "9112 3.2", request("GET / HTTP/1.1")),
    bad("two Hosts", "9112 3.2", request("GET / HTTP/1.1", HOST, "Host: other")),
    bad("a Host that is none", "9112 3.2", request("GET / HTTP/1.1", "Host: gate way")),
    bad("a space in a field name", "9112 5.1", request("GET / HTTP/1.1", HOST, "X Y: z")),
    bad("a folded line", "9112 5.2", request("GET / HTTP/1.1", HOST, "X: y", " z")),
    bad("a space before the colon", "9112 5.1", request("GET / HTTP/1.1", HOST, "X : y")),
    bad("a NUL in a value", "9110 5.5", request("GET / HTTP/1.1", HOST, "X: a\x00b")),
)
BODIES = (
    good("a chunked POST", "9112 7.1", request(_POST, HOST, CHUNKED, body=_ABC)),
    bad("chunked on HTTP/1.0", "9112 6.1", request("POST / HTTP/1.0", HOST, CHUNKED, body=_ABC)),
    bad("chunked and a length", "9112 6.3", request(_POST, HOST, "Content-Length: 5", CHUNKED, body=_ABC)),
    bad("a length and chunked", "9112 6.3", request(_POST, HOST, CHUNKED, "Content-Length: 5", body=b"0\r\n\r\n")),
    bad("an unknown coding", "9112 6.1", request(_POST, HOST, "Transfer-Encoding: rot13", body=_ABC)),
    bad("chunked not the last coding", "9112 6.3", request(_POST, HOST, "Transfer-Encoding: chunked, gzip", body=_ABC)),
    bad("two lengths", "9112 6.3", request(_POST, HOST, "Content-Length: 3", "Content-Length: 4", body=b"abcd")),
    bad("a length that is no number", "9112 6.3", request(_POST, HOST, "Content-Length: three", body=b"abc")),
    bad("a chunk size that is no number", "9112 7.1", request(_POST, HOST, CHUNKED, body=b"xyz\r\nabc\r\n0\r\n\r\n")),
    bad("a chunk longer than its size", "9112 7.1", request(_POST, HOST, CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n")),
    good("100-continue", "9110 10.1.1", request(_POST, HOST, "Expect: 100-continue", "Content-Length: 3", body=b"abc")),
)
CONNECTIONS = (
    good("two requests on one connection", "9112 9.3", _GET + NEXT, "GET", "GET"),
    Check(
        "close is honoured", "9112 9.6", request("GET / HTTP/1.1", HOST, "Connection: close") + NEXT, (200,), ends=True
    ),
    Check("HTTP/1.0 ends", "9112 9.3", request("GET / HTTP/1.0", HOST) + NEXT, (200,), ends=True),
)
ANSWERS = (
    good("HEAD has no body", "9110 9.3.2", request("HEAD / HTTP/1.1", HOST) + NEXT, "HEAD", "GET"),
    bad("an error is delimited", "9112 6.3", request("GET / HTTP/1.1", HOST, "Content-Length: x")),
)
LARGE = (
    Check("a long request line", "9112 3", request("GET /" + "a" * 70_000 + " HTTP/1.1", HOST), (414,), ends=True),
    Check("many fields", "9110 5.4", request("GET / HTTP/1.1", HOST, *["X: y"] * 5_000), (431,), ends=True),
    Check("a long field", "9110 5.4", request("GET / HTTP/1.1", HOST, "X: " + "y" * 100_000), (431,), ends=True),
)
H1SPEC = (*REQUEST_LINES, *FIELDS, *BODIES, *CONNECTIONS, *ANSWERS, *LARGE)

# h1spec --strict on uvicorn 0.54 with httptools: 26 of 33. These are the other seven.
STOCK_FAILS = frozenset(
    {
        "CONNECT",
        "HTTP/2.0",
        "a Host that is none",
        "chunked on HTTP/1.0",
        "no Host",
        "no version",
        "two Hosts",
    }
)

_LENGTH_OF_NEXT = f"Content-Length: {len(NEXT)}"
_UPGRADE = request("GET / HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: h2c")
_TRAILER = request(_POST, HOST, CHUNKED, body=b"0\r\nX-Trailer: y\r\n\r\n")

OURS = (
    bad("HTTP/0.9", "9112 C.1", request("GET / HTTP/0.9", HOST)),
    bad("a version of its own", "9110 2.5", request("GET / HTTP/1.2", HOST)),
    bad("RTSP", "9112 3", request("GET / RTSP/1.0", HOST)),
    bad("the HTTP/2 preface", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    bad("line feeds only", "9112 2.2", _GET.replace(b"\r\n", b"\n")),
    bad("a bare carriage return", "9112 2.2", request("GET / HTTP/1.1", HOST, "X: a\rY: b")),
    bad("gzip, chunked", "9112 6.1", request(_POST, HOST, "Transfer-Encoding: gzip, chunked", body=_ABC)),
    bad("a length with a sign", "9110 8.6", request(_POST, HOST, "Content-Length: +3", body=b"abc")),
    bad("a list of lengths", "9110 8.6", request(_POST, HOST, "Content-Length: 3, 3", body=b"abc")),
    bad("a chunk size with 0x", "9112 7.1", request(_POST, HOST, CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n")),
    bad("an unknown expectation", "9110 10.1.1", request("GET / HTTP/1.1", HOST, "Expect: 200-ok")),
    bad("a user in absolute form", "9110 4.2.4", request("GET http://me@gateway/ HTTP/1.1", HOST)),
    good("a body on GET is not a request", "9110 9.3.1", request("GET / HTTP/1.1", HOST, _LENGTH_OF_NEXT, body=NEXT)),
    good("empty lines before a request", "9112 2.2", b"\r\n\r\n" + _GET),
    good("a chunk extension", "9112 7.1.1", request(_POST, HOST, CHUNKED, body=b"3;a=b\r\nabc\r\n0\r\n\r\n")),
    Check("an upgrade is answered plainly", "9110 7.8", _UPGRADE + NEXT, (200,), ends=True),
    Check("trailers are not fields", "9110 6.5.1", _TRAILER, (200,), ends=False, absent=b"x-trailer"),
)
