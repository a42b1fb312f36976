"""Calls an ASGI application as a server would, without one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stock_service.web.exchange import Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Got:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Browser:
    """Sends requests to `app`."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def get(
        self, target: str, headers: dict[str, str] | None = None, method: str = "GET", *, leaves: bool = False
    ) -> Got:
        return await self.send(method, target, headers or {}, b"", leaves=leaves)

    async def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes, *, leaves: bool = False
    ) -> Got:
        parts = urlsplit(target)
        fields = {"host": "gw.example:8080", **headers}
        scope: Scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode("latin-1"),
            "query_string": parts.query.encode("latin-1"),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8080),
        }
        sent: list[Message] = []
        return await self._exchange(scope, _body(body, leaves), _keep(sent), sent)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send, sent: list[Message]) -> Got:
        await self._app(scope, receive, send)
        start = sent[0]
        names = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        assert len(names) == len(start["headers"]), "a header was sent twice"
        return Got(start["status"], names, b"".join(message["body"] for message in sent[1:]))


def _body(body: bytes, leaves: bool) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    return receive


def _keep(sent: list[Message]) -> Send:
    async def send(message: Message) -> None:
        sent.append(message)

    return send
