"""A block fits a template only if nothing but the value of a trace or request id differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stock_service.web.hit_template import Template

_BLOCK = (
    b"Host: gateway\r\nUser-Agent: x\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    b"Accept-Encoding: gzip\r\nX-Request-ID: 0123456789abcdef\r\nAuthorization: Bearer stk_a_b\r\n\r\n"
)
_TEMPLATE = Template(_BLOCK)
_TRACE = slice(_BLOCK.index(b"00-0af"), _BLOCK.index(b"\r\nAccept"))
_REQUEST = slice(_BLOCK.index(b"0123456789abcdef"), _BLOCK.index(b"\r\nAuth"))
_INSIDE = {*range(_TRACE.start, _TRACE.stop), *range(_REQUEST.start, _REQUEST.stop)}


@given(offset=st.integers(0, len(_BLOCK) - 1), byte=st.integers(0, 255))
def test_one_changed_byte_fits_only_inside_an_id(offset: int, byte: int) -> None:
    """And only if it is a letter, a digit or a hyphen."""
    changed = bytearray(_BLOCK)
    changed[offset] = byte
    harmless = offset in _INSIDE and (bytes([byte]).isalnum() or byte == ord("-"))
    assert _TEMPLATE.fits(bytes(changed)) is (harmless or changed[offset] == _BLOCK[offset])


@given(trace=st.text("0123456789abcdef-", min_size=55, max_size=55), request=st.binary(min_size=16, max_size=16))
def test_any_values_of_the_known_length_fit_when_they_are_plain(trace: str, request: bytes) -> None:
    """A value of hyphens alone is not one."""
    block = bytearray(_BLOCK)
    block[_TRACE] = trace.encode()
    block[_REQUEST] = request
    plain = all(value.replace(b"-", b"").isalnum() for value in (trace.encode(), request))
    assert _TEMPLATE.fits(bytes(block)) is plain


@given(cut=st.integers(0, len(_BLOCK)), more=st.binary(min_size=1, max_size=40))
def test_no_longer_and_no_shorter_block_fits(cut: int, more: bytes) -> None:
    """Offsets would mean something else."""
    assert not _TEMPLATE.fits(_BLOCK[:cut] + more + _BLOCK[cut:])
    assert not _TEMPLATE.fits(_BLOCK[:cut] + _BLOCK[cut + 1 :]) or cut == len(_BLOCK)


def test_only_named_fields_are_holes() -> None:
    """A field that merely ends in such a name, or holds one in its value, is not."""
    for line in (b"X-traceparent: abc", b"X: traceparent: abc", b"traceparent:  abc", b"traceparent: a b", b"b33: abc"):
        assert not Template(b"Host: a\r\n%b\r\n\r\n" % line)
    for line in (b"traceparent: abc", b"TraceParent:abc", b"b3: abc", b"X-B3-TraceId: abc"):
        assert Template(b"Host: a\r\n%b\r\n\r\n" % line)


def test_the_request_id_is_found_in_its_hole() -> None:
    """It is echoed."""
    assert _TEMPLATE.request_id == _REQUEST
    assert Template(b"Host: a\r\n\r\n").request_id is None
