"""A block fits a template only if it differs in values that mean nothing: to the framing, to us, or to the answer."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stock_service.web.hit_head import MEANINGFUL, REQUEST_ID, Head, read_head
from stock_service.web.hit_template import Template, learn_template

_LINES = (
    b"Host: gateway",
    b"X-Datadog-Trace-Id: 0af7651916cd43dd",
    b"Accept-Encoding: gzip",
    b"X-Request-ID: 0123456789abcdef",
    b"Authorization: Bearer stk_a_b",
    b"Cookie: a=b; c=d",
)
_BLOCK = b"\r\n".join((*_LINES, b"", b""))
_BEFORE = _BLOCK.replace(b"0af7651916cd43dd", b"17").replace(b"0123456789abcdef", b"a.b_c-d")
_LONGEST = 400


def _learnt(before: bytes = _BEFORE, now: bytes = _BLOCK, known: Template | None = None) -> Template:
    template = learn_template(before, now, known, _LONGEST)
    assert template is not None
    return template


def _fits(template: Template, block: bytes) -> bool:
    return template.fits(b"GET / HTTP/1.1\r\n" + block, 14)


_TEMPLATE = _learnt()
_TRACE = slice(_BLOCK.index(b"0af"), _BLOCK.index(b"\r\nAccept"))
_ID = slice(_BLOCK.index(b"0123"), _BLOCK.index(b"\r\nAuth"))
_INSIDE_AN_ID = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_PRINTABLE = bytes(range(0x20, 0x7F))


@given(at=st.integers(0, len(_BLOCK)), gone=st.integers(0, 3), put=st.binary(max_size=12))
@example(at=_TRACE.start + 2, gone=0, put=b"\r\nA: b")
@example(at=_TRACE.start + 2, gone=1, put=b"\n")
@example(at=_TRACE.stop, gone=0, put=b"\t")
@example(at=_ID.stop, gone=0, put=b" ")
@example(at=_ID.start, gone=0, put=b" ")
def test_a_change_fits_only_inside_a_hole(at: int, gone: int, put: bytes) -> None:
    """And only if the value stays printable, or an id an id."""
    changed = _BLOCK[:at] + put + _BLOCK[at + gone :]
    harmless = changed == _BLOCK
    for hole, allowed in ((_TRACE, _PRINTABLE), (_ID, _INSIDE_AN_ID)):
        value = changed[hole.start : len(changed) - (len(_BLOCK) - hole.stop)]
        same = changed.startswith(_BLOCK[: hole.start]) and changed.endswith(_BLOCK[hole.stop :])
        if same and len(changed) >= len(_BLOCK) - (hole.stop - hole.start):
            harmless |= set(value) <= set(allowed) and (hole is _TRACE or 0 < len(value) <= 64)
    assert _fits(_TEMPLATE, changed) is harmless


_NAMES = st.sampled_from(
    [
        *sorted(MEANINGFUL),
        b"X-Changing",
        b"x-amzn-trace-id",
        b"baggage",
        b"sentry-trace",
        b"Via",
        b"Cookie",
        b"User-Agent",
    ]
)
_VALUES = st.one_of(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(str.encode),
    st.sampled_from([b"keep-alive", b"close", b"gzip", b"0", b"5", b"chunked", b"a:1", b"Bearer x", b"h2c", b'W/"a"']),
    st.binary(max_size=4),
    st.sampled_from([b"v\r\nContent-Length: 5", b"v\nHost: b", b"v\r\n\r\nGET / HTTP/1.1", b"v\r", b"v\0", b"\x80"]),
)


@st.composite
def _blocks(draw: st.DrawFn) -> list[bytes]:
    """Blocks of the same few fields with some other values each; in some of them a line hides in a value."""
    fields = [(b"Host", b"gateway"), *draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=5))]
    blocks = []
    for _ in range(draw(st.integers(3, 6))):
        said = [
            (name, draw(_VALUES) if number and draw(st.booleans()) else value)
            for number, (name, value) in enumerate(fields)
        ]
        blocks.append(b"".join(b"%b: %b\r\n" % field for field in said) + b"\r\n")
    return blocks


class _Parsed:
    """What llhttp makes of one block, if it is one whole message that we would remember."""

    def __init__(self, block: bytes) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self._ended = 0
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(b"GET / HTTP/1.1\r\n" + block)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._ended = 0
        whole = self._ended == 1 and bool(parser.should_keep_alive()) and block.find(b"\r\n\r\n") == len(block) - 4
        self.meaning = read_head(self.fields) if whole else None

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self._ended += 1


def _said(meaning: Head) -> tuple[object, ...]:
    return meaning.credential, meaning.packed, meaning.etags, meaning.says, meaning.unusual


@given(_blocks())
@example([b"Host: gateway\r\nX-Changing: %b\r\n\r\n" % value for value in (b"1", b"2", b"3\r\nContent-Length: 5")])
@example([b"Host: gateway\r\nX-Request-Id: %b\r\n\r\n" % value for value in (b"1", b"2", b"33")])
def test_whatever_fits_is_what_the_parser_would_have_made_of_it(blocks: list[bytes]) -> None:
    """One whole message, with the same fields in the same order, of the same meaning but for the echoed id."""
    template: Template | None = None
    like = before = b""
    for block in blocks:
        parsed = _Parsed(block)
        if template is not None and _fits(template, block):
            _assert_alike(parsed, _Parsed(like), template.request_id)
        elif parsed.meaning is not None:
            learnt = learn_template(before, block, template, _LONGEST) if before else None
            if learnt is not None:
                template, like = learnt, block
            before = block


def _assert_alike(parsed: _Parsed, like: _Parsed, request_id: bytes | None) -> None:
    assert parsed.meaning is not None
    assert like.meaning is not None
    assert [name for name, _ in parsed.fields] == [name for name, _ in like.fields]
    read = MEANINGFUL - {REQUEST_ID}
    assert [each for each in parsed.fields if each[0] in read] == [each for each in like.fields if each[0] in read]
    assert _said(parsed.meaning) == _said(like.meaning)
    assert parsed.meaning.request_id == (like.meaning.request_id if request_id is None else request_id)


@pytest.mark.parametrize(
    "name",
    [
        *(b"connection", b"content-length", b"proxy-connection", b"transfer-encoding", b"upgrade"),  # llhttp's own
        *(b"expect", b"host"),
        *(b"accept", b"accept-encoding", b"authorization", b"cache-control"),
        *(b"if-none-match", b"if-range", b"origin", b"range"),
        *(b"x-forwarded-host", b"x-forwarded-proto"),
    ],
)
def test_a_field_that_is_read_is_never_a_hole(name: bytes) -> None:
    """By the parser, by the guard, for the answer, or for the links in it."""
    for spelling in (name, name.title(), name.upper()):
        lines = [b"Host: a\r\n%b: %b\r\n\r\n" % (spelling, value) for value in (b"1", b"2")]
        assert learn_template(lines[0], lines[1], None, _LONGEST) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-A: 1", b"X-B: 1"),
        (b"X-A: 1", b"x-a: 2"),
        (b"X-A: 1", b"X-A: \xff"),
        (b"X-A: 1", b"X-A: 1\tb"),
        (b"X-A: 1", b"X-A: 1\r\nX-B: 2"),
        (b"X-Request-Id: 1", b"X-Request-Id: a b"),
        (b"X-Request-Id: 1", b"X-Request-Id: " + b"a" * 65),
    ],
)
def test_what_differs_in_more_than_harmless_values_has_no_template(old: bytes, new: bytes) -> None:
    assert learn_template(b"Host: a\r\n%b\r\n\r\n" % old, b"Host: a\r\n%b\r\n\r\n" % new, None, _LONGEST) is None


def test_what_changed_once_may_always_change() -> None:
    """Fields that change by turns would otherwise be learnt over and over."""
    first, second, third = (b"X-A: %d\r\nX-B: %d\r\n\r\n" % each for each in ((1, 1), (2, 1), (2, 2)))
    template = _learnt(second, third, _learnt(first, second))
    assert _fits(template, b"X-A: 9\r\nX-B: 8\r\n\r\n")


def test_the_request_id_is_found_in_its_hole() -> None:
    """It is echoed."""
    assert _fits(_TEMPLATE, _BLOCK.replace(b"0123456789abcdef", b"another.1"))
    assert _TEMPLATE.request_id == b"another.1"


def test_a_block_longer_than_a_head_may_be_does_not_fit() -> None:
    room = _LONGEST - len(_BLOCK)
    assert _fits(_TEMPLATE, _BLOCK.replace(b"Id: 0af", b"Id: 0af" + b"7" * room))
    assert not _fits(_TEMPLATE, _BLOCK.replace(b"Id: 0af", b"Id: 0af" + b"7" * (room + 1)))
