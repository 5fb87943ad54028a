"""The order log on disk: durable, dense, and able to find what was damaged (I1, I3, I8)."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from django.db import connection

from bazaar.core.digest import link
from bazaar.core.failures import GapFound, StorageFailed, Unreachable
from bazaar.core.types import GENESIS, START, Order, OrderNo, Position, ReplicaId, Term
from bazaar.protocol.tracing import Span, read_headers
from bazaar.runtime.damage import damage as watch
from bazaar.runtime.sequence_store import VERIFY_ROWS
from order_app.models import HeardTerm, LogEntry
from order_app.store import OrderLog
from tests.support.histories import make_linked, make_order, make_page
from tests.support.waits import WAIT_S, in_thread

COUNT = 20
SQL = Callable[[str], None]


@pytest.fixture
def log(db: None) -> OrderLog:
    """Make a log of 20 orders."""
    log = OrderLog()
    log.append(make_linked(COUNT))
    return log


@pytest.fixture
def damage() -> SQL:
    """Change the table behind the log's back."""

    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement.replace("LOG", "order_app_logentry"))

    return execute


@pytest.mark.django_db
def test_an_empty_log_begins_at_genesis() -> None:
    log = OrderLog()
    assert log.head == START
    assert (log.digest_at(Position(0)), log.get(OrderNo(1)), log.find([])) == (GENESIS, None, {})
    assert log.page(Position(0), 10) == make_page(0)
    assert log.find_fault() == ""


@pytest.mark.django_db(transaction=True)
def test_an_append_is_on_disk_when_it_returns() -> None:
    """I3: another process sees it at once, so a killed one has left it there."""
    log = OrderLog()
    log.append(make_linked(2))
    found = in_thread(lambda: list(LogEntry.objects.values_list("order_no", "key", "digest")))
    expected = [(n, make_order(n).key, make_page(n).digest) for n in (1, 2)]
    assert sorted(found.result(WAIT_S)) == expected


@pytest.mark.django_db
def test_the_span_of_an_append_says_which_orders_were_stored() -> None:
    """So that its moment is told in the traces of those alone (docs/adr/0043)."""
    log, linked = OrderLog(), make_linked(3)
    with Span("POST /sync", read_headers(None, None)) as span:
        log.append(linked[:1])
        log.append(linked[1:])
    assert span.attributes == {"stored_from": 2, "stored": 2}


@pytest.mark.django_db(transaction=True)
def test_a_term_is_on_disk_when_it_was_saved() -> None:
    """I6: across restarts too."""
    OrderLog().save_term(Term(3), ReplicaId(1))
    OrderLog().save_term(Term(4), None)
    found = in_thread(lambda: list(HeardTerm.objects.values_list("term", "leader")))
    assert found.result(WAIT_S) == [(4, None)]
    assert OrderLog().load_term() == (4, None)


@pytest.mark.django_db
def test_a_new_log_has_heard_of_no_term() -> None:
    assert OrderLog().load_term() == (0, None)


def test_an_append_that_fails_stores_nothing(log: OrderLog) -> None:
    more = make_linked(COUNT + 3)[COUNT:]
    with pytest.raises(Unreachable):
        log.append((*more, make_linked(1)[0]))
    assert log.head == make_linked(COUNT)[-1][1]
    assert LogEntry.objects.count() == COUNT
    log.append(more)
    assert log.head == make_linked(COUNT + 3)[-1][1]


def test_what_an_earlier_life_has_written_late_is_read_by_a_new_one(
    log: OrderLog, lost: list[str]
) -> None:
    """I1: whatever this process remembers of the end is wrong, and nothing is damaged."""
    linked = make_linked(COUNT + 2)
    OrderLog().append(linked[COUNT:])
    with pytest.raises(Unreachable, match="written meanwhile"):
        log.append(linked[COUNT : COUNT + 1])
    assert (lost, watch.where) == (["lost"], "")
    assert OrderLog().head == linked[-1][1]


