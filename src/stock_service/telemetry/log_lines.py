"""How one log line looks: JSON for machines, or columns for people.

Pure. Always holds: an event is one line of JSON, traceback and all; the word ERROR is in a JSON line only if that is
its level, so that `grep ERROR` finds errors and nothing else; no line holds a character that is not seen, which a
terminal might obey; and every line is scrubbed, what is too long before it is cut and what holds that word before it is
respelt, for neither would be known for a secret any more.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import lru_cache

import msgspec

from stock_service.base.record import record

_WORD = "ERROR"
_WORD_ESCAPED = "\\u0045RROR"  # the same text to whoever reads the JSON
_TEXT_MAX = 2_000  # characters of one field
_TRACEBACK_MAX = 16_000  # characters; the end of a traceback is the useful part

FieldValue = str | int | float
Fields = Mapping[str, FieldValue]
Scrub = Callable[[str], str]  # takes credentials out of a text, and out of one that was scrubbed nothing more


class Level(IntEnum):
    """How much a line matters; the numbers are those of the standard library."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


_WORDS = {level: level.name for level in Level}


class Form(StrEnum):
    """Who reads the lines."""

    JSON = "json"
    CONSOLE = "console"


@record
class Line:
    """What a line says. `at` is Unix time in seconds."""

    at: float
    level: Level
    event: str
    message: str
    fields: Fields
    error: BaseException | None = None


def render_json(line: Line, scrub: Scrub) -> str:
    """Return `line` as one JSON object without its end."""
    content: dict[str, FieldValue] = {
        "time": _instant(line.at),
        "level": _WORDS[line.level],
        "event": line.event,
        "message": line.message,
        **line.fields,
    }
    encoded = None if line.error is not None else _encode_short(content)
    if encoded is None:
        content = {name: _bounded(value, scrub) for name, value in content.items()}
        if line.error is not None:
            content["traceback"] = _traceback(line.error, scrub)
        encoded = msgspec.json.encode(content)
    text = _escaped(scrub(encoded.decode()))
    return text if line.level is Level.ERROR else text.replace(_WORD, _WORD_ESCAPED)


def render_console(line: Line, scrub: Scrub) -> str:
    """Return `line` for a terminal; a traceback follows on its own lines."""
    fields = "".join(f" {name}={_bounded(value, scrub)}" for name, value in line.fields.items())
    texts = [f"{_instant(line.at)[11:23]} {line.level.name:7} {_bounded(line.message, scrub)}{fields}"]
    if line.error is not None:
        texts += _traceback(line.error, scrub).rstrip().split("\n")
    return scrub("\n".join(map(_visible, texts)))


def _encode_short(content: dict[str, FieldValue]) -> bytes | None:
    """Return `content` as JSON, or None when a field may have to be cut or repaired first."""
    try:
        encoded = msgspec.json.encode(content)
    except UnicodeEncodeError:
        return None
    return encoded if len(encoded) <= _TEXT_MAX else None


def _instant(at: float) -> str:
    second, part = divmod(int(at * 1e3 + 5e-4), 1_000)  # a float may be a little less than the millisecond it is
    return f"{_second(second)}.{part:03}Z"


@lru_cache(maxsize=4)  # lines come in crowds of one second
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _bounded(value: FieldValue, scrub: Scrub) -> FieldValue:
    if not isinstance(value, str):
        return value
    return _plain(value if len(value) <= _TEXT_MAX else scrub(value)[:_TEXT_MAX])


def _traceback(error: BaseException, scrub: Scrub) -> str:
    text = "".join(traceback.format_exception(error))
    return _plain(text if len(text) <= _TRACEBACK_MAX else scrub(text)[-_TRACEBACK_MAX:])


def _plain(text: str) -> str:
    """Return `text` without lone surrogates, which no encoder takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _escaped(text: str) -> str:
    """Return the JSON `text` with each character that is not seen in its escaped spelling, the same to who reads it."""
    if text.isascii() and "\x7f" not in text:  # the encoder spells out the lower ones
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _visible(text: str) -> str:
    """Return `text` with a mark for each character that is not seen."""
    return "".join(character if character.isprintable() else "?" for character in text)
