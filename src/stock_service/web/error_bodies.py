"""The one translator from errors to HTTP: status, `Retry-After`, text, and the two shapes of body.

Decides what a client is told. Vendor-shaped bodies go out under the vendor's paths, where the official clients look
for them; RFC 9457 problems under our own. Never lets a secret out: the texts are written here, and the errors carry
words, numbers and what the client itself wrote. What always holds: every class of the family has a row; 429 and 503
carry a whole number of seconds, at least 1 and never less than the true wait.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from stock_service.base.errors import (
    BadRequest,
    Broken,
    CircuitOpen,
    ClientLimited,
    CredentialRefused,
    KeysFixed,
    NotAllowed,
    NotCached,
    NotFound,
    NotRecorded,
    Overloaded,
    QuotaSpent,
    ServiceError,
    Unavailable,
    VendorFailed,
    VendorRefused,
    VendorSlow,
    WrongMethod,
)

PROBLEM_PREFIX = "urn:stock-service:problem:"
_RETRY_MAX = 86_400  # seconds; longer waits are a day: by then somebody should look
_TEXT_MAX = 500  # characters of anything that was not written here
_WORDS_OF_VENDOR = {403: "NOT_AUTHORIZED", 404: "NOT_FOUND"}

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """What goes to the client; the sender adds the length, the request id and `Cache-Control`."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Told:
    """One error in words. `wait` is seconds until asking again makes sense; `fields` go into a problem body.

    `allowed` are the methods a route knows, for the header of that name.
    """

    status: int
    slug: str
    detail: str
    wait: float | None = None
    fields: tuple[tuple[str, str | int], ...] = ()
    allowed: tuple[str, ...] = ()


def vendor_error(error: ServiceError, request_id: str) -> ErrorAnswer:
    """Return `error` in the vendor's shape: `status`, `request_id`, and `error` or `message` as the vendor does."""
    told = _tell(error)
    word = _WORDS_OF_VENDOR.get(told.status, "ERROR")
    text_name = "error" if word == "ERROR" else "message"
    content = {"status": word, "request_id": request_id, text_name: told.detail}
    return _answer(told, b"application/json", content)


def problem(error: ServiceError, request_id: str) -> ErrorAnswer:
    """Return `error` as an RFC 9457 problem; its `type` is one of the stable names of docs/errors.md."""
    told = _tell(error)
    content: dict[str, str | int] = {
        "type": PROBLEM_PREFIX + told.slug,
        "title": HTTPStatus(told.status).phrase,
        "status": told.status,
        "detail": told.detail,
        "request_id": request_id,
    }
    if told.wait is not None:
        content["retry_after"] = _whole_seconds(told.wait)
    content.update(told.fields)
    return _answer(told, b"application/problem+json", content)


def _answer(told: _Told, content_type: bytes, content: dict[str, Any]) -> ErrorAnswer:
    headers: Headers = [(b"content-type", content_type)]
    if told.wait is not None:
        headers.append((b"retry-after", b"%d" % _whole_seconds(told.wait)))
    if told.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="stock-service"'))
    if told.allowed:
        headers.append((b"allow", ", ".join(told.allowed).encode("ascii")))
    return ErrorAnswer(told.status, headers, msgspec.json.encode(content) + b"\n")


def _tell(error: ServiceError) -> _Told:
    return _TABLE[type(error)](error)


def _whole_seconds(wait: float) -> int:
    """Return `wait` rounded up, within 1 second and a day, also for what is no number."""
    return min(_RETRY_MAX, max(1, math.ceil(wait))) if math.isfinite(wait) else _RETRY_MAX


def _plain(text: str) -> str:
    """Return foreign text as something every JSON encoder takes, of bounded length."""
    return text[:_TEXT_MAX].encode("utf-8", "replace").decode("utf-8")


def _bad_request(error: BadRequest) -> _Told:
    field, problem_text, hint = _plain(error.field), _plain(error.problem), _plain(error.hint)
    fields = (("field", field), ("problem", problem_text), *((("hint", hint),) if hint else ()))
    return _Told(400, "bad-request", f"{field}: {problem_text}" + (f"; {hint}" if hint else ""), fields=fields)


# The paths of the vendor's sockets; its client tells nobody why it cannot connect, so it is said where people look.
_STREAM = re.compile(r"/(?:stocks|options|forex|crypto|indices|futures\w*)/?\Z")
_STREAMS_HINT = " Streams (WebSocket) are not served here: connect to the vendor's own address with the vendor's key."
_ROUTE_HINT = " The vendor's paths start with a version such as /v2, ours with /api; /docs lists them."


def _not_found(error: NotFound) -> _Told:
    what, name = _plain(error.what), _plain(error.name)
    detail = f"There is no {what} {name!r}."
    if error.what == "route":
        detail += _STREAMS_HINT if _STREAM.match(name) else _ROUTE_HINT
    return _Told(404, "not-found", detail, fields=(("what", what), ("name", name)))


_REFUSALS = {
    "missing": "API Key was not provided. Send one as `Authorization: Bearer KEY` or `apiKey=KEY`.",
    "unknown": "Unknown API Key. This gateway has its own keys; whoever runs it can make one for you.",
    "expired": "Unknown API Key: it has expired. Ask whoever runs this gateway for a new one.",
    "revoked": "Unknown API Key: it was revoked. Ask whoever runs this gateway for a new one.",
}


def _not_allowed(error: NotAllowed) -> _Told:
    if error.reason == "admin-only":
        how = "`stock-service keys create NAME --admin` makes one."
        return _Told(403, "admin-only", f"This route needs a key with the right `admin`: {how}")
    reason = error.reason if error.reason in _REFUSALS else "unknown"
    return _Told(401, f"key-{reason}", _REFUSALS[reason])


