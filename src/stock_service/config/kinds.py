"""What the value of a setting may be: reads it from text or TOML, and writes it the way an operator would.

A kind refuses with `ValueError`, whose text completes the sentence "<name> …": what is wrong and what to write
instead. A refused value is quoted back, except a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from math import isfinite
from typing import Any, Final
from urllib.parse import urlsplit

from stock_service.config.secret import Secret

_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)\Z", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(B|kB|KB|MB|GB|KiB|MiB|GiB)\Z", re.ASCII)
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+\Z", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of values. `read` takes text or a TOML value, `write` is its inverse; `label` is for the docs."""

    label: str
    read: Callable[[object], Any]
    write: Callable[[Any], str] = str


def text(problem: str = "", pattern: str = "") -> Kind:
    """Any text without control characters; with `pattern`, only what matches it wholly, else `problem`."""
    shape = re.compile(pattern, re.ASCII) if pattern else None

    def read(raw: object) -> str:
        if not isinstance(raw, str):
            raise ValueError(f"must be a text, not {raw!r}")
        value = raw.strip()
        if not value.isprintable():
            raise ValueError("contains a line break or another control character")
        if value and shape is not None and not shape.fullmatch(value):
            raise ValueError(f"is {value!r}: {problem}")
        return value

    return Kind("text", read)


def choice(*words: str) -> Kind:
    """One of `words`, in any case."""
    known = {word.lower(): word for word in words}

    def read(raw: object) -> str:
        found = known.get(raw.strip().lower()) if isinstance(raw, str) else None
        if found is None:
            raise ValueError(f"is {raw!r}; it must be one of {', '.join(words)}")
        return found

    return Kind(" or ".join(f"`{word}`" for word in words), read)


def whole(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`, both included."""

    def read(raw: object) -> int:
        if isinstance(raw, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", raw, re.ASCII):
            raw = int(raw)
        if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
            raise ValueError(f"is {raw!r}; it must be a whole number from {least} to {most}")
        return raw

    return Kind(f"{least} to {most}", read)


def duration(least: str = "0", most: str = "1d") -> Kind:
    """A length of time in seconds, written with its unit. 0 needs none."""
    bottom, top = _seconds(least), _seconds(most)

    def read(raw: object) -> float:
        seconds = _seconds(raw)
        if not bottom <= seconds <= top:
            raise ValueError(f"is {raw!r}; it must be from {least} to {most}")
        return seconds

    return Kind(f"duration, {least} to {most}", read, write_duration)


def size(least: str, most: str) -> Kind:
    """A number of bytes, written with a unit (`64MiB`, `10MB`) or as a whole number of bytes."""
    bottom, top = _count_bytes(least), _count_bytes(most)

    def read(raw: object) -> int:
        count = _count_bytes(raw)
        if not bottom <= count <= top:
            raise ValueError(f"is {raw!r}; it must be from {least} to {most}")
        return count

    return Kind(f"size, {least} to {most}", read, write_size)


def switch() -> Kind:
    """True or false."""

    def read(raw: object) -> bool:
        if isinstance(raw, bool):
            return raw
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word not in _TRUE | _FALSE:
            raise ValueError(f"is {raw!r}; it must be true or false")
        return word in _TRUE

    return Kind("`true` or `false`", read, lambda value: "true" if value else "false")


def networks() -> Kind:
    """Several addresses or networks (`10.0.0.0/8`): an array in TOML, separated by commas elsewhere."""

    def read(raw: object) -> tuple[str, ...]:
        found = tuple(str(part) for part in _parts(raw) if part != "")
        for part in found:
            try:
                ip_network(part)
            except ValueError:
                raise ValueError(f"holds {part!r}, which is no address or network such as 10.0.0.0/8") from None
        return found

    return Kind("list of networks", read, ", ".join)


def listed(label: str, parse: Callable[[str], Any], write: Callable[[Any], str] = str) -> Kind:
    """Several values, each read by `parse`: an array in TOML, separated by commas elsewhere. Twice counts once."""

    def read(raw: object) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(parse(str(part)) for part in _parts(raw) if part != ""))

    return Kind(f"list of {label}", read, lambda values: ", ".join(map(write, values)))


def origin(*schemes: str) -> Kind:
    """Scheme, host and perhaps a port, of one of `schemes`; a trailing slash is dropped."""
    shape = " or ".join(f"{scheme}://host" for scheme in schemes)

    def read(raw: object) -> str:
        value = raw.strip().rstrip("/") if isinstance(raw, str) else None
        if value == "":
            return ""
        found = None if value is None else _read_origin(value, schemes)
        if found is None:
            # Anything beyond scheme, host and path may hold a key.
            shown = value if isinstance(value, str) and not set(value) & set("@?#") else "(hidden)"
            raise ValueError(f"is {shown!r}; it must look like {shape}, without user, path, query or fragment")
        return found

    return Kind("URL", read)


def secret() -> Kind:
    """A text that is never shown. Only visible ASCII: it travels in an HTTP header."""

    def read(raw: object) -> Secret:
        value = raw.strip() if isinstance(raw, str) else None
        if value is None or not re.fullmatch(r"[!-~]*", value, re.ASCII):
            raise ValueError("must be a text of visible ASCII characters without spaces (the value is not shown)")
        return Secret(value)

    return Kind("secret", read)


def checked_secret(label: str, check: Callable[[str], object]) -> Kind:
    """A secret that must satisfy `check`, whose `ValueError` never repeats it."""
    hidden = secret()

    def read(raw: object) -> Secret:
        value: Secret = hidden.read(raw)
        if value:
            check(value.reveal())
        return value

    return Kind(f"secret {label}", read)


def write_duration(seconds: float) -> str:
    """Write seconds with the largest unit that divides them."""
    if seconds == 0:
        return "0"
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    return f"{seconds:.12g}s"


def write_size(count: int) -> str:
    """Write bytes with the largest unit that divides them."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if count and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"


def _seconds(raw: object) -> float:
    if raw in (0, "0") and not isinstance(raw, bool):
        return 0.0
    found = _DURATION.match(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise ValueError(f"is {raw!r}; it must be a duration with its unit, such as 750ms, 30s, 5m or 1h")
    seconds = float(found[1]) * _SECONDS[found[2]]
    assert isfinite(seconds)
    return round(seconds, 9)


def _count_bytes(raw: object) -> int:
    if isinstance(raw, str) and re.fullmatch(r"\d{1,15}", raw.strip(), re.ASCII):
        raw = int(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    found = _SIZE.match(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise ValueError(f"is {raw!r}; it must be a size such as 64MiB, 10MB or 1GiB")
    return int(float(found[1]) * _BYTES[found[2]])


def _parts(raw: object) -> list[object]:
    if isinstance(raw, str):
        return [part.strip() for part in raw.split(",")]
    if isinstance(raw, list):
        return raw
    raise ValueError(f"is {raw!r}; it must be a list")


def _read_origin(value: str, schemes: tuple[str, ...]) -> str | None:
    try:
        parts = urlsplit(value)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return None
    scheme, _, rest = value.partition("://")
    if scheme.lower() not in schemes or not (parts.hostname and port_fits and _AUTHORITY.match(rest)):
        return None
    return f"{scheme.lower()}://{rest}"
