"""The head row: a decision is committed only on what it was made of (docs/adr/0047)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection

from bazaar.core.failures import Unreachable
from bazaar.core.ledger import Batch
from bazaar.core.types import GENESIS, Position, ReplicaId, Term
from bazaar.runtime import engines
from bazaar.runtime.damage import damage
from bazaar.runtime.transactions import write_transaction
from catalog_app import head_row, selectors, services, store
from catalog_app.head_row import HeadRow
from tests.catalog_app.conftest import LEADER, TERM
from tests.support.histories import STOCK, make_trade

pytestmark = pytest.mark.usefixtures("committed_catalog")


def read() -> HeadRow:
    with write_transaction() as database:
        return head_row.read(database)[0]


def trade(*numbers: int) -> None:
    after = selectors.LEDGER.head.position
    services.place_batch(batch=Batch(TERM, LEADER, after, tuple(map(make_trade, numbers))))


def test_it_says_where_the_ledger_ends_after_every_kind_of_decision() -> None:
    for decide in (
        lambda: trade(1, 2),
        lambda: services.change_price(stock_name=STOCK.name, price=Decimal(7)),
        lambda: services.list_stocks(stocks=[replace(STOCK, name="NewCo")]),
    ):
        before = read()
        decide()
        row, head = read(), selectors.LEDGER.head
        assert (row.position, row.digest) == (head.position, head.digest)
        assert row.decisions == before.decisions + 1


def test_a_new_leader_is_a_decision() -> None:
    before = read()
    services.claim_leadership(term=TERM, leader=ReplicaId(3))
    assert read() == before._replace(term=TERM + 1, leader=3, decisions=before.decisions + 1)


@pytest.mark.parametrize(
    "change",
    [{"epoch": 1}, {"term": 9}, {"position": 8}, {"digest": "0" * 64}, {"decisions": 99}],
    ids=str,
)
def test_a_decision_on_what_is_no_more_is_not_committed(change: dict[str, object]) -> None:
    """I1, I5, whichever of the columns another catalog has changed since."""
    trade(1)
    before = read()
    ((column, value),) = change.items()

    def decide() -> None:
        with write_transaction() as database:
            row, _ = head_row.read(database)
            database.execute(f"UPDATE catalog_app_leadership SET {column} = ?", (value,))
            head_row.move(database, row, row._replace(in_sync="7"))

    with pytest.raises(Unreachable, match="decided meanwhile"):
        decide()
    assert read() == before


def test_what_changes_nothing_is_written_all_the_same_where_others_may_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or a key would be known to this server, and to no other one yet, and be acknowledged."""
    trade(1)
    before = read()
    trade(1)
    is_file = engines.current().is_file
    assert read().decisions == before.decisions + (not is_file)
    monkeypatch.setattr(type(engines.current()), "is_file", False)
    trade(1)
    assert read().decisions == before.decisions + 1 + (not is_file)


def test_a_ledger_that_has_lost_its_end_is_damaged() -> None:
    """I3: a number would be given twice."""
    trade(1, 2)
    selectors.LEDGER.written = selectors.LEDGER.page(Position(0), 1).after
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM catalog_app_entry WHERE order_no = 2")
    with pytest.raises(Unreachable, match="the end of the ledger"):
        trade(3)
    assert damage.where == "the end of the ledger"


def test_an_end_that_another_one_wrote_is_no_damage() -> None:
    """An earlier life, whose commit came late, where this one has rolled back."""
    trade(1)
    selectors.LEDGER.written = replace(selectors.LEDGER.written, digest=GENESIS)
    trade(2)
    assert (selectors.LEDGER.head.position, damage.where) == (2, "")


def test_an_end_that_is_wrong_is_damaged() -> None:
    trade(1)
    selectors.LEDGER.written = replace(selectors.LEDGER.written, digest=GENESIS)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE catalog_app_entry SET quantity = quantity + 1")
    with pytest.raises(Unreachable, match="entry 1"):
        trade(2)
    assert damage.where == "entry 1"


def test_a_term_that_is_known_is_not_raised() -> None:
    store.raise_term(Term(2), ReplicaId(1))
    assert read().leadership.term == TERM
    store.raise_term(Term(8), None)
    assert (read().leadership.term, read().leader) == (8, None)
