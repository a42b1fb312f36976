"""Judges the head of a request before and beside the parser: size, form, host, framing. Pure.

llhttp is lenient where RFC 9112 is not (HTTP/0.9 and 2.0, RTSP, a missing or doubled Host, `Transfer-Encoding` on
HTTP/1.0), and it counts nothing. The verdict on a head that arrives byte by byte is the verdict on the whole head,
only sooner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from stock_service.web.guard_faults import Fault
from stock_service.web.origin import valid_host

_LINE = re.compile(rb"[A-Z][A-Z-]{0,23} ([!-~]+) HTTP/([0-9])\.([0-9])\Z")
_LINE_BEGUN = re.compile(
    rb"[A-Z][A-Z-]{0,23}(?: (?:[!-~]+(?: (?:H|HT|HTT|HTTP|HTTP/[0-9]?|HTTP/[0-9]\.|HTTP/[0-9]\.[0-9]\r?)?)?)?)?\Z"
)
_LINE_EXTRA_BYTES = 40  # the longest method, two spaces and the version
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(?:[/?#]|\Z)", re.IGNORECASE)
FRAMING_FIELDS = frozenset({b"content-length", b"expect", b"host", b"transfer-encoding"})
_LENGTH = re.compile(rb"[0-9]{1,18}\Z")

HeaderFields = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large the parts of a head may be."""

    url_bytes: int = 8 * 1024
    header_bytes: int = 32 * 1024  # all header lines with their ends
    header_count: int = 100


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body of a message is delimited: `length` bytes, or in chunks when that is None.

    `awaited`: the client sends it once we say that we want it (`Expect: 100-continue`).
    """

    length: int | None
    awaited: bool = False


_BODILESS = Framing(0)
_valid_host = lru_cache(maxsize=64)(valid_host)  # clients name one host over and over


def judge_line(line: bytes, limits: HeadLimits) -> Fault | None:
    """Return what is wrong with a whole request line (RFC 9112 3), without its end."""
    match = _LINE.match(line)
    if match is None:
        return _judge_line_begun(line, limits) or Fault.MALFORMED
    target, major, minor = match.groups()
    if len(target) > limits.url_bytes:
        return Fault.URL_LONG
    if major != b"1" or minor not in b"01":
        return Fault.VERSION
    return None


def judge_lines(block: bytes, limits: HeadLimits) -> Fault | None:
    """Return what is wrong with the amount of header lines in `block`, whether it is whole yet or not."""
    if len(block) > limits.header_bytes:
        return Fault.HEAD_LARGE
    lines = block.count(b"\r\n") - block.endswith(b"\r\n\r\n")
    return Fault.HEAD_LARGE if lines > limits.header_count else None


def judge_begun(data: bytes, limits: HeadLimits) -> Fault | None:
    """Return what is already wrong with the beginning of a head, so that nobody waits for the rest of it."""
    line, end, block = data.partition(b"\r\n")
    if not end:
        return _judge_line_begun(line, limits)
    fault = judge_line(line, limits) or judge_lines(block, limits)
    if fault is None and (b"\0" in block or block.count(b"\n") != block.count(b"\r\n")):
        return Fault.MALFORMED
    return fault


def _judge_line_begun(begun: bytes, limits: HeadLimits) -> Fault | None:
    longest = limits.url_bytes + _LINE_EXTRA_BYTES
    if _LINE_BEGUN.match(begun[: longest + 1]) is None:
        return Fault.MALFORMED
    return Fault.URL_LONG if len(begun) > longest else None


def judge_fields(method: bytes, version: str, fields: HeaderFields) -> Fault | Framing:
    """Return what is wrong with the header fields (names in lower case), or how the body is framed."""
    if method == b"CONNECT":
        return Fault.METHOD
    weighty = [field for field in fields if field[0] in FRAMING_FIELDS]
    hosts = [value for name, value in weighty if name == b"host"]
    if len(hosts) > 1 or (not hosts and version != "1.0") or not all(map(_valid_host, hosts)):
        return Fault.BAD_HOST
    if len(weighty) == len(hosts):
        return _BODILESS
    expected = [value for name, value in weighty if name == b"expect"]
    if any(value.lower() != b"100-continue" for value in expected):
        return Fault.EXPECTATION
    return _judge_framing(version, weighty, awaited=bool(expected))


def _judge_framing(version: str, weighty: HeaderFields, *, awaited: bool) -> Fault | Framing:
    lengths = [value for name, value in weighty if name == b"content-length"]
    codings = [value for name, value in weighty if name == b"transfer-encoding"]
    if codings:
        exact = len(codings) == 1 and codings[0].lower() == b"chunked" and version == "1.1" and not lengths
        return Framing(None, awaited) if exact else Fault.BAD_FRAMING
    if not lengths:
        return Framing(0, awaited)
    if len(lengths) > 1 or _LENGTH.match(lengths[0]) is None:
        return Fault.BAD_FRAMING
    return Framing(int(lengths[0]), awaited)


def authority_of(target: bytes) -> bytes | None:
    """Return the host and port of an absolute-form target, None for any other form; b"" when it is not usable.

    It replaces the Host header (RFC 9112 3.2.2).
    """
    if target.startswith(b"/") or target == b"*":
        return None
    match = _ABSOLUTE.match(target)
    return match[1] if match is not None and valid_host(match[1]) else b""
