"""The same bytes to our server and to nginx: where messages end must be the same for both.

nginx often stands in front of us. If it sees one request where we see two, the second is somebody's attack. Statuses
may differ; what counts is how many requests are answered and whether the connection ends.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.checks import H1SPEC, HOST, OURS, request
from tests.conformance.processes import nginx_serving, serving
from tests.support.corpus import SAMPLES
from tests.support.tools import require

LAST = request("GET /last HTTP/1.1", HOST, "Connection: close")
RAWS = {sample.name: sample.raw for sample in SAMPLES} | {check.name: check.raw for check in (*H1SPEC, *OURS)}

# What nginx refuses and we do not, none of it about where a message ends: part of a sample's name, and why.
LENIENT = {
    "OPTIONS *": "asterisk form is a form of RFC 9112; nginx knows no resource under it",
    "GET *": "refused with 404 by the service behind the protocol",
    "TRACE": "refused with 405 by the service behind the protocol",
    "%00": "refused with 400 by the service behind the protocol",
    "%zz": "refused with 400 by the service behind the protocol",
    "If-Match": "a precondition for changes; there are none here",
    "two if-none-match": "read as one list; a wrong one costs a body, no more",
    "'Authorization: ": "two of one field; the gate refuses two different keys",
}
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


@dataclass(frozen=True)
class Seen:
    """How many requests a server answered as good, how many it refused, and whether it ended the connection."""

    answered: int
    refused: int
    ended: bool


def seen_by(port: int, raw: bytes) -> Seen:
    """Send `raw` and one request that ends the connection; return what the server made of them."""
    heard, ended = b"", True
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as client:
        try:
            client.sendall(raw + LAST)
            while piece := client.recv(65_536):
                heard += piece
        except TimeoutError:
            ended = False
        except ConnectionError:
            pass  # reset: it has said what it had to say
    statuses = [int(each) for each in _STATUS.findall(heard) if each != b"100"]
    good = sum(status < 400 for status in statuses)
    return Seen(good, len(statuses) - good, ended)


@pytest.mark.system_tool("nginx")
def test_nginx_never_sees_fewer_requests_than_we_do(tmp_path: Path) -> None:
    """And both end the connection, or neither. We may see fewer: what is refused, or closed, cannot be smuggled."""
    program = require("nginx")
    with serving() as ours, nginx_serving(program, tmp_path) as theirs:
        pairs = {name: (seen_by(ours, raw), seen_by(theirs, raw)) for name, raw in RAWS.items()}
    assert {name for name, (our, their) in pairs.items() if our.ended != their.ended} == set()
    more = {name for name, (our, their) in pairs.items() if our.answered > their.answered}
    unexplained = {name for name in more if not any(part in name for part in LENIENT)}
    assert {name: pairs[name] for name in unexplained} == {}
    assert {part for part in LENIENT if not any(part in name for name in more)} == set(), "no longer a difference"
    assert all(pairs[name][1].answered == 0 for name in more), "nginx refuses the whole, or sees as many"
    assert sum(our == their for our, their in pairs.values()) > len(pairs) * 3 // 4


@pytest.mark.system_tool("nginx")
def test_whatever_is_sent_through_nginx_the_next_answer_is_the_next_requests(tmp_path: Path) -> None:
    """One connection between nginx and us carries everybody's requests: one that is out of step answers strangers."""
    program = require("nginx")
    with serving() as ours, nginx_serving(program, tmp_path, behind=ours) as front:
        strangers = []
        for number, (name, raw) in enumerate(RAWS.items()):
            seen_by(front, raw)
            if not _names(front, f"/next-{number}"):
                strangers.append(name)
    assert strangers == []


def _names(port: int, path: str) -> bool:
    """Return whether asking for `path` is answered with that very path."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as client:
        client.sendall(request(f"GET {path} HTTP/1.1", HOST, "Connection: close"))
        while piece := client.recv(65_536):
            heard += piece
    return heard.startswith(b"HTTP/1.1 200 ") and f"\r\n\r\nGET {path}\n".encode() in heard