def _client_limited(error: ClientLimited) -> _Told:
    detail = "Your key's own request limit is used up; the RateLimit fields of every answer show it."
    return _Told(429, "client-limited", _with_wait(detail, error.retry_after), error.retry_after)


def _quota_spent(error: QuotaSpent) -> _Told:
    detail = "The gateway's vendor call budget is used up, and nothing is kept that answers this."
    return _Told(429, "quota-spent", _with_wait(detail, error.retry_after), error.retry_after)


def _circuit_open(error: CircuitOpen) -> _Told:
    detail = "The vendor keeps failing, so it is not being asked, and nothing is kept that answers this."
    return _Told(503, "circuit-open", _with_wait(detail, error.retry_after), error.retry_after)


def _credential_refused(error: CredentialRefused) -> _Told:
    detail = (
        "The vendor refuses the gateway's own key; your key is not at fault. Whoever runs the gateway has to check "
        "its vendor key and plan."
    )
    if error.retry_after is None:
        return _Told(502, "credential-refused", detail)
    return _Told(503, "credential-refused", detail, error.retry_after)


def _wrong_method(error: WrongMethod) -> _Told:
    return _Told(
        405, "method-not-allowed", f"This route takes {' or '.join(error.allowed)} only.", allowed=error.allowed
    )


def _broken(_: Broken) -> _Told:
    return _Told(500, "internal", "A fault of the gateway; its log has the details under this request id.")


def _vendor_slow(error: VendorSlow) -> _Told:
    detail = f"The vendor did not answer within {error.after:.3g} seconds, and nothing is kept that answers this."
    return _Told(504, "vendor-slow", f"{detail} Ask again.")


_TOO_LARGE = (
    "The vendor's answer is larger than this gateway takes. Ask for less at once, with a smaller `limit` or a shorter"
    " span; whoever runs it can raise `upstream.max_body`."
)


def _vendor_failed(error: VendorFailed) -> _Told:
    status = f", HTTP {error.status}" if error.status is not None else ""
    if error.kind == "too_large":
        return _Told(502, "vendor-failed", _TOO_LARGE)
    detail = f"The vendor's answer cannot be used ({_plain(error.kind)}{status}), and nothing is kept instead."
    if error.status == 503 and error.retry_after is not None:
        return _Told(503, "vendor-failed", _with_wait(detail, error.retry_after), error.retry_after)
    return _Told(502, "vendor-failed", f"{detail} Ask again.")


def _vendor_refused(error: VendorRefused) -> _Told:
    detail = f"The vendor refuses this question: {_plain(error.message)}"
    status = error.status if error.status in _CLIENT_STATUSES else 502
    return _Told(status, "vendor-refused", detail, fields=(("vendor_status", error.status),))


def _not_cached(_: NotCached) -> _Told:
    detail = "You asked for `only-if-cached`, and nothing usable is kept. Leave it out to have the vendor asked."
    return _Told(504, "not-cached", detail)


def _not_recorded(error: NotRecorded) -> _Told:
    what = _plain(error.what)
    why = f" ({_plain(error.problem)})" if error.problem else ""
    detail = (
        f"Not in the recording: {what}{why}. This gateway replays recorded answers and asks no vendor; to add this "
        "one, start it with `stock-service serve --record` and the same directory, ask again, then replay."
    )
    return _Told(501, "not-recorded", detail, fields=(("what", what),))


_FIXED = {
    "read-only": (
        "The keys file cannot be written by this process, and there is no shared store to keep keys in. Change the "
        "file where it comes from (a Secret, in a cluster), or set STOCKS_SHARED__URL."
    ),
    "faulty": "The keys file has faults, so nothing is added to it. `stock-service keys list` names them.",
}


def _keys_fixed(error: KeysFixed) -> _Told:
    return _Told(409, "keys-fixed", _FIXED[error.reason if error.reason in _FIXED else "read-only"])


def _overloaded(error: Overloaded) -> _Told:
    detail = f"This instance has as many {_plain(error.where)} under way as it takes."
    return _Told(503, "overloaded", _with_wait(detail, error.retry_after), error.retry_after)


def _unavailable(error: Unavailable) -> _Told:
    detail = f"This instance is {_plain(error.reason)}."
    return _Told(503, "unavailable", _with_wait(detail, error.retry_after), error.retry_after)


def _with_wait(detail: str, wait: float) -> str:
    return f"{detail} Ask again in {_whole_seconds(wait)} s."


# 401 is not among them: a client must never take the vendor's verdict on our key for one on its own. 429 neither:
# it is the pacer's business and has its own error.
_CLIENT_STATUSES = frozenset({400, 403, 404, 405, 406, 409, 410, 413, 414, 415, 422})

_TABLE: dict[type[ServiceError], Callable[[Any], _Told]] = {
    BadRequest: _bad_request,
    NotFound: _not_found,
    NotAllowed: _not_allowed,
    WrongMethod: _wrong_method,
    Broken: _broken,
    ClientLimited: _client_limited,
    QuotaSpent: _quota_spent,
    CircuitOpen: _circuit_open,
    CredentialRefused: _credential_refused,
    VendorSlow: _vendor_slow,
    VendorFailed: _vendor_failed,
    VendorRefused: _vendor_refused,
    NotCached: _not_cached,
    NotRecorded: _not_recorded,
    KeysFixed: _keys_fixed,
    Overloaded: _overloaded,
    Unavailable: _unavailable,
}
