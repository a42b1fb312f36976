"""Takes credentials out of text on its way to a log.

The last line of defence: no part of the service puts a credential into a line, but libraries, tracebacks and users'
own words may. Pure. Always holds: what remains of a key of ours is its id, of any other credential nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

STARS = "***"
_VALUE = r"[^\s\"'&\\,;<>]+"
_CLIENT_KEY = re.compile(rf"(stk_[a-z0-9]+_){_VALUE}", re.IGNORECASE)
_PARAMETER = re.compile(rf"(api[_-]?key(?:=|%3D|\\?[\"']?\s*[:=]\s*\\?[\"']?)){_VALUE}", re.IGNORECASE)
_BEARER = re.compile(rf"(bearer(?:\s+|%20|\+)){_VALUE}", re.IGNORECASE)
_PATTERNS = (("stk_", _CLIENT_KEY), ("api", _PARAMETER), ("bearer", _BEARER))
_SECRET_MIN = 6  # shorter texts are words, not secrets; replacing them would garble every line


class Scrubber:
    """Removes `secrets` in every spelling a line may have them in, and whatever looks like a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= _SECRET_MIN
            for spelling in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])
        }
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._spellings)))

    def scrub(self, text: str) -> str:
        """Return `text` with stars in place of credentials; plain text stays plain and JSON stays JSON."""
        if any(map(text.__contains__, self._spellings)):  # the pattern finds none far later than this
            text = self._known.sub(STARS, text)
        lowered = text.lower()
        for sign, pattern in _PATTERNS:
            if sign in lowered:
                text = pattern.sub(rf"\g<1>{STARS}", text)
        return text
