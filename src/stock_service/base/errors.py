"""The closed family of reasons a request cannot be answered.

Errors carry data, never sentences: `web/error_bodies.py` is the one translator to status, headers and text.
Nothing in the service reads an error's message. `retry_after` is seconds from the moment of raising.
"""

from __future__ import annotations


class ServiceError(Exception):
    """Base of the family; never raised itself."""


class BadRequest(ServiceError):
    """The question is malformed. `field` names the part, `problem` says what is wrong, `hint` what to do."""

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(field, problem, hint)
        self.field = field
        self.problem = problem
        self.hint = hint


class NotFound(ServiceError):
    """Nothing exists under that name. `what` is the kind of thing, `name` the asked name."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(what, name)
        self.what = what
        self.name = name


class NotAllowed(ServiceError):
    """The asker may not. `reason` is one of `missing`, `unknown`, `expired`, `revoked`, `admin-only`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WrongMethod(ServiceError):
    """The route does not know the method; `allowed` are those it knows."""

    def __init__(self, *allowed: str) -> None:
        super().__init__(*allowed)
        self.allowed = allowed


class Broken(ServiceError):
    """A fault of ours; what it was is in the log only."""


class ClientLimited(ServiceError):
    """The asker's own request limit is used up."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class QuotaSpent(ServiceError):
    """No slot of the vendor's call budget is free soon enough."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class CircuitOpen(ServiceError):
    """The breaker refuses to ask a vendor that keeps failing."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class CredentialRefused(ServiceError):
    """The vendor refused *our* key; the client's key is not at fault. `retry_after` is set while latched."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(status, retry_after)
        self.status = status
        self.retry_after = retry_after


class VendorSlow(ServiceError):
    """The vendor did not answer within `after` seconds."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


class VendorFailed(ServiceError):
    """The vendor's answer is unusable. `kind` names the outcome class, `status` its HTTP status if it had one."""

    def __init__(self, kind: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(kind, status, retry_after)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class VendorRefused(ServiceError):
    """The vendor answered a question of our own API with a client error (403 not in the plan, 400 …).

    `too_early`: the plan gets a day at its end, and it is not over for the vendor.
    """

    def __init__(self, status: int, message: str, *, too_early: bool = False) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.too_early = too_early


class NotCached(ServiceError):
    """The asker wanted `only-if-cached` and nothing usable is kept."""


class NotRecorded(ServiceError):
    """Answers come from a recording, and it has none to this. `what` names the question.

    `problem` says why, when there was one.
    """

    def __init__(self, what: str, problem: str = "") -> None:
        super().__init__(what, problem)
        self.what = what
        self.problem = problem


class KeysFixed(ServiceError):
    """The client keys cannot be changed from here. `reason` is `read-only` or `faulty`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Overloaded(ServiceError):
    """Our own limit is reached. `where` names it: `requests`, `vendor-calls`, `connections`."""

    def __init__(self, where: str, retry_after: float = 1.0) -> None:
        super().__init__(where, retry_after)
        self.where = where
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """This instance cannot answer for now. `reason` ends a sentence: `starting`, `draining`, `without …`."""

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(reason, retry_after)
        self.reason = reason
        self.retry_after = retry_after
