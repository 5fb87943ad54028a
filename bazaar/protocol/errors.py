"""
Failures on the wire: a name, a status, and whether it is definite (I9).

The body of an error has the shape of the path it is given on (docs/DESIGN.md 6). What programs need
travels in headers, the same everywhere: Bazaar-Failure, Bazaar-Definite, and where they apply
Bazaar-Term, Bazaar-Leader, Bazaar-Last, Bazaar-Epoch, Bazaar-Active.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bazaar.core import failures
from bazaar.core.failures import (
    Failure,
    GapFound,
    NotActive,
    RateLimited,
    StaleTerm,
    Unreachable,
)
from bazaar.core.types import CatalogId, Epoch, Position, ReplicaId, Term

FAILURE_HEADER = "Bazaar-Failure"
"""Where an answer names the kind of its failure."""
EPOCH_HEADER = "Bazaar-Epoch"
"""Where an answer of a catalog, or a failure, says the epoch."""
RETRY_AFTER_S = 1
"""The header Retry-After of 429 and 503."""


@dataclass(frozen=True, slots=True)
class FailureKind:
    """One kind of failure as it travels."""

    name: str
    status: int
    failure: type[Failure]


KINDS = (
    FailureKind("unknown_stock", 404, failures.UnknownStock),
    FailureKind("insufficient_quantity", 404, failures.InsufficientQuantity),
    FailureKind("overstock", 404, failures.Overstock),
    FailureKind("unknown_order", 404, failures.UnknownOrder),
    FailureKind("unknown_trace", 404, failures.UnknownTrace),
    FailureKind("key_reused", 422, failures.KeyReused),
    FailureKind("stale_term", 409, failures.StaleTerm),
    FailureKind("gap_found", 409, failures.GapFound),
    FailureKind("diverged", 409, failures.Diverged),
    FailureKind("damaged_page", 409, failures.DamagedPage),
    FailureKind("unconfirmed", 409, failures.Unconfirmed),
    FailureKind("corrupt", 503, failures.Corrupt),
    FailureKind("unknown_holder", 404, failures.UnknownHolder),
    FailureKind("busy", 429, failures.Busy),
    FailureKind("token_required", 401, failures.TokenRequired),
    FailureKind("token_refused", 401, failures.TokenRefused),
    FailureKind("access_denied", 403, failures.AccessDenied),
    FailureKind("tokens_unavailable", 503, failures.TokensUnavailable),
    FailureKind("rate_limited", 429, failures.RateLimited),
    FailureKind("too_few_in_sync", 503, failures.TooFewInSync),
    FailureKind("no_replica", 503, failures.NoReplica),
    FailureKind("leader_alive", 409, failures.LeaderAlive),
    FailureKind("no_leader", 503, failures.NoLeader),
    FailureKind("not_serving", 503, failures.NotServing),
    FailureKind("not_active", 503, failures.NotActive),
    FailureKind("not_leader", 503, failures.NotLeader),
    FailureKind("deposed", 503, failures.Deposed),
    FailureKind("not_replicated", 503, failures.NotReplicated),
    FailureKind("unreachable", 503, failures.Unreachable),
    FailureKind("storage_failed", 503, failures.StorageFailed),
)

BEARER = "Bearer"
"""The scheme of `Authorization` that carries a token (RFC 6750)."""
_CHALLENGES: Mapping[type[Failure], str] = {
    failures.TokenRequired: f'{BEARER} realm="bazaar", scope="trade"',
    failures.TokenRefused: f'{BEARER} realm="bazaar", error="invalid_token"',
    failures.AccessDenied: f'{BEARER} realm="bazaar", error="insufficient_scope", scope="trade"',
}
"""`WWW-Authenticate` of a failure."""
_BY_TYPE = {kind.failure: kind for kind in KINDS}
_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_name(failure: type[Failure]) -> str:
    """Return the name of a kind of failure on the wire."""
    return _BY_TYPE[failure].name


def kind_of(failure: Failure) -> str:
    """Return the name of a failure on the wire."""
    return kind_name(type(failure))


def status_of(failure: Failure) -> int:
    """Return the HTTP status of a failure."""
    return _BY_TYPE[type(failure)].status


def headers_of(failure: Failure) -> dict[str, str]:
    """Return the headers that tell programs of a failure."""
    headers = {
        FAILURE_HEADER: kind_of(failure),
        "Bazaar-Definite": str(failure.is_definite).lower(),
    }
    if isinstance(failure, StaleTerm):
        headers["Bazaar-Term"] = str(failure.term)
        if failure.leader is not None:
            headers["Bazaar-Leader"] = str(failure.leader)
    if isinstance(failure, GapFound):
        headers["Bazaar-Last"] = str(failure.last)
    if isinstance(failure, NotActive):
        headers[EPOCH_HEADER] = str(failure.epoch)
        if failure.active is not None:
            headers["Bazaar-Active"] = str(failure.active)
    if status_of(failure) in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if challenge := _CHALLENGES.get(type(failure)):
        headers["WWW-Authenticate"] = challenge
    if isinstance(failure, RateLimited) and failure.limit:
        headers |= _rate_headers(failure)
    return headers


def _rate_headers(failure: RateLimited) -> dict[str, str]:
    """Return what draft-ietf-httpapi-ratelimit-headers says of a limit that is reached."""
    wait_s, window_s = max(1, math.ceil(failure.wait_s)), max(1, math.ceil(failure.window_s))
    return {
        "Retry-After": str(wait_s),
        "RateLimit-Policy": f'"{failure.limit}";q={failure.count_max};w={window_s}',
        "RateLimit": f'"{failure.limit}";r=0;t={wait_s}',
    }


def failure_of(name: str, message: str, headers: Mapping[str, str] | None = None) -> Failure:
    """Return the failure that an answer names; Unreachable for an unknown name."""
    headers = headers or {}
    kind = _BY_NAME.get(name)
    if kind is None:
        return Unreachable(message)
    try:
        if kind.failure is StaleTerm:
            leader = headers.get("bazaar-leader")
            term = Term(int(headers["bazaar-term"]))
            return StaleTerm(term, ReplicaId(int(leader)) if leader else None)
        if kind.failure is GapFound:
            return GapFound(Position(int(headers["bazaar-last"])))
        if kind.failure is NotActive:
            active = headers.get("bazaar-active")
            epoch = Epoch(int(headers[EPOCH_HEADER.lower()]))
            return NotActive(epoch, CatalogId(int(active)) if active else None, message)
    except (KeyError, ValueError):
        return Unreachable(f"The answer {name} is incomplete.")
    return kind.failure(message)