def test_a_disk_that_fails_for_a_while_ends_no_process(
    log: OrderLog, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither damage nor a commit whose outcome nobody knows."""

    def fail(*_: object) -> None:
        raise StorageFailed

    monkeypatch.setattr(log, "insert", fail)
    with pytest.raises(StorageFailed):
        log.append(make_linked(COUNT + 1)[COUNT:])
    assert (lost, watch.where) == ([], "")


def test_a_row_beyond_an_end_that_is_right_is_damage(log: OrderLog, lost: list[str]) -> None:
    order, head = make_linked(COUNT + 1)[-1]
    assert isinstance(order, Order)
    with pytest.raises(Unreachable, match="damaged"):
        log.append([(replace(order, key=UUID(int=1)), head)])
    assert (lost, watch.where) == ([], f"entry {COUNT + 1}")


def test_a_reopened_log_ends_where_it_ended(log: OrderLog) -> None:
    assert OrderLog().head == log.head == make_linked(COUNT)[-1][1]


def test_orders_are_found_by_number_and_by_key(log: OrderLog) -> None:
    assert log.get(OrderNo(7)) == make_order(7)
    assert log.get(OrderNo(COUNT + 1)) is None
    assert log.get(OrderNo(0)) is None
    keys = (UUID(int=3), UUID(int=99), UUID(int=COUNT))
    assert log.find(keys) == {UUID(int=3): make_order(3), UUID(int=COUNT): make_order(COUNT)}
    assert log.find([UUID(int=99)]) == {}


def test_every_digest_is_kept(log: OrderLog) -> None:
    for _, head in make_linked(COUNT):
        assert log.digest_at(head.position) == head.digest
    assert log.digest_at(Position(0)) == GENESIS


@pytest.mark.parametrize(("after", "limit"), [(0, 5), (0, 100), (3, 4), (19, 1), (20, 5)])
def test_a_page_is_what_comes_after(log: OrderLog, after: int, limit: int) -> None:
    page = log.page(Position(after), limit)
    expected = make_page(min(after + limit, COUNT), after)
    assert (page.after, page.entries) == (expected.after, expected.entries)
    assert (page.digest, page.last) == (expected.digest, COUNT)


def test_a_page_after_the_end_is_a_gap(log: OrderLog) -> None:
    with pytest.raises(GapFound) as caught:
        log.page(Position(COUNT + 1), 1)
    assert caught.value.last == COUNT


def test_a_good_log_has_no_fault(log: OrderLog) -> None:
    assert log.find_fault() == ""


@pytest.mark.parametrize("number", [1, 7, COUNT])
@pytest.mark.parametrize(
    "change",
    [
        "quantity = quantity + 1",
        "placed_by = 'eve'",
        "stock_name = 'BoarCo'",
        "trade_type = 'sell'",
        "\"key\" = '000000000000000000000000000000ff'",
        "digest = '0000000000000000000000000000000000000000000000000000000000000001'",
    ],
)
def test_an_altered_order_is_found(log: OrderLog, damage: SQL, number: int, change: str) -> None:
    damage(f"UPDATE LOG SET {change} WHERE order_no = {number}")
    assert log.find_fault() == f"order {number}"


@pytest.mark.parametrize("change", ["NULL", "'eve'", "''"])
def test_an_order_that_changed_hands_is_found(db: None, damage: SQL, change: str) -> None:
    log = OrderLog()
    log.append(tuple(link(START, [make_order(1, placed_by="bob"), make_order(2)])))
    assert log.get(OrderNo(1)) == make_order(1, placed_by="bob")
    assert log.find_fault() == ""
    damage(f"UPDATE LOG SET placed_by = {change} WHERE order_no = 1")
    with pytest.raises(Unreachable, match="order 1"):
        log.get(OrderNo(1))
    assert log.find_fault() == "order 1"


@pytest.mark.parametrize("number", [1, 7, COUNT - 1])
def test_a_removed_order_is_found(log: OrderLog, damage: SQL, number: int) -> None:
    damage(f"DELETE FROM LOG WHERE order_no = {number}")
    assert log.find_fault() == f"order {number}"


def test_a_removed_run_of_orders_is_found(log: OrderLog, damage: SQL) -> None:
    damage("DELETE FROM LOG WHERE order_no BETWEEN 5 AND 15")
    assert log.find_fault() == "order 5"


def test_swapped_orders_are_found(log: OrderLog, damage: SQL) -> None:
    damage("UPDATE LOG SET order_no = 1000 WHERE order_no = 7")
    damage("UPDATE LOG SET order_no = 7 WHERE order_no = 8")
    damage("UPDATE LOG SET order_no = 8 WHERE order_no = 1000")
    assert log.find_fault() == "order 7"


@pytest.mark.parametrize("to", [COUNT + 1, 1000, 2**62])
def test_a_renumbered_order_is_found(log: OrderLog, damage: SQL, to: int) -> None:
    damage(f"UPDATE LOG SET order_no = {to} WHERE order_no = 7")
    assert log.find_fault() == "order 7"


def test_the_last_order_under_another_number_is_found(log: OrderLog, damage: SQL) -> None:
    damage(f"UPDATE LOG SET order_no = {COUNT + 5} WHERE order_no = {COUNT}")
    assert log.find_fault() == f"order {COUNT}"


@pytest.mark.parametrize("number", [VERIFY_ROWS, VERIFY_ROWS + 1, VERIFY_ROWS + 7])
def test_a_fault_is_found_where_two_readings_meet(db: None, damage: SQL, number: int) -> None:
    log = OrderLog()
    log.append(make_linked(VERIFY_ROWS + 10))
    assert log.find_fault() == ""
    damage(f"UPDATE LOG SET quantity = 9 WHERE order_no = {number}")
    assert log.find_fault() == f"order {number}"
    damage(f"DELETE FROM LOG WHERE order_no = {number}")
    assert log.find_fault() == f"order {number}"


def test_rows_are_what_the_table_has_now(log: OrderLog, damage: SQL) -> None:
    """An audit must see damage, whatever is in memory."""
    damage(f"DELETE FROM LOG WHERE order_no > {COUNT - 2}")
    body = log.list_rows(OrderNo(COUNT - 4), 10)
    assert [row.order_no for row in body.rows] == [COUNT - 3, COUNT - 2]
    assert body.last == COUNT - 2
    assert log.search("MenhirCo", 0, 1).last == COUNT - 2


@pytest.mark.parametrize(
    ("text", "found"),
    [("50%", 2), ("%", 2), ("_", 3), ("\\", 4), ("menhir", 1), ("x", None)],
)
def test_a_text_is_searched_for_as_it_is(db: None, text: str, found: int | None) -> None:
    log = OrderLog()
    names = ("MenhirCo", "50% off", "a_b", "a\\b")
    orders = [make_order(number, stock_name=name) for number, name in enumerate(names, 1)]
    log.append(tuple(link(START, orders)))
    rows = log.search(text, 0, 10).rows
    assert [row.order_no for row in rows] == ([] if found is None else [found])
