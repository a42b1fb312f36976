"""A vendor answer as a file: readable, fit for version control, and the same bytes again when it is read.

One file an answer: a few lines of head, a blank line, the body. The body of a JSON answer has one row a line, so that
two recordings can be compared; a body that has line breaks of its own is kept as it is. What always holds: no key and
no credential is in a file (a question has none, links lose theirs, request headers are not kept), links to the vendor
are written with its own origin, and a name depends on nothing but the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from stock_service.vendor.links import clean_body, find_links, point_links

SUFFIX = ".txt"
LINK_ORIGIN = "https://api.polygon.io"

_ROWS, _VERBATIM = "rows", "verbatim"
_BREAKS = ((b"},{", b"},\n{"), (b"[{", b"[\n{"), (b"}]", b"}\n]"))
_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")
_NAME_MAX = 100
_HEAD_MAX = 16 * 1024
_FIELDS = frozenset({"asked", "recorded-at", "status", "content-type", "request-id", "body"})


class RecordingFaulty(Exception):
    """A folder of recorded answers cannot be used. `problem` is a sentence, safe to print."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer. `key` is the question's; `recorded_at` is Unix seconds, to the millisecond."""

    key: str
    recorded_at: float
    status: int
    content_type: str
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RecordedHead:
    """What is known of a recorded answer without reading its body."""

    path: Path
    key: str
    recorded_at: float
    status: int


def file_name(key: str) -> str:
    """Return the name of the file that holds the answer to the question `key`."""
    words = _UNSAFE.sub("_", key).strip("_")[:_NAME_MAX]
    return f"{words}.{blake2b(key.encode(), digest_size=4).hexdigest()}{SUFFIX}"


def without_credentials(body: bytes, content_type: str, origins: frozenset[bytes]) -> bytes:
    """Return a body as it is recorded: links to the vendor without credentials, and with the vendor's own origin."""
    if "json" not in content_type:
        return body
    cleaned = clean_body(body, origins)
    return point_links(cleaned, find_links(cleaned, origins), LINK_ORIGIN.encode())


def write_recorded(recorded: Recorded) -> bytes:
    """Return the content of the answer's file."""
    broken = recorded.content_type.startswith("application/json") and b"\n" not in recorded.body
    body = recorded.body
    if broken:
        for joined, apart in _BREAKS:
            body = body.replace(joined, apart)
    at = datetime.fromtimestamp(recorded.recorded_at, UTC).isoformat(timespec="milliseconds")
    head = {
        "asked": recorded.key,
        "recorded-at": at.replace("+00:00", "Z"),
        "status": str(recorded.status),
        "content-type": recorded.content_type,
        "request-id": recorded.request_id,
        "body": _ROWS if broken else _VERBATIM,
    }
    lines = "".join(f"{name}: {value}\n" for name, value in head.items())
    return lines.encode() + b"\n" + body + b"\n"


def read_recorded(path: Path) -> Recorded:
    """Return the answer in a file.

    Raises:
        RecordingFaulty: it cannot be read, or is not such a file.
    """
    return parse_recorded(path, _content(path))


def parse_recorded(path: Path, content: bytes) -> Recorded:
    """Return the answer that is the content of a file; `path` names it when it is faulty.

    Raises:
        RecordingFaulty: it is not such a file.
    """
    fields, body_at = _read_head(path, content)
    body = content[body_at:].removesuffix(b"\n")
    if fields["body"] == _ROWS:
        body = body.replace(b"\n", b"")
    head = _head_of(path, fields)
    return Recorded(head.key, head.recorded_at, head.status, fields["content-type"], fields["request-id"], body)


def read_heads(folder: Path) -> Iterator[RecordedHead]:
    """Yield the head of every answer in `folder`, in the order of their names.

    Raises:
        RecordingFaulty: the folder or one of its files cannot be used.
    """
    if not folder.is_dir():
        raise RecordingFaulty(f"{folder} is no directory; record one first with --record {folder}")
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        fields, _ = _read_head(path, _content(path, _HEAD_MAX))
        yield _head_of(path, fields)


def _content(path: Path, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise RecordingFaulty(f"{path} cannot be read: {error.strerror}") from None


def _read_head(path: Path, content: bytes) -> tuple[dict[str, str], int]:
    head, blank, _ = content.partition(b"\n\n")
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError:
        lines = []
    fields = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    if not blank or len(lines) != len(_FIELDS) or set(fields) != _FIELDS or fields["body"] not in (_ROWS, _VERBATIM):
        raise RecordingFaulty(f"{path} is not a recorded answer, or was changed; record it again or remove it")
    return fields, len(head) + 2


def _head_of(path: Path, fields: dict[str, str]) -> RecordedHead:
    try:
        at = datetime.fromisoformat(fields["recorded-at"]).timestamp()
        return RecordedHead(path, fields["asked"], at, int(fields["status"]))
    except ValueError:
        raise RecordingFaulty(f"{path} has no instant or no status that can be read; record it again") from None
