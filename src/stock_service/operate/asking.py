"""One GET to a running service, as an operator's tool makes it: no redirect is followed, no proxy asked for loopback.

The client key travels in the `Authorization` header and is never kept or printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from stock_service.base.clock import Clock, SystemClock

_BODY_MAX = 16 * 1024 * 1024
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NobodyAnswers(Exception):
    """No HTTP answer came from the address. `reason` is the operating system's or the library's word."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: status, headers with lower-case names, body, and the seconds it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """Return the decoded body; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Take the redirect as the answer it is: following it could hand the key to somebody else."""
        return


@dataclass(frozen=True, slots=True)
class Service:
    """A running service at `url` (scheme, host, port). `patience` in seconds for each part of an answer."""

    url: str
    key: str | None = None
    patience: float = 10.0
    clock: Clock = field(default_factory=SystemClock)

    def ask(self, path: str) -> Told:
        """Return the answer to a GET, whatever its status.

        Raises:
            NobodyAnswers: the connection failed, or what came back was not HTTP.
        """
        begun_at = self.clock.monotonic()
        request = Request(self.url.rstrip("/") + path, headers=self._headers())  # noqa: S310 - the operator's address
        try:
            with self._opener().open(request, timeout=self.patience) as answer:
                return self._told(answer.status, answer, begun_at)
        except HTTPError as error:
            with error:
                return self._told(error.code, error, begun_at)
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise NobodyAnswers(self.url, str(getattr(error, "reason", None) or error)) from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def _opener(self) -> Any:
        local = urlsplit(self.url).hostname in _LOOPBACK
        return build_opener(_NoRedirect, ProxyHandler({})) if local else build_opener(_NoRedirect)

    def _told(self, status: int, answer: Any, begun_at: float) -> Told:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Told(status, headers, answer.read(_BODY_MAX), self.clock.monotonic() - begun_at)
