"""The parts about clients: who is let in, how much, and what each has used; with a shared store, across instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stock_service.access.gate import Gate, Keys
from stock_service.access.key_desk import FileShelf, KeyDesk, StoreShelf
from stock_service.access.key_feed import KeyFeed
from stock_service.access.key_file import KeyFile
from stock_service.access.key_ring import KeyRing
from stock_service.access.key_store import KeyStore
from stock_service.access.lender import Lender
from stock_service.access.quota import own_allowance
from stock_service.access.store import Store
from stock_service.access.usage_ledger import OwnLedger, SharedLedger
from stock_service.base.clock import Clock
from stock_service.base.events import Observer
from stock_service.config.sections import Settings
from stock_service.web.admin_usage import UsageDesk
from stock_service.wiring.keeping import Kept, keep_up

_KEYS_WITHIN = 2.0  # seconds a start waits for the keys of the shared store; without it the file's must do


@dataclass(frozen=True, slots=True)
class Access:
    """Everything about clients. `keys` is None where anybody may ask."""

    gate: Gate
    keys: KeyDesk | None
    usage: UsageDesk
    ledger: OwnLedger
    _ring: Keys | None
    _settled_at: float
    _keepers: tuple[Kept, ...]
    _lender: Lender | None
    _shared_ledger: SharedLedger | None
    _clock: Clock
    _observer: Observer

    def settled(self) -> bool:
        """Return whether the keys are known, or will not be soon."""
        return self._ring is None or self._ring.complete or self._clock.monotonic() >= self._settled_at

    async def keep(self) -> None:
        """Run what must run beside, for ever."""
        await asyncio.gather(*(keep_up(each, self._clock, self._observer) for each in self._keepers))

    async def aclose(self) -> None:
        """Tell the fleet what was used last, and ask for no more."""
        if self._shared_ledger is not None:
            await self._shared_ledger.tell()
        if self._lender is not None:
            await self._lender.aclose()


def make_access(
    settings: Settings, store: Store | None, applied: Callable[[], None], clock: Clock, observer: Observer
) -> Access:
    """Return the parts about clients.

    Args:
        store: shared with other instances, if one is.
        applied: called when an order changed the keys in force.

    Raises:
        KeysFaulty: the keys file cannot be used.
    """
    path = settings.access.keys_file
    file = KeyFile(Path(path), observer) if path else None
    keepers: list[Kept] = []
    # Clients are the same whatever vendor account answers them: the store's own scope has that in it.
    prefix = f"{settings.shared.scope}:access"
    lender = None if store is None else Lender(store, prefix, settings.shared.max_pods, clock, observer)
    allowances = own_allowance if lender is None else lender.allowance_of
    ring: Keys | None = file
    shelf: FileShelf | StoreShelf | None = None if file is None else FileShelf(KeyStore(Path(path)), file)
    if store is not None and file is not None:
        feed = KeyFeed(store, prefix, clock, observer)
        keepers.append(feed)
        ring, shelf = KeyRing(file, feed), StoreShelf(feed, file)
    gate = Gate(ring, anonymous=file is None, allowances=allowances)

    def apply() -> None:
        gate.refresh(clock.monotonic(), clock.wall())
        applied()

    ledger = OwnLedger(gate.usage, clock)
    shared_ledger = None if store is None else SharedLedger(store, prefix, ledger, clock)
    if shared_ledger is not None:
        keepers.append(shared_ledger)
    desk = None if ring is None or shelf is None else KeyDesk(shelf, ring, apply, clock, observer)
    return Access(
        gate=gate,
        keys=desk,
        usage=UsageDesk(shared_ledger or ledger, lambda: _names(ring)),
        ledger=ledger,
        _ring=ring,
        _settled_at=clock.monotonic() + _KEYS_WITHIN,
        _keepers=tuple(keepers),
        _lender=lender,
        _shared_ledger=shared_ledger,
        _clock=clock,
        _observer=observer,
    )


def _names(ring: Keys | None) -> dict[str, str]:
    return {} if ring is None else {record.id: record.name for record in ring.keys.records}
