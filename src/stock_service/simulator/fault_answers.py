"""The faults that are ordinary answers with the wrong content, and the idle connection that is closed."""

from __future__ import annotations

import gzip

from aiohttp import web

from stock_service.base.clock import Clock
from stock_service.simulator.faults import FaultKind, FaultRule

_HTML = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>maintenance</body></html>\r\n"
)
_ERROR_BODY = b'{"status":"ERROR","request_id":"0","error":"Something went wrong."}'
_EMPTY_BODY = b'{"status":"OK","request_id":"0","queryCount":0,"resultsCount":0,"count":0}'


def changed_answer(rule: FaultRule) -> web.Response | None:
    """The ordinary answer that stands in for the right one; None when the fault works on the wire."""
    match rule.kind:
        case FaultKind.HTML:
            return web.Response(status=int(rule.number("status", 200)), body=_HTML, content_type="text/html")
        case FaultKind.ERROR_IN_OK:
            return _json(200, _ERROR_BODY)
        case FaultKind.EMPTY:
            return _json(200, _EMPTY_BODY)
        case FaultKind.STATUS:
            status = int(rule.number("status", 500))
            return _with_retry_after(web.Response(status=status, body=_HTML, content_type="text/html"), rule)
        case FaultKind.LIMITED:
            return _with_retry_after(
                _json(429, _ERROR_BODY.replace(b"Something went wrong.", b"Too many requests.")), rule
            )
        case FaultKind.REVOKED:
            return _json(401, _ERROR_BODY.replace(b"Something went wrong.", b"Unknown API Key"))
        case FaultKind.FORBIDDEN:
            return _json(
                403, b'{"status":"NOT_AUTHORIZED","request_id":"0","message":"You are not entitled to this data."}'
            )
        case FaultKind.REDIRECT:
            location = rule.text("location", "http://127.0.0.2:9/elsewhere")
            return web.Response(
                status=int(rule.number("status", 302)), headers={"Location": location}, content_type="text/plain"
            )
    return None


async def close_after(request: web.BaseRequest, clock: Clock, seconds: float) -> None:
    """Close the call's connection a while later, without a word, as a vendor's idle timer does."""
    transport = request.transport
    await clock.sleep(seconds)
    if transport is not None and not transport.is_closing():
        transport.close()


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _with_retry_after(answer: web.Response, rule: FaultRule) -> web.Response:
    retry_after = rule.text("retry_after")
    if retry_after:
        answer.headers["Retry-After"] = retry_after
    return answer


def packed(body: bytes) -> bytes:
    """`body` in gzip, the same bytes every time."""
    return gzip.compress(body, compresslevel=1, mtime=0)
