"""
Failures on the wire: a name, a status, and whether it is definite (I9).

The body of an error has the shape of the path it is given on (docs/DESIGN.md 6). What programs need
travels in headers, the same everywhere: Bazaar-Failure, Bazaar-Definite, and where they apply
Bazaar-Term, Bazaar-Leader, Bazaar-Last.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bazaar.core import failures
from bazaar.core.failures import Failure, GapFound, StaleTerm, Unreachable
from bazaar.core.types import OrderNo, ReplicaId, Term

RETRY_AFTER_S = 1
"""What a caller is told to wait after 429 and 503."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of failure as it travels."""

    name: str
    status: int
    failure: type[Failure]


KINDS = (
    Kind("unknown_stock", 404, failures.UnknownStock),
    Kind("insufficient_quantity", 404, failures.InsufficientQuantity),
    Kind("overstock", 404, failures.Overstock),
    Kind("unknown_order", 404, failures.UnknownOrder),
    Kind("key_reused", 422, failures.KeyReused),
    Kind("stale_term", 409, failures.StaleTerm),
    Kind("gap_found", 409, failures.GapFound),
    Kind("diverged", 409, failures.Diverged),
    Kind("damaged_page", 409, failures.DamagedPage),
    Kind("corrupt", 503, failures.Corrupt),
    Kind("unknown_holder", 404, failures.UnknownHolder),
    Kind("busy", 429, failures.Busy),
    Kind("too_few_in_sync", 503, failures.TooFewInSync),
    Kind("no_replica", 503, failures.NoReplica),
    Kind("leader_alive", 409, failures.LeaderAlive),
    Kind("no_leader", 503, failures.NoLeader),
    Kind("not_serving", 503, failures.NotServing),
    Kind("not_leader", 503, failures.NotLeader),
    Kind("deposed", 503, failures.Deposed),
    Kind("not_replicated", 503, failures.NotReplicated),
    Kind("unreachable", 503, failures.Unreachable),
)

_BY_TYPE = {kind.failure: kind for kind in KINDS}
_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(failure: Failure) -> str:
    """Return the name of a failure on the wire."""
    return _BY_TYPE[type(failure)].name


def status_of(failure: Failure) -> int:
    """Return the HTTP status of a failure."""
    return _BY_TYPE[type(failure)].status


def headers_of(failure: Failure) -> dict[str, str]:
    """Return the headers that tell programs of a failure."""
    headers = {
        "Bazaar-Failure": kind_of(failure),
        "Bazaar-Definite": str(failure.is_definite).lower(),
    }
    if isinstance(failure, StaleTerm):
        headers["Bazaar-Term"] = str(failure.term)
        if failure.leader is not None:
            headers["Bazaar-Leader"] = str(failure.leader)
    if isinstance(failure, GapFound):
        headers["Bazaar-Last"] = str(failure.last)
    if status_of(failure) in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return headers


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
            return GapFound(OrderNo(int(headers["bazaar-last"])))
    except (KeyError, ValueError):
        return Unreachable(f"The answer {name} is incomplete.")
    return kind.failure(message)
