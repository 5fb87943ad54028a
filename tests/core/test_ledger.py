"""What the catalog decides about trades (docs/DESIGN.md 4.1): I1, I2, I4, I5."""

from dataclasses import replace
from typing import Any

import pytest

from bazaar.core.failures import (
    GapFound,
    InsufficientQuantity,
    KeyReused,
    Overstock,
    StaleTerm,
    UnknownStock,
)
from bazaar.core.ledger import Batch, LedgerFacts, Page, check_term, decide, decide_batch
from bazaar.core.types import GENESIS, START, Head, OrderNo, Position, ReplicaId, Term
from tests.core.history import make_order, make_orders, make_stock, make_trade
from tests.core.ledger_book import LEADER, TERM, MemoryLedger


def make_facts(**changes: Any) -> LedgerFacts:
    """Return the facts of an empty ledger with one stock, but for what is given."""
    facts = LedgerFacts(TERM, LEADER, START, {}, {"GameStart": make_stock()})
    return replace(facts, **changes)


def head_at(order_no: int) -> Head:
    """Return the head after some orders and nothing else."""
    return Head(Position(order_no), OrderNo(order_no), GENESIS)


def test_a_purchase_takes_shares_and_a_sale_puts_them_back() -> None:
    """I4: quantity, trade_volume and version move together."""
    stock = make_stock(quantity=50)
    bought = decide(stock, make_trade(1, 20, kind="buy"))
    assert (bought.quantity, bought.trade_volume, bought.version) == (30, 20, 2)
    sold = decide(bought, make_trade(2, 5, kind="sell"))
    assert (sold.quantity, sold.trade_volume, sold.version) == (35, 25, 3)
    assert (sold.opening, sold.issued, sold.price) == (50, 100, stock.price)


@pytest.mark.parametrize(
    ("kind", "enough", "failure"), [("buy", 50, InsufficientQuantity), ("sell", 50, Overstock)]
)
def test_the_last_share_may_move_and_not_one_more(
    kind: str, enough: int, failure: type[Exception]
) -> None:
    """I4: 0 <= quantity <= issued."""
    stock = make_stock(quantity=50, issued=100)
    assert decide(stock, make_trade(1, enough, kind=kind)).quantity in (0, 100)
    with pytest.raises(failure):
        decide(stock, make_trade(1, enough + 1, kind=kind))


def test_a_stock_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownStock):
        decide(None, make_trade(1))


def test_orders_are_numbered_densely_from_one() -> None:
    """I1."""
    answers = MemoryLedger().place(make_trade(1), make_trade(2), make_trade(3))
    assert answers == (
        make_order(1, make_trade(1)),
        make_order(2, make_trade(2)),
        make_order(3, make_trade(3)),
    )


def test_a_refused_trade_consumes_no_number_and_writes_nothing() -> None:
    """I1, I4."""
    ledger = MemoryLedger()
    decision = ledger.decide([make_trade(1, 999), make_trade(2), make_trade(3, name="none")])
    assert isinstance(decision.answers[0], InsufficientQuantity)
    assert decision.answers[1] == make_order(1, make_trade(2))
    assert isinstance(decision.answers[2], UnknownStock)
    assert [stock.name for stock in decision.stocks] == ["GameStart"]


def test_trades_of_one_batch_see_each_other() -> None:
    """I4: a batch of two that fit one by one but not together is decided in order."""
    answers = MemoryLedger().place(make_trade(1, 40), make_trade(2, 40), make_trade(3, 10))
    assert answers[0] == make_order(1, make_trade(1, 40))
    assert isinstance(answers[1], InsufficientQuantity)
    assert answers[2] == make_order(2, make_trade(3, 10))


def test_a_retry_with_the_same_key_places_one_order() -> None:
    """I2, whether it comes later or in the same batch."""
    ledger = MemoryLedger()
    first, again = ledger.place(make_trade(1, 20), make_trade(1, 20))
    assert first == again
    assert ledger.place(make_trade(1, 20)) == (first,)
    assert ledger.orders == [first]
    assert ledger.stocks["GameStart"].quantity == 30


def test_a_retry_is_answered_even_when_the_trade_could_not_happen_again() -> None:
    """I2, I9: the recorded result, not a new decision."""
    ledger = MemoryLedger()
    (first,) = ledger.place(make_trade(1, 50))
    assert ledger.place(make_trade(1, 50)) == (first,)


@pytest.mark.parametrize(
    "other",
    [make_trade(1, 21), make_trade(1, 20, kind="sell"), make_trade(1, 20, name="BoarCo")],
    ids=["quantity", "type", "stock"],
)
def test_the_same_key_with_another_body_is_refused(other: Any) -> None:
    """I2, whether it comes later or in the same batch."""
    ledger = MemoryLedger()
    answers = ledger.place(make_trade(1, 20), other)
    assert isinstance(answers[1], KeyReused)
    assert isinstance(ledger.place(other)[0], KeyReused)
    assert len(ledger.orders) == 1


def test_a_refused_key_may_be_used_again() -> None:
    """A refusal leaves nothing behind, so it does not bind the key."""
    ledger = MemoryLedger()
    assert isinstance(ledger.place(make_trade(1, 51))[0], InsufficientQuantity)
    assert ledger.place(make_trade(1, 50)) == (make_order(1, make_trade(1, 50)),)


@pytest.mark.parametrize(
    ("term", "leader"),
    [(TERM - 1, LEADER), (TERM, LEADER + 1), (TERM + 1, LEADER), (TERM, None)],
    ids=["older term", "another leader", "newer term", "nobody"],
)
def test_only_the_leader_of_the_current_term_may_trade(term: int, leader: int | None) -> None:
    """I5; the failure says who leads."""
    sender = None if leader is None else ReplicaId(leader)
    batch = Batch(Term(term), sender, Position(0), (make_trade(1),))
    with pytest.raises(StaleTerm) as stale:
        decide_batch(make_facts(), batch)
    assert (stale.value.term, stale.value.leader) == (TERM, LEADER)


def test_the_current_leader_passes_the_fence() -> None:
    """I5."""
    check_term(TERM, LEADER, TERM, LEADER)


def test_a_fenced_batch_learns_no_recorded_result() -> None:
    """I5: not even a known key is answered to a deposed leader."""
    order = make_order(1)
    facts = make_facts(head=head_at(1), known={order.key: order})
    with pytest.raises(StaleTerm):
        decide_batch(facts, Batch(Term(2), LEADER, Position(1), (make_trade(1),)))


def test_a_ledger_that_lost_orders_reuses_no_number() -> None:
    """I1: a ledger restored from an old copy refuses a leader who has more than it."""
    batch = Batch(TERM, LEADER, Position(5), (make_trade(9),))
    with pytest.raises(GapFound) as gap:
        decide_batch(make_facts(head=head_at(4)), batch)
    assert gap.value.last == 4


def test_a_leader_that_is_behind_may_trade() -> None:
    """It gets what it lacks with the answer."""
    batch = Batch(TERM, LEADER, Position(2), (make_trade(9),))
    decision = decide_batch(make_facts(head=head_at(4)), batch)
    assert decision.answers == (make_order(5, make_trade(9)),)


def test_a_page_knows_its_end() -> None:
    orders = make_orders(3)
    page = Page(START, orders, GENESIS, Position(9))
    assert page.end == 3
    assert replace(page, after=head_at(7), entries=()).end == 7
