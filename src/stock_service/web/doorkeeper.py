"""Asks the gate who is behind an exchange and charges the request to them."""

from __future__ import annotations

from stock_service.access.gate import CREDENTIAL_FIELDS, Client, Gate, credential_of, require_admin
from stock_service.base.clock import Clock
from stock_service.web.exchange import Exchange


class Doorkeeper:
    """The gate, spoken to in exchanges."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock

    async def admit(self, exchange: Exchange) -> Client:
        """Return the client of `exchange`, charged with one request; one that others have to lend is waited for.

        Raises:
            NotAllowed: no, or no valid, key where one is needed.
            ClientLimited: the client's own limit is used up.
        """
        exchange.credential = credential_of(exchange.fields(CREDENTIAL_FIELDS), exchange.query)
        client = self._gate.identify(exchange.credential, self._clock.wall())
        exchange.asker = client  # before it is charged: a refusal is this client's too
        if client.borrow is None:
            self._gate.charge(client, exchange.started_at)
        else:
            paid = await client.borrow()
            self._gate.charge(client, self._clock.monotonic(), paid=paid)
        return client

    async def admit_admin(self, exchange: Exchange) -> Client:
        """Return the client of `exchange` if it holds an admin key.

        Raises:
            NotAllowed: it does not (`admin-only`), or `admit` refused it.
        """
        client = await self.admit(exchange)
        require_admin(client)
        return client
