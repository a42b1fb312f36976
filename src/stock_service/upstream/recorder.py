"""Keeps what the vendor answers, one file an answer, while everything else goes on as without it.

Only answers that may be used are kept: the vendor's failures and refusals of our key are no part of a recording. The
newest answer to a question replaces the one before. A file that cannot be written is reported and fails nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stock_service.base.clock import Clock
from stock_service.base.events import Faulted, Observer
from stock_service.upstream.client import Exchange
from stock_service.upstream.judged import Client, judge_answer
from stock_service.upstream.recorded import Recorded, RecordingFaulty, file_name, without_credentials, write_recorded
from stock_service.vendor.request import parse_request


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """Where answers are kept, and whose links in them are the vendor's."""

    folder: Path
    origins: frozenset[bytes]


class RecordingClient:
    """Makes exchanges through another client and keeps their answers."""

    def __init__(self, client: Client, settings: RecorderSettings, clock: Clock, observer: Observer) -> None:
        """Make the folder.

        Raises:
            RecordingFaulty: it cannot be made, or is not one.
        """
        self._client = client
        self._settings = settings
        self._clock = clock
        self._observer = observer
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise RecordingFaulty(f"{settings.folder} is a file; name a directory to record into") from None
        except OSError as error:
            raise RecordingFaulty(f"{settings.folder} cannot be made: {error.strerror}") from None

    async def exchange(
        self, target: str, *, accept: str, within: float, edge: Mapping[str, str] | None = None
    ) -> Exchange:
        """Return the whole answer or raise `ExchangeFailed`, as the other client does."""
        asked_at = self._clock.wall()
        exchange = await self._client.exchange(target, accept=accept, within=within, edge=edge)
        try:
            await asyncio.to_thread(self._keep, target, accept, exchange, asked_at)
        except OSError as error:
            self._observer.notify(Faulted("record", error))
        return exchange

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _keep(self, target: str, accept: str, exchange: Exchange, asked_at: float) -> None:
        path, _, query = target.partition("?")
        request = parse_request(path, query, accept)
        judged = judge_answer(request, exchange)
        if not judged.judgement.rule.passes or judged.exchange is None:
            return
        exchange = judged.exchange
        body = without_credentials(exchange.body, exchange.content_type, self._settings.origins)
        recorded = Recorded(request.key, asked_at, exchange.status, exchange.content_type, exchange.request_id, body)
        place = self._settings.folder / file_name(request.key)
        draft = place.with_suffix(".part")
        draft.write_bytes(write_recorded(recorded))
        draft.replace(place)  # whoever reads the folder meanwhile never sees half a file
