"""Which failures are definite: I9."""

import pytest

from bazaar.core import failures
from bazaar.core.failures import Diverged, Failure, GapFound, NotActive, StaleTerm, Unreachable
from bazaar.core.types import CatalogId, Digest, Epoch, Position, ReplicaId, Term

INDEFINITE: set[type[Failure]] = {
    failures.Deposed,
    failures.NotReplicated,
    failures.StorageFailed,
    failures.Unreachable,
}
"""After these the trade may have happened; whoever adds one decides on which side it is."""

DEFINITE: set[type[Failure]] = {
    failures.AccessDenied,
    failures.Busy,
    failures.Corrupt,
    failures.DamagedPage,
    failures.Diverged,
    failures.GapFound,
    failures.InsufficientQuantity,
    failures.KeyReused,
    failures.LeaderAlive,
    failures.NoLeader,
    failures.NoReplica,
    failures.NotActive,
    failures.NotLeader,
    failures.NotServing,
    failures.Overstock,
    failures.RateLimited,
    failures.StaleTerm,
    failures.TokenRefused,
    failures.TokenRequired,
    failures.TokensUnavailable,
    failures.TooFewInSync,
    failures.Unconfirmed,
    failures.UnknownOrder,
    failures.UnknownStock,
    failures.UnknownTrace,
    failures.UnknownHolder,
}


def test_every_failure_says_whether_it_is_definite() -> None:
    """I9."""
    every = {*Failure.__subclasses__(), *failures.Unreachable.__subclasses__()}
    found = {one for one in every if one.__module__ == failures.__name__}
    assert found == DEFINITE | INDEFINITE
    assert all(failure.is_definite for failure in DEFINITE)
    assert not any(failure.is_definite for failure in INDEFINITE)


@pytest.mark.parametrize(
    "failure",
    sorted((DEFINITE | INDEFINITE) - {GapFound, NotActive, StaleTerm}, key=str),
)
def test_every_failure_has_a_sentence_for_the_caller(failure: type[Failure]) -> None:
    assert failure().message
    assert failure("Something else.").message == "Something else."


def test_a_failure_carries_what_its_caller_needs() -> None:
    stale = StaleTerm(Term(7), ReplicaId(2))
    assert (stale.term, stale.leader) == (7, 2)
    assert GapFound(Position(5)).last == 5
    inactive = NotActive(Epoch(4), CatalogId(2))
    assert (inactive.epoch, inactive.active, inactive.was_sent) == (4, 2, False)
    assert "catalog 2" in inactive.message
    assert "3" in Diverged.at(Position(3), Digest("a" * 64), Digest("b" * 64)).message


def test_silence_may_hide_a_trade_and_a_refused_connection_does_not() -> None:
    """I9: by default it is assumed that the request arrived."""
    assert Unreachable().was_sent
    assert not Unreachable().is_refused
    assert not Unreachable(is_refused=True, was_sent=False).was_sent
