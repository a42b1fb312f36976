"""What can be wrong with a connection or a message before a request exists, and the finished answer to each.

The answers are whole: a length, `Connection: close`, and the vendor's error form, because the vendor's clients
read them. Nothing of what the client sent is repeated.
"""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus


class Fault(Enum):
    """A reason to refuse: its word in metrics, the status, and what the client is told."""

    MALFORMED = ("malformed", 400, "malformed HTTP request")
    BAD_HOST = ("bad-host", 400, "exactly one valid Host header is needed")
    BAD_FRAMING = ("bad-framing", 400, "the length of the request body is ambiguous")
    HEAD_LATE = ("head-timeout", 408, "the request was not complete in time")
    BODY_LATE = ("body-timeout", 408, "the request body was not complete in time")
    BODY_LARGE = ("body-large", 413, "the request body is too large")
    URL_LONG = ("url-long", 414, "the request target is too long")
    EXPECTATION = ("expectation", 417, "this expectation cannot be met")
    HEAD_LARGE = ("head-large", 431, "the request header is too large")
    METHOD = ("method", 501, "this method is not implemented")
    CROWDED = ("connections", 503, "too many connections")
    VERSION = ("version", 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")

    def __init__(self, kind: str, status: int, message: str) -> None:
        self.kind = kind
        self.status = status
        self.message = message


def render_fault(fault: Fault, request_id: str, date: bytes) -> bytes:
    """Return the whole answer to `fault`, head and body."""
    body = b'{"status":"ERROR","request_id":"%b","error":"%b"}' % (request_id.encode("ascii"), fault.message.encode())
    retry = b"retry-after: 1\r\n" if fault.status == 503 else b""
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\ncache-control: no-store\r\n"
        b"%bdate: %b\r\nx-request-id: %b\r\nconnection: close\r\n\r\n%b"
    ) % (
        fault.status,
        HTTPStatus(fault.status).phrase.encode("ascii"),
        len(body),
        retry,
        date,
        request_id.encode("ascii"),
        body,
    )
