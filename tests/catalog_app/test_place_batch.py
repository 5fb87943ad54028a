"""One batch is one transaction: all of it, or nothing, and each key once."""

from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection

from bazaar import clock
from bazaar.core.failures import (
    GapFound,
    InsufficientQuantity,
    KeyReused,
    Overstock,
    StaleTerm,
    StorageFailed,
    UnknownStock,
)
from bazaar.core.ledger import Answer, Batch
from bazaar.core.types import (
    START,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Term,
    Trade,
    TradeType,
)
from catalog_app import selectors, services
from catalog_app.lease_table import LeaseTableShell
from catalog_app.models import Entry, Stock
from tests.catalog_app.conftest import LEADER, TERM
from tests.catalog_app.fakes import FakeHolder
from tests.contract.refusals import snapshot
from tests.support.disks import refuse_writes
from tests.support.histories import STOCK, make_linked, make_order, make_page, make_trade

pytestmark = pytest.mark.usefixtures("catalog", "lease_table")

OTHER = "Ünï & Co."


def place(*trades: Trade, after: int | None = None, term: Term = TERM) -> tuple[Answer, ...]:
    """Place a batch as the leader does, after the newest order."""
    last = selectors.LEDGER.head.position if after is None else Position(after)
    return services.place_batch(batch=Batch(term, LEADER, last, trades)).answers


def check_conservation() -> None:
    """I4, as an auditor adds it up."""
    for stock in Stock.objects.all():
        entries = list(Entry.objects.filter(stock_id=stock.name))
        bought = sum(entry.quantity for entry in entries if entry.trade_type == TradeType.BUY)
        sold = sum(entry.quantity for entry in entries if entry.trade_type == TradeType.SELL)
        assert stock.quantity == stock.opening - bought + sold
        assert stock.trade_volume == bought + sold
        assert 0 <= stock.quantity <= stock.issued


def test_the_ledger_notes_when_it_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "wall_s", lambda: 1_700_000_000.1234)
    place(make_trade(1, 10), make_trade(2, 10))
    rows = selectors.LEDGER.list_rows(OrderNo(0), 9).rows
    assert [row.decided_ms for row in rows] == [1_700_000_000_123] * 2


def test_a_trade_moves_shares_and_enters_the_ledger() -> None:
    assert place(make_trade(1, 10), make_trade(2, 4, trade_type=TradeType.SELL)) == (
        make_order(1, quantity=10),
        make_order(2, quantity=4, trade_type=TradeType.SELL),
    )
    stock = selectors.get_stock(stock_name=STOCK.name)
    assert (stock.quantity, stock.trade_volume, stock.version) == (994, 14, 3)
    assert list(Entry.objects.values_list("term", flat=True)) == [TERM, TERM]
    check_conservation()


def test_numbers_are_dense_and_digests_are_chained() -> None:
    place(make_trade(1))
    place(make_trade(2), make_trade(3))
    assert selectors.LEDGER.page(Position(0), 10) == make_page(3)
    assert selectors.LEDGER.head == make_linked(3)[-1][1]


def test_a_page_ends_at_its_limit_and_says_how_much_there_is() -> None:
    place(*map(make_trade, range(1, 8)))
    page = selectors.LEDGER.page(Position(2), 3)
    assert (page.after.position, page.end, page.last) == (2, 5, 7)
    assert page.after.digest == make_page(2).digest
    assert page.digest == make_page(5).digest
    assert selectors.LEDGER.page(Position(7), 3).entries == ()


def test_the_same_key_again_is_answered_and_not_executed() -> None:
    """I2."""
    first = place(make_trade(1, 10))
    before = snapshot()
    assert place(make_trade(1, 10)) == first
    assert place(make_trade(1, 10), after=0) == first
    assert snapshot() == before


@pytest.mark.parametrize(
    "changes",
    [{"quantity": 11}, {"trade_type": TradeType.SELL}, {"stock_name": OTHER}],
)
def test_the_same_key_with_another_body_is_refused(changes: dict[str, Any]) -> None:
    """I2."""
    place(make_trade(1, 10))
    before = snapshot()
    (answer,) = place(make_trade(1, **{"quantity": 10, **changes}))
    assert isinstance(answer, KeyReused)
    assert snapshot() == before


def test_a_key_twice_in_one_batch_is_one_trade() -> None:
    """I2."""
    first, second, third = place(make_trade(1, 10), make_trade(1, 10), make_trade(1, 11))
    assert first == second == make_order(1, quantity=10)
    assert isinstance(third, KeyReused)
    assert Entry.objects.count() == 1
    assert selectors.get_stock(stock_name=STOCK.name).quantity == 990


def test_a_refused_trade_takes_no_number_and_changes_nothing() -> None:
    before = snapshot()
    answers = place(
        make_trade(1, stock_name="NoSuchCo"),
        make_trade(2, 1001),
        make_trade(3, 1001, trade_type=TradeType.SELL),
    )
    assert list(map(type, answers)) == [UnknownStock, InsufficientQuantity, Overstock]
    assert snapshot() == before
    assert place(make_trade(4))[0] == make_order(1, key=make_trade(4).key)


