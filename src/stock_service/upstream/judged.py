"""One exchange and what it amounts to: calls the client, looks into the body, tells whose fault a timeout is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from stock_service.base.clock import Clock
from stock_service.base.record import record
from stock_service.upstream.client import Exchange
from stock_service.upstream.outcome import ExchangeFailed, Fault, Judgement, classify_answer, classify_fault
from stock_service.upstream.stall import StallWatch
from stock_service.vendor.payloads import Form, inspect_body
from stock_service.vendor.request import VendorRequest

_INSPECT_INLINE_BYTES = 256 * 1024  # scanning more would hold up the loop for milliseconds
_FAIR_SHARE = 0.5  # an attempt that our deadline left less of its time than this tells nothing about the vendor
_ACCEPT = {"json": "application/json", "csv": "text/csv"}
_TIMEOUTS = frozenset({Fault.TIMEOUT, Fault.CONNECT_TIMEOUT})


class Client(Protocol):
    """Whoever makes one exchange."""

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        """Return the whole answer or raise `ExchangeFailed`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@record
class Judged:
    """What came back, if anything complete did, and what it is worth. `results`: how many entries it lists, if any."""

    judgement: Judgement
    exchange: Exchange | None = None
    results: int | None = None


class JudgingClient:
    """Makes exchanges of at most `attempt_for` seconds and judges them."""

    def __init__(self, client: Client, attempt_for: float, clock: Clock) -> None:
        self._client = client
        self._attempt_for = attempt_for
        self._stalls = StallWatch(clock)

    async def ask(self, request: VendorRequest, left_for: float, edge: Mapping[str, str] | None) -> Judged:
        """Make one exchange within `left_for` seconds; returns its verdict, whatever it is."""
        watched_from = self._stalls.enter()
        within = min(left_for, self._attempt_for)
        try:
            exchange = await self._client.exchange(
                request.target, accept=_ACCEPT[request.accept], within=within, edge=edge
            )
        except ExchangeFailed as failed:
            return Judged(classify_fault(self._true_fault(failed.fault, within, watched_from)))
        finally:
            self._stalls.leave()
        if len(exchange.body) > _INSPECT_INLINE_BYTES:
            return await asyncio.to_thread(judge_answer, request, exchange)
        return judge_answer(request, exchange)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _true_fault(self, fault: Fault, within: float, watched_from: float) -> Fault:
        """Return a timeout's real reason: our standstill, our deadline, or the vendor."""
        if fault not in _TIMEOUTS:
            return fault
        if self._stalls.stalled_since(watched_from):
            return Fault.STALLED
        cut_short = fault is Fault.TIMEOUT and within < _FAIR_SHARE * self._attempt_for
        return Fault.CUT_SHORT if cut_short else fault


def judge_answer(request: VendorRequest, exchange: Exchange) -> Judged:
    """Return what a complete answer to `request` is worth.

    JSON under another label, or under none, is usable, and is called JSON from here on: whoever cleans, shares or
    shows an answer goes by its label.
    """
    facts = inspect_body(exchange.status, exchange.content_type, exchange.body)
    fits = request.endpoint.accepts_media(exchange.content_type)
    judgement = classify_answer(exchange.status, facts, media_fits=bool(exchange.body) and fits)
    if not fits and facts.form in (Form.OBJECT, Form.LIST):
        exchange = replace(exchange, content_type=_ACCEPT["json"])
    return Judged(judgement, exchange, facts.results)
