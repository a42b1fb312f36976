"""Header blocks that differ from request to request only in what nobody reads, recognised without parsing.

A template is learnt from two blocks the parser has accepted whole. Where they differ is a hole if it is the value of
a field whose name no part below the framework looks at, llhttp included (`MEANINGFUL` has those that are looked at),
or of `X-Request-Id`, which is only echoed. Another block fits when every byte outside the holes is the same, lines
and names included, and each hole holds printable ASCII up to the end of its line. Such a value can neither end its
line nor begin another, so what the parser would make of the block is what it made of the first. Pure.
"""

from __future__ import annotations

import re

from stock_service.web.hit_head import MEANINGFUL, REQUEST_ID, REQUEST_ID_FORM

_LINE_END = b"\r\n"
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(?=[ -~]*\Z)")
_ANYTHING = re.compile(rb"[ -~]*").match
_AN_ID = re.compile(REQUEST_ID_FORM).match


class Template:
    """What stays the same in a block of header lines, and where the rest is.

    Args:
        block: is like all that will fit.
        changing: lower-case names of the fields whose values are holes.
        longest_bytes: what is longer does not fit.
    """

    __slots__ = ("_longest_bytes", "_parts", "_rest", "changing", "request_id")

    def __init__(self, block: bytes, changing: frozenset[bytes], longest_bytes: int) -> None:
        self.changing = changing
        self.request_id: bytes | None = None  # of the block that fitted last, if it is a hole
        self._longest_bytes = longest_bytes + len(_LINE_END)
        self._parts = []
        block = _LINE_END + block  # with the end of the request line, where `fits` begins
        begun, at = 0, len(_LINE_END)
        for line in block.split(_LINE_END)[1:]:
            field = _LINE.match(line)
            if field is not None and field[1].lower() in changing:
                matches = _AN_ID if field[1].lower() == REQUEST_ID else _ANYTHING
                fixed = block[begun : at + field.end()]
                self._parts.append((fixed, len(fixed), matches, matches is _AN_ID))
                begun = at + len(line)
            at += len(line) + len(_LINE_END)
        self._rest = block[begun:]

    def fits(self, head: bytes, line_ends: int) -> bool:
        """Return whether what follows `line_ends` in `head` differs from the template in harmless values only."""
        if len(head) - line_ends > self._longest_bytes:
            return False
        at = line_ends
        for fixed, size, matches, is_id in self._parts:
            if not head.startswith(fixed, at):
                return False
            value = matches(head, at + size)
            if value is None:
                return False
            if is_id:
                self.request_id = value[0]
            at = value.end()
        return head[at:] == self._rest


def learn_template(before: bytes, now: bytes, known: Template | None, longest_bytes: int) -> Template | None:
    """Return what two blocks that the parser accepted have in common; None if they differ in more than a template may.

    What `known` has holes for, still has one.
    """
    olds, news = before.split(_LINE_END), now.split(_LINE_END)
    if len(olds) != len(news):
        return None
    changing: set[bytes] = set()
    for old, new in zip(olds, news, strict=True):
        if old != new:
            name = _changing(old, new)
            if name is None:
                return None
            changing.add(name)
    template = Template(
        now, frozenset(changing) | (known.changing if known is not None else frozenset()), longest_bytes
    )
    return template if template.fits(_LINE_END + before, 0) and template.fits(_LINE_END + now, 0) else None


def _changing(old: bytes, new: bytes) -> bytes | None:
    """Return the name of the field, the same in both lines, whose values differ harmlessly; None for other lines."""
    was, now = _LINE.match(old), _LINE.match(new)
    if was is None or now is None or was[1] != now[1]:
        return None
    name = now[1].lower()
    return name if name == REQUEST_ID or name not in MEANINGFUL else None
