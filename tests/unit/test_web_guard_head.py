"""The verdict on the beginning of a head is the verdict on the whole, only sooner."""

from __future__ import annotations

import pytest

from stock_service.web.guard_faults import Fault, render_fault
from stock_service.web.guard_head import Framing, HeadLimits, authority_of, judge_begun, judge_fields, judge_line
from tests.support.corpus import LINES

_LIMITS = HeadLimits()


@pytest.mark.parametrize("line", LINES)
def test_no_beginning_of_a_line_is_judged_otherwise_than_the_line(line: str) -> None:
    """A good line is never refused early, a bad one never for another reason."""
    raw = line.encode("latin-1")
    final = judge_line(raw, _LIMITS)
    for length in range(1, len(raw) + 1):
        early = judge_begun(raw[:length], _LIMITS)
        assert early is None or early is final, raw[:length]
    if raw:
        assert judge_begun(raw + b"\r\n", _LIMITS) is final


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        (b"/x", None),
        (b"*", None),
        (b"http://a/x", b"a"),
        (b"HTTPS://a:1?x", b"a:1"),
        (b"http://a", b"a"),
        (b"http://a@b/x", b""),
        (b"ftp://a/x", b""),
        (b"x", b""),
        (b"http:///x", b""),
    ],
)
def test_the_authority_of_a_target(target: bytes, authority: bytes | None) -> None:
    """Empty when it is not usable."""
    assert authority_of(target) == authority


@pytest.mark.parametrize(
    ("fields", "judged"),
    [
        ([], Fault.BAD_HOST),
        ([(b"host", b"a")], Framing(0)),
        ([(b"host", b"a"), (b"content-length", b"12")], Framing(12)),
        ([(b"host", b"a"), (b"transfer-encoding", b"Chunked")], Framing(None)),
        ([(b"host", b"a"), (b"content-length", b"1"), (b"content-length", b"1")], Fault.BAD_FRAMING),
        ([(b"host", b"a"), (b"transfer-encoding", b"chunked"), (b"content-length", b"1")], Fault.BAD_FRAMING),
        ([(b"host", b"a"), (b"content-length", b"1_0")], Fault.BAD_FRAMING),
        ([(b"host", b"a"), (b"content-length", b"\xb2")], Fault.BAD_FRAMING),
        ([(b"host", b"a"), (b"expect", b"more")], Fault.EXPECTATION),
    ],
)
def test_the_framing_of_a_message(fields: list[tuple[bytes, bytes]], judged: Fault | Framing) -> None:
    """RFC 9112 6.3, the strict reading."""
    assert judge_fields(b"POST", "1.1", fields) == judged


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_whole_answer(fault: Fault) -> None:
    """With its own length, and the end of the connection."""
    head, _, body = render_fault(fault, "id-1", b"now").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % fault.status)
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head
    assert head.endswith(b"\r\nconnection: close")
    assert (b"retry-after: 1" in head) is (fault.status == 503)
