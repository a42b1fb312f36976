"""Decides who asks, by which credential, and whether their request limit is left.

Pure apart from the keys file it is told to look at: `now` is monotonic seconds, `wall` Unix seconds. Never logs or
keeps a credential, and no error of its holds one. What always holds: with a keys file, nobody is let in without a
key in it that is neither expired nor revoked; a key id has one `Client` for the life of the process, so its counts
survive every change of the file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol
from urllib.parse import unquote_to_bytes

from stock_service.access.keys import KeyRecord, KeySet, Right, Standing
from stock_service.access.quota import Allowance, Headers, Limit, own_allowance
from stock_service.access.usage import ClientUsage
from stock_service.base.errors import BadRequest, ClientLimited, NotAllowed, Unavailable

Allowances = Callable[[str, Limit | None], Allowance]  # by client id

ANONYMOUS_ID = "anonymous"
_HEADER = b"authorization"
CREDENTIAL_FIELDS = frozenset({_HEADER})  # all that is read of a request's headers here
_PARAMETER = b"apikey"
_SCHEME = b"bearer"


class Keys(Protocol):
    """Where the keys come from: `key_file.KeyFile`, or `key_ring.KeyRing` with those of the shared store."""

    @property
    def keys(self) -> KeySet:
        """The keys in force."""
        ...

    @property
    def complete(self) -> bool:
        """Whether all of them have been heard of."""
        ...

    def reload_if_changed(self, now: float) -> bool:
        """Return True when another version of the keys is in force."""
        ...


class Client:
    """One asker: rights, allowance and meters. Both HTTP paths count in it directly."""

    __slots__ = (
        "_allowances",
        "_limit",
        "admin",
        "borrow",
        "expires_at",
        "id",
        "limit_headers",
        "limited",
        "no_cache",
        "requests",
        "retry_after",
        "take",
        "take_lines",
        "vendor_calls",
    )

    # The allowance's own methods, bound once: a hit pays for one call.
    borrow: Callable[[], Awaitable[bool]] | None
    take: Callable[[float], bool]
    retry_after: Callable[[float], float]
    take_lines: Callable[[float], bytes | None]
    limit_headers: Callable[[float], Headers]

    def __init__(self, client_id: str, limit: Limit | None = None, allowances: Allowances = own_allowance) -> None:
        self.id = client_id
        self._allowances = allowances
        self.admin = False
        self.no_cache = False
        self.expires_at: float | None = None
        self.requests = 0
        self.vendor_calls = 0
        self.limited = 0
        self._take_from(limit)

    def follow(self, record: KeyRecord) -> None:
        """Take over rights, expiry and limit of `record`; an unchanged limit keeps what is left of it."""
        self.admin = Right.ADMIN in record.rights
        self.no_cache = Right.NO_CACHE in record.rights
        self.expires_at = record.expires_at()
        limit = record.request_limit()
        if limit != self._limit:
            self._take_from(limit)

    def _take_from(self, limit: Limit | None) -> None:
        quota = self._allowances(self.id, limit)
        self._limit = limit
        self.borrow = quota.borrow
        self.take = quota.take
        self.retry_after = quota.retry_after
        self.take_lines = quota.take_lines
        self.limit_headers = quota.limit_headers


class Gate:
    """Admits clients.

    Args:
        keys: the keys in force; with them everybody needs one, whatever `anonymous` says.
        anonymous: without keys, accept any credential or none as the client `anonymous`: the vendor's clients
            insist on sending one.
        allowances: where the requests come from that a client may make.
    """

    __slots__ = ("_allowances", "_anonymous", "_clients", "_keys", "_refreshed_wall", "generation")

    def __init__(self, keys: Keys | None, anonymous: bool, allowances: Allowances = own_allowance) -> None:
        if keys is None and not anonymous:
            raise ValueError("a gate needs keys, or must be told to admit anybody")
        self._keys = keys
        self._allowances = allowances
        self._anonymous = Client(ANONYMOUS_ID) if keys is None else None
        self._clients: dict[str, Client] = {}
        self._refreshed_wall: float | None = None
        self.generation = 0  # another number: every remembered credential must be identified anew
        self._follow_keys()

    def refresh(self, now: float, wall: float) -> None:
        """Take notice of a changed keys file and of keys that expired; to be called every second or so."""
        if self._keys is None:
            return
        if self._keys.reload_if_changed(now):
            self._follow_keys()
            self.generation += 1
        elif self._expired_since(self._refreshed_wall, wall):
            self.generation += 1
        self._refreshed_wall = wall

    def identify(self, credential: str | None, wall: float) -> Client:
        """Return who `credential` belongs to, charging nothing.

        Raises:
            NotAllowed: `missing`, `unknown`, `expired` or `revoked`.
            Unavailable: it may belong to a key that has not been heard of yet.
        """
        if self._keys is None:
            assert self._anonymous is not None  # one of the two is always there
            return self._anonymous
        if not credential:
            raise NotAllowed("missing")
        record = self._keys.keys.find(credential)
        if record is None:
            if not self._keys.complete:
                raise Unavailable("without the keys of the shared store")
            raise NotAllowed("unknown")
        standing = record.standing(wall)
        if standing is not Standing.VALID:
            raise NotAllowed(standing.value)
        return self._clients[record.id]

    def charge(self, client: Client, now: float, *, paid: bool = False) -> None:
        """Count one request of `client`, which is `paid` when it was borrowed; ClientLimited when none is left."""
        if not (paid or client.take(now)):
            client.limited += 1
            raise ClientLimited(client.retry_after(now))
        client.requests += 1

    def admit(self, credential: str | None, now: float, wall: float) -> Client:
        """Return who asks, charged with one request; raises what `identify` and `charge` raise."""
        client = self.identify(credential, wall)
        self.charge(client, now)
        return client

    def usage(self) -> tuple[ClientUsage, ...]:
        """Return the meters of every client known since the process started."""
        clients = self._clients.values() if self._anonymous is None else (self._anonymous,)
        return tuple(ClientUsage(each.id, each.requests, each.vendor_calls, each.limited) for each in clients)

    def _follow_keys(self) -> None:
        if self._keys is None:
            return
        for record in self._keys.keys.records:
            client = self._clients.get(record.id)
            if client is None:
                client = self._clients[record.id] = Client(record.id, None, self._allowances)
            client.follow(record)

    def _expired_since(self, before: float | None, wall: float) -> bool:
        """Return whether a key changed between valid and expired, the clock having moved either way."""
        if before is None or self._keys is None:
            return False
        instants = (record.expires_at() for record in self._keys.keys.records)
        return any(at is not None and (before < at) is not (wall < at) for at in instants)


def require_admin(client: Client) -> None:
    """Return when `client` holds an admin key; NotAllowed `admin-only` otherwise."""
    if not client.admin:
        raise NotAllowed("admin-only")


def credential_of(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> str | None:
    """Return the credential of a request, or None when it carries none.

    Args:
        headers: names and values as received, names in any case.
        query: what follows the `?`, as received. `apiKey` counts in any case and percent-encoded, since every such
            spelling is taken out before the question goes to the vendor.

    Raises:
        BadRequest: several different credentials, in whatever places and whatever each would be allowed.
    """
    found: set[bytes] = set()
    for name, value in headers:
        if name.lower() == _HEADER:
            scheme, _, rest = value.strip().partition(b" ")
            credential = rest.strip()
            if credential and scheme.lower() == _SCHEME:
                found.add(credential)
    # Almost every query is without one: two searches are cheaper than taking it apart.
    if query and (b"%" in query or _PARAMETER in query.lower()):
        found |= set(_parameters(query))
    if len(found) > 1:
        raise BadRequest(
            "credentials", "two different keys were sent", "send one: `Authorization: Bearer KEY` or `apiKey=KEY`"
        )
    return found.pop().decode("latin-1") if found else None


def _parameters(query: bytes) -> Iterator[bytes]:
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if _decoded(name).lower() == _PARAMETER and _decoded(value).strip():
            yield _decoded(value).strip()


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
