"""Every failure travels: a kind each, through real URLs and back, with all it carries (I9)."""

import pkgutil
from collections import Counter
from collections.abc import Sequence
from importlib import import_module

import pytest

import bazaar.core
import order_app.wiring
from bazaar.core.failures import Failure, GapFound, NotActive, StaleTerm, Unreachable
from bazaar.core.ledger import Answer
from bazaar.core.types import CatalogId, Epoch, Position, ReplicaId, Term, Trade
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.errors import KINDS, FailureKind, failure_of, headers_of, kind_of, status_of
from bazaar.protocol.messages import AnswerBody
from tests.contract.conftest import transport
from tests.support.histories import make_order, make_trade

MESSAGE = 'In these words: Ünïcode, "quotes" and 100 %.'


def every_failure() -> set[type[Failure]]:
    """Return every kind of failure that the core defines."""
    for module in pkgutil.iter_modules(bazaar.core.__path__, "bazaar.core."):
        import_module(module.name)
    found, todo = set(), list(Failure.__subclasses__())
    while todo:
        one = todo.pop()
        todo += one.__subclasses__()
        if one.__module__.startswith("bazaar.core."):
            found.add(one)
    return found


def sample(kind: FailureKind) -> Failure:
    """Return a failure of a kind, with all that it can carry."""
    if kind.failure is StaleTerm:
        return StaleTerm(Term(7), ReplicaId(3))
    if kind.failure is GapFound:
        return GapFound(Position(41))
    if kind.failure is NotActive:
        return NotActive(Epoch(5), CatalogId(2))
    return kind.failure(MESSAGE)


def facts_of(failure: Failure) -> tuple[object, ...]:
    """Return what must survive the way."""
    carried = (
        getattr(failure, name, None) for name in ("term", "leader", "last", "epoch", "active")
    )
    return type(failure), failure.message, failure.is_definite, *carried


class Raising:
    """A replica that fails every trade, or answers each with a failure."""

    def __init__(self, failure: Failure, *, is_answer: bool = False) -> None:
        self.failure, self.is_answer = failure, is_answer

    def trade(self, term: Term, trades: Sequence[Trade]) -> Sequence[Answer]:
        if self.is_answer:
            return [self.failure for _ in trades]
        raise self.failure


@pytest.fixture
def client() -> ReplicaClient:
    return ReplicaClient(transport("order"), transport("order_control"), 1)


def test_every_failure_has_exactly_one_kind() -> None:
    assert Counter(kind.failure for kind in KINDS) == Counter(every_failure())


def test_only_what_may_have_happened_is_indefinite() -> None:
    """I9: a new failure is definite unless it is added here on purpose."""
    indefinite = {kind.name for kind in KINDS if not kind.failure.is_definite}
    assert indefinite == {"deposed", "not_replicated", "storage_failed", "unreachable"}


def test_every_kind_has_a_name_of_its_own() -> None:
    assert max(Counter(kind.name for kind in KINDS).values()) == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_failure_becomes_headers_and_back(kind: FailureKind) -> None:
    failure = sample(kind)
    headers = {name.lower(): value for name, value in headers_of(failure).items()}
    assert (kind_of(failure), status_of(failure)) == (kind.name, kind.status)
    assert facts_of(failure_of(kind.name, failure.message, headers)) == facts_of(failure)
    assert headers["bazaar-definite"] == str(kind.failure.is_definite).lower()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_role_raises_its_client_raises(
    kind: FailureKind, client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = sample(kind)
    monkeypatch.setattr(order_app.wiring, "replica", lambda: Raising(failure))
    with pytest.raises(Failure) as caught:
        client.trade(Term(3), [make_trade(1)], 1)
    assert facts_of(caught.value) == facts_of(failure)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind.failure not in (StaleTerm, GapFound, NotActive)],
    ids=lambda kind: kind.name,
)
def test_what_one_trade_gets_its_sender_gets(
    kind: FailureKind, client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = sample(kind)
    monkeypatch.setattr(order_app.wiring, "replica", lambda: Raising(failure, is_answer=True))
    answers = client.trade(Term(3), [make_trade(1), make_trade(2)], 1)
    assert all(isinstance(answer, Failure) for answer in answers)
    assert [facts_of(answer) for answer in answers if isinstance(answer, Failure)] == [
        facts_of(failure)
    ] * 2


@pytest.mark.parametrize("failure", [StaleTerm(Term(1), None), NotActive(Epoch(5), None)])
def test_a_fence_without_a_leader_travels_too(failure: Failure) -> None:
    headers = {name.lower(): value for name, value in headers_of(failure).items()}
    arrived = failure_of(headers["bazaar-failure"], failure.message, headers)
    assert facts_of(arrived) == facts_of(failure)


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("", {}),
        ("a failure of the next version", {}),
        ("stale_term", {}),
        ("not_active", {}),
        ("stale_term", {"bazaar-term": "x"}),
        ("stale_term", {"bazaar-term": "1", "bazaar-leader": "x"}),
        ("gap_found", {}),
        ("gap_found", {"bazaar-last": ""}),
    ],
)
def test_what_cannot_be_read_is_indefinite(name: str, headers: dict[str, str]) -> None:
    failure = failure_of(name, "message", headers)
    assert isinstance(failure, Unreachable)
    assert not failure.is_definite


def test_an_answer_is_an_order_or_a_failure_and_nothing_is_unreachable() -> None:
    order = make_order(1)
    assert AnswerBody.from_core(order).to_core() == order
    assert isinstance(AnswerBody().to_core(), Unreachable)
