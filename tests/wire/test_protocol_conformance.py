"""What RFC 9112 demands of a server, as a table of bytes and the answer to them.

Stock uvicorn fails seven of these (measured with h1spec): a missing, doubled or invalid Host, HTTP/2.0 and 0.9, a
request line without version, Transfer-Encoding on HTTP/1.0, CONNECT.
"""

from __future__ import annotations

import json

import pytest

from stock_service.base.events import ConnectionRefused, Faulted
from tests.support.corpus import head
from tests.support.wire import HIT, KEY, LOST, Wire, get

_HOST = "Host: gateway"
_AUTH = f"Authorization: Bearer {KEY}"
_ECHO = "POST /admin/echo HTTP/1.1"
_CHUNKED = "Transfer-Encoding: chunked"
_NEXT = get("/health")

REFUSED = {
    "no Host": (head(f"GET {HIT} HTTP/1.1", _AUTH), 400),
    "two Hosts": (head(f"GET {HIT} HTTP/1.1", _HOST, _HOST, _AUTH), 400),
    "invalid Host": (head(f"GET {HIT} HTTP/1.1", "Host: a b", _AUTH), 400),
    "empty Host": (head(f"GET {HIT} HTTP/1.1", "Host:", _AUTH), 400),
    "HTTP/2.0": (head(f"GET {HIT} HTTP/2.0", _HOST), 505),
    "HTTP/0.9": (head(f"GET {HIT} HTTP/0.9", _HOST), 505),
    "HTTP/1.2": (head(f"GET {HIT} HTTP/1.2", _HOST), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "RTSP": (head(f"GET {HIT} RTSP/1.0", _HOST), 400),
    "no version": (head("GET /", _HOST), 400),
    "two spaces": (head(f"GET  {HIT} HTTP/1.1", _HOST), 400),
    "tabs": (head(f"GET\t{HIT}\tHTTP/1.1", _HOST), 400),
    "lower-case method": (head(f"get {HIT} HTTP/1.1", _HOST), 400),
    "unknown method": (head(f"FOO {HIT} HTTP/1.1", _HOST), 400),
    "CONNECT": (head("CONNECT gateway:443 HTTP/1.1", _HOST), 501),
    "user in absolute form": (head(f"GET http://me@gateway{HIT} HTTP/1.1", _HOST), 400),
    "bytes beyond ASCII in the target": (head("GET /\xc3\xa9 HTTP/1.1", _HOST), 400),
    "line feeds only": (get().replace(b"\r\n", b"\n"), 400),
    "folded header": (head(f"GET {HIT} HTTP/1.1", _HOST, "X: a\r\n b"), 400),
    "space before the colon": (head(f"GET {HIT} HTTP/1.1", "Host : gateway"), 400),
    "NUL in a value": (head(f"GET {HIT} HTTP/1.1", _HOST, "X: a\x00b"), 400),
    "bare carriage return": (head(f"GET {HIT} HTTP/1.1", _HOST, "X: a\rY: b"), 400),
    "no header name": (head(f"GET {HIT} HTTP/1.1", _HOST, ": y"), 400),
    "unknown expectation": (head(f"GET {HIT} HTTP/1.1", _HOST, "Expect: 200-ok"), 417),
    "chunked on HTTP/1.0": (head("POST /admin/echo HTTP/1.0", _CHUNKED, body=b"0\r\n\r\n"), 400),
    "chunked and a length": (head(_ECHO, _HOST, "Content-Length: 3", _CHUNKED, body=b"0\r\n\r\n"), 400),
    "chunked twice": (head(_ECHO, _HOST, _CHUNKED, _CHUNKED, body=b"0\r\n\r\n"), 400),
    "gzip, chunked": (head(_ECHO, _HOST, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400),
    "xchunked": (head(_ECHO, _HOST, "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    "two different lengths": (head(_ECHO, _HOST, "Content-Length: 3", "Content-Length: 4", body=b"abcd"), 400),
    "a list of lengths": (head(_ECHO, _HOST, "Content-Length: 3, 3", body=b"abc"), 400),
    "length with a sign": (head(_ECHO, _HOST, "Content-Length: +3", body=b"abc"), 400),
    "negative length": (head(_ECHO, _HOST, "Content-Length: -1", body=b"abc"), 400),
    "chunk size with 0x": (head(f"GET {HIT} HTTP/1.1", _HOST, _CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    "chunk size ended by a line feed": (head(f"GET {HIT} HTTP/1.1", _HOST, _CHUNKED, body=b"3\nabc\r\n0\r\n\r\n"), 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
}

ACCEPTED = {
    "GET": (get(), 200),
    "HEAD": (get(method="HEAD"), 200),
    "HTTP/1.0 without Host": (head(f"GET {HIT} HTTP/1.0", _AUTH), 200),
    "absolute form": (head(f"GET http://gateway{HIT} HTTP/1.1", _HOST, _AUTH), 200),
    "OPTIONS *": (head("OPTIONS * HTTP/1.1", _HOST), 405),
    "TRACE": (head(f"TRACE {HIT} HTTP/1.1", _HOST), 405),
    "POST with a body": (head(_ECHO, _HOST, "Content-Length: 3", body=b"abc"), 200),
    "chunked POST": (head(_ECHO, _HOST, _CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n"), 200),
    "chunk extension": (head(_ECHO, _HOST, _CHUNKED, body=b"3;a=b\r\nabc\r\n0\r\n\r\n"), 200),
    "GET with a body": (head(f"GET {HIT} HTTP/1.1", _HOST, _AUTH, "Content-Length: 3", body=b"abc"), 200),
    "empty lines before a request": (b"\r\n\r\n" + get(), 200),
    "Range is ignored": (get(HIT, "Range: bytes=0-3"), 200),
    "h2c is not taken up": (get("/health", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"), 200),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_message_is_refused_and_the_connection_ends(name: str) -> None:
    """Also behind a good one; nothing after it is answered."""
    raw, status = REFUSED[name]
    wire = Wire()
    for before in (b"", get()):
        connection = await wire.connect().send(before + raw + _NEXT)
        *_, last = answers = connection.answers()
        assert [answer.status for answer in answers] == ([200, status] if before else [status])
        assert connection.closed
        assert last.header("connection") == "close"
        assert json.loads(last.body)["status"] == "ERROR"
    assert wire.observer.count(ConnectionRefused) == 2


@pytest.mark.parametrize("name", ACCEPTED)
async def test_a_good_message_is_answered(name: str) -> None:
    """The lenient side of the table."""
    raw, status = ACCEPTED[name]
    wire = Wire()
    connection = await wire.connect().send(raw)
    [answer] = connection.answers(raw.lstrip().split(b" ", 1)[0].decode())
    assert answer.status == status
    assert wire.observer.count(ConnectionRefused) == 0


async def test_absolute_form_replaces_the_host() -> None:
    """RFC 9112 3.2.2: the Host header of such a request is ignored."""
    wire = Wire()
    connection = await wire.connect().send(head("POST http://named:81/admin/echo HTTP/1.1", _HOST))
    assert b"host=named:81" in connection.answers()[0].body
    assert b"host=gateway" not in connection.answers()[0].body


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_trailers_never_become_headers(method: str) -> None:
    """Stock uvicorn appends them to the scope while the application runs; a body of GET ends before it runs."""
    wire = Wire()
    body = b"3\r\nabc\r\n0\r\nX-Request-Id: smuggled\r\nHost: evil\r\n\r\n"
    connection = wire.connect()
    await connection.send(head(f"{method} /admin/echo HTTP/1.1", _HOST, _CHUNKED), body)
    [answer] = connection.answers()
    assert answer.body == f"{method}|{3 if method == 'POST' else 0}|host=gateway|transfer-encoding=chunked".encode()
    assert answer.header("x-request-id") != "smuggled"


@pytest.mark.parametrize("field", ["Connection: close", "Connection: upgrade\r\nUpgrade: websocket"])
@pytest.mark.parametrize("together", [True, False])
async def test_what_a_trailer_says_of_the_connection_is_nobodys_word(field: str, *, together: bool) -> None:
    """The parser obeys it and takes nothing more; the answer has said that the connection stays."""
    wire = Wire()
    posted = head(_ECHO, _HOST, _CHUNKED), f"3\r\nabc\r\n0\r\n{field}\r\n\r\n".encode()
    connection = wire.connect()
    for message in [b"".join([*posted, *posted, get()])] if together else [*posted, *posted, get()]:
        await connection.send(message)
    assert [answer.status for answer in connection.answers("POST", "POST", "GET")] == [200, 200, 200]
    assert wire.observer.count(ConnectionRefused) == 0


async def test_nobody_is_let_in_for_a_trailer() -> None:
    """A proxy in front that takes a field out of heads lets the trailer of that name pass."""
    wire = Wire()
    await wire.warm(get())
    raw = head(f"GET {HIT} HTTP/1.1", _HOST, _CHUNKED, body=f"0\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
    [answer] = (await wire.connect().send(raw)).answers()
    assert answer.status == 401


async def test_a_refused_body_is_not_asked_for_afterwards() -> None:
    """It came with its head and was refused before the application could ask, which would be written after the end."""
    wire = Wire()
    raw = head(_ECHO, _HOST, _CHUNKED, "Expect: 100-continue", body=b"no size\r\n")
    connection = await wire.connect().send(raw)
    [answer] = connection.answers()
    assert (answer.status, b"100 Continue" in connection.output) == (400, False)
    assert wire.observer.count(Faulted) == 0


async def test_an_upgrade_is_answered_plainly_and_ends_the_connection() -> None:
    """Stock uvicorn answers 200, keeps the connection and loses the request behind it."""
    wire = Wire()
    for upgrade in ("h2c", "websocket"):
        connection = await wire.connect().send(get("/health", "Connection: Upgrade", f"Upgrade: {upgrade}") + _NEXT)
        [answer] = connection.answers()
        assert answer.header("connection") == "close"
        assert connection.closed


@pytest.mark.parametrize(
    ("line", "closes"),
    [
        ("Connection: close", True),
        ("Connection: Close", True),
        ("Connection: close, te", True),
        ("Connection: keep-alive", False),
        ("X-Nothing: 1", False),
    ],
)
async def test_close_is_honoured_and_said(line: str, closes: bool) -> None:
    """On hits too; what comes after it is not answered."""
    wire = Wire()
    await wire.warm(get(HIT, line))
    connection = await wire.connect().send(get(HIT, line) * 3)
    answers = connection.answers()
    assert len(answers) == (1 if closes else 3)
    assert connection.closed is closes
    assert (answers[0].header("connection") == "close") is closes


@pytest.mark.parametrize("target", [HIT, LOST, "/health"])
async def test_http_10_closes_unless_asked_to_stay_and_then_says_so(target: str) -> None:
    """Without the promise such a client reads on until we close; `ab -k` and old proxies count on it (RFC 9112 9.3)."""
    wire = Wire()
    await wire.warm(get(), get(LOST))
    plain = head(f"GET {target} HTTP/1.0", _AUTH)
    staying = head(f"GET {target} HTTP/1.0", "Connection: Keep-Alive", _AUTH)
    connection = await wire.connect().send(staying * 3 + plain * 2)
    said = [answer.header("connection") for answer in connection.answers()]
    assert said == ["keep-alive"] * 3 + ["close"]
    assert connection.closed


async def test_expect_continue_is_met_when_the_body_is_wanted() -> None:
    """And the final answer follows the body."""
    wire = Wire()
    connection = wire.connect()
    await connection.send(head(_ECHO, _HOST, "Expect: 100-Continue", "Content-Length: 3"))
    assert connection.output == b"HTTP/1.1 100 Continue\r\n\r\n"
    await connection.send(b"abc")
    assert [answer.status for answer in connection.answers()] == [200]


async def test_the_refused_never_hear_their_own_words() -> None:
    """A refusal holds nothing of the request."""
    wire = Wire()
    connection = await wire.connect().send(head("GET /marker HTTP/1.1", "Host: marker marker", "X-Request-Id: marker"))
    assert b"marker" not in connection.output
