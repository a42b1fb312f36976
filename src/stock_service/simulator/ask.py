"""One question to the simulated vendor, and the ways it can be refused.

Decides how parameters are read and what the vendor says about bad ones (facts.md 1.6). The caller's key is not part
of a question: whoever makes an `Ask` leaves it out, so it can reach no answer, link or log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode

UPGRADE = "Please upgrade your plan at https://polygon.io/pricing"


class Refusal(Exception):
    """The vendor answers with an error body. `status` is the HTTP status, `members` the body without request_id."""

    def __init__(self, status: int, members: Mapping[str, str]) -> None:
        super().__init__(status, members)
        self.status = status
        self.members = members


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON."""

    content_type: str
    body: bytes


class NoSuchRoute(Exception):
    """The vendor knows no such path; it says so in plain text."""


def bad_parameter(problem: str) -> Refusal:
    """400: the question is malformed."""
    return Refusal(400, {"status": "ERROR", "error": problem})


def not_found(message: str = "Ticker not found.") -> Refusal:
    """404: nothing exists under that name or on that day."""
    return Refusal(404, {"status": "NOT_FOUND", "message": message})


@dataclass(frozen=True, slots=True)
class Ask:
    """A question: decoded path, parameters without the key, the instant it is answered for, and the host called."""

    path: str
    params: Mapping[str, str]
    now_ms: int
    origin: str

    @property
    def request_id(self) -> str:
        """The same for the same question in the same second."""
        text = f"{self.path}?{urlencode(sorted(self.params.items()))}@{self.now_ms // 1000}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def resumed(self) -> Ask:
        """The question a cursor stands for, or itself without one. Raises Refusal for a cursor nobody gave out."""
        cursor = self.params.get("cursor")
        if cursor is None:
            return self
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            pairs = dict(parse_qsl(text, strict_parsing=True, keep_blank_values=True))
        except (binascii.Error, ValueError) as error:
            raise bad_parameter("Could not parse the cursor.") from error
        return replace(self, params=pairs)

    def link(self, params: Mapping[str, object], path: str | None = None) -> str:
        """The absolute `next_url` that resumes with `params`, on the host that was called and without a key."""
        text = urlencode(sorted((name, str(value)) for name, value in params.items()))
        cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{self.origin}{quote(path or self.path, safe='/:,-.')}?cursor={cursor}"

    def whole(self, name: str, default: int, most: int, least: int = 1) -> int:
        """A whole number within bounds."""
        text = self.params.get(name)
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
            raise bad_parameter(f"The parameter '{name}' must be a number between {least} and {most}.")
        return int(text)

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value."""
        text = self.params.get(name, "").lower()
        if text not in ("", "true", "false"):
            raise bad_parameter(f"The parameter '{name}' must be true or false.")
        return default if not text else text == "true"

    def choice(self, name: str, default: str, *allowed: str) -> str:
        """One of a few words."""
        text = self.params.get(name) or default
        if text not in allowed:
            raise bad_parameter(f"The parameter '{name}' must be one of {', '.join(allowed)}.")
        return text

    def words(self, name: str) -> tuple[str, ...]:
        """A comma-separated list, without empty words."""
        return tuple(word for word in self.params.get(name, "").split(",") if word)