def test_a_refused_key_may_be_tried_again() -> None:
    """A definite refusal was no trade; the same key may succeed once there are shares."""
    assert isinstance(place(make_trade(1, 1001))[0], InsufficientQuantity)
    place(make_trade(2, 1, trade_type=TradeType.SELL))
    (order,) = place(make_trade(1, 1001))
    assert isinstance(order, Order)
    assert order.order_no == 2


def test_trades_of_one_batch_see_each_other() -> None:
    answers = place(
        make_trade(1, 1000),
        make_trade(2, 1),
        make_trade(3, 1, trade_type=TradeType.SELL),
        make_trade(4, 1),
        make_trade(5, 2000, trade_type=TradeType.SELL),
        make_trade(6, 1, trade_type=TradeType.SELL),
    )
    kinds = [isinstance(answer, Order) for answer in answers]
    assert kinds == [True, False, True, True, True, False]
    check_conservation()


@pytest.mark.parametrize(("term", "leader"), [(2, 2), (4, 2), (3, 1), (3, None), (0, None)])
def test_a_batch_of_another_term_is_fenced(term: int, leader: int | None) -> None:
    """I5."""
    before = snapshot()
    whose = None if leader is None else ReplicaId(leader)
    with pytest.raises(StaleTerm) as caught:
        services.place_batch(batch=Batch(Term(term), whose, Position(0), (make_trade(1),)))
    assert (caught.value.term, caught.value.leader) == (TERM, LEADER)
    assert snapshot() == before


def test_a_deposed_leader_does_not_even_learn_what_a_key_did() -> None:
    """I5: it could acknowledge it although its own log has a gap."""
    place(make_trade(1))
    with pytest.raises(StaleTerm):
        place(make_trade(1), term=Term(2))


def test_a_leader_with_more_orders_than_the_ledger_is_refused() -> None:
    """I1: deciding would give a number out twice."""
    place(make_trade(1))
    before = snapshot()
    with pytest.raises(GapFound) as caught:
        place(make_trade(2), after=2)
    assert caught.value.last == 1
    assert snapshot() == before


class MistakeError(Exception):
    """Something that nobody expected."""


def test_a_mistake_before_the_commit_leaves_nothing(lease_table: LeaseTableShell) -> None:
    def fail() -> None:
        raise MistakeError

    before = snapshot()
    holder = FakeHolder(on_notified=fail)
    lease_table.register(str(UUID(int=9)), holder)
    with pytest.raises(MistakeError):
        place(make_trade(1), make_trade(2, stock_name=OTHER))
    assert snapshot() == before
    holder.on_notified = lambda: None
    assert place(make_trade(3))[0] == make_order(1, key=make_trade(3).key)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "trigger",
    [
        "UPDATE ON catalog_app_stock WHEN NEW.name = 'Ünï & Co.'",
        "INSERT ON catalog_app_entry WHEN NEW.order_no = 2",
        "UPDATE ON catalog_app_stock WHEN NEW.version = 2",
    ],
)
def test_a_database_that_fails_in_the_middle_leaves_nothing(trigger: str) -> None:
    before = snapshot()
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TRIGGER fault BEFORE {trigger} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(DatabaseError, match="disk full"):
        place(make_trade(1), make_trade(2, stock_name=OTHER))
    assert snapshot() == before
    assert selectors.LEDGER.head == START


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_fails_may_be_tried_again_with_the_same_trade() -> None:
    """I2, I9: nothing of it is there, and the same key brings the order later."""
    before = snapshot()
    with refuse_writes():
        with pytest.raises(StorageFailed, match="cannot use its database now"):
            place(make_trade(1))
        assert selectors.get_stock(stock_name=STOCK.name).version == 1, "it can be read"
    assert snapshot() == before
    (order,) = place(make_trade(1))
    assert isinstance(order, Order)
    assert order.order_no == 1


def test_a_batch_of_many_trades_is_one_transaction() -> None:
    answers = place(*[make_trade(number) for number in range(1, 1001)])
    assert [answer.order_no for answer in answers if isinstance(answer, Order)] == list(
        range(1, 1001)
    )
    check_conservation()
    assert isinstance(place(make_trade(1001))[0], InsufficientQuantity)


def test_numbers_past_32_bits_are_kept() -> None:
    """The S&P 500's share counts are."""
    Stock.objects.create(
        name="Big", price=1, quantity=2**40, opening=2**40, issued=2**41, trade_volume=0
    )
    place(make_trade(1, 10**9, stock_name="Big"))
    assert selectors.get_stock(stock_name="Big").quantity == 2**40 - 10**9
    check_conservation()


def test_a_trade_without_a_leader_takes_its_place_in_the_ledger_too() -> None:
    """The seed's catalog trades on its own; replicas take the order from the ledger."""
    order = services.trade_directly(stock_name=STOCK.name, trade_type=TradeType.BUY, quantity=3)
    assert (order.order_no, order.quantity) == (1, 3)
    other = services.trade_directly(stock_name=STOCK.name, trade_type=TradeType.BUY, quantity=3)
    assert (other.order_no, other.key) != (order.order_no, order.key)
    with pytest.raises(UnknownStock):
        services.trade_directly(stock_name="NoSuchCo", trade_type=TradeType.BUY, quantity=1)
    check_conservation()
