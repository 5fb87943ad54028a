"""
A server that ends connections, refuses, or has other catalogs on it (I1, I2, I9).

Run by `tests/engines` in a process whose default database is on a server.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.db.utils import ConnectionHandler

from bazaar.clock import monotonic_s
from bazaar.core.activity import ActiveCatalog
from bazaar.core.digest import link
from bazaar.core.failures import StorageFailed, Unreachable
from bazaar.core.ledger import Batch, describe
from bazaar.core.types import CatalogId, Epoch, Head, Linked, Order, OrderNo, Position
from bazaar.runtime import engines
from bazaar.runtime.backends.kept_connection import site
from bazaar.runtime.damage import damage
from bazaar.runtime.sequence_store import SequenceStore
from bazaar.runtime.transactions import read, write_transaction
from catalog_app import head_row, selectors, services, store
from catalog_app.head_row import HeadRow
from catalog_app.lease_table import LeaseTableShell
from catalog_app.selectors import LEDGER
from tests.catalog_app.conftest import LEADER, TERM
from tests.catalog_app.fakes import FakeHolder
from tests.support.database_servers import find_port
from tests.support.histories import STOCK, make_linked, make_order, make_trade
from tests.support.waits import WAIT_S, in_thread, wait_until

pytestmark = pytest.mark.usefixtures("committed_catalog")

SHORT_S = 0.3
HOLDER = "00000000000000000000000000000009"
PAUSED_S = 0.3
IS_POSTGRESQL = connection.vendor == "postgresql"
MY_ID = "SELECT pg_backend_pid()" if IS_POSTGRESQL else "SELECT CONNECTION_ID()"
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    if IS_POSTGRESQL
    else "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SET proofs%' AND ID <>"
    " CONNECTION_ID()"
)
END = "SELECT pg_terminate_backend({})" if IS_POSTGRESQL else "KILL CONNECTION {}"


def elsewhere(act: Callable[[], None]) -> None:
    """Act over another connection."""
    in_thread(act).result(WAIT_S)


def end_session() -> None:
    """Have the server end the session of this thread."""
    ((number,),) = read(MY_ID)

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute(END.format(number))

    elsewhere(end)


@pytest.fixture
def _is_hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have this thread wait for answers for a short time only."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "read_timeout", SHORT_S)
    connection.close()
    yield
    connection.close()


def stands_still(pid: int) -> bool:
    """Whether each thread of a process is stopped."""
    stats = (task / "stat" for task in Path(f"/proc/{pid}/task").iterdir())
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)


@contextmanager
def silenced() -> Iterator[None]:
    """
    Stop what serves this thread's session; its machine still acknowledges what it is sent.

    On PostgreSQL that is a process of its own, on MariaDB the whole server.
    """
    ((found,),) = read(MY_ID if IS_POSTGRESQL else "SELECT @@pid_file")
    pid = int(found) if IS_POSTGRESQL else int(Path(found).read_text(encoding="ascii"))
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: stands_still(pid))  # a thread of it may answer until then
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def trade(number: int) -> object:
    (answer,) = services.place_batch(
        batch=Batch(TERM, LEADER, selectors.LEDGER.head.position, (make_trade(number),))
    ).answers
    return answer


def claim_epoch() -> None:
    """Decide as another catalog does that takes over."""
    with write_transaction() as database:
        row, _ = head_row.read(database)
        head_row.move(database, row, row._replace(epoch=row.epoch + 1))


def wait_for(length_s: float) -> None:
    """Let a session idle so long that it counts as stuck."""
    since_s = monotonic_s()
    wait_until(lambda: monotonic_s() - since_s > length_s)


def decide_late(make: Callable[[Head], Linked]) -> None:
    """Commit an entry as an earlier life does, whose server takes its time."""
    ledger = SequenceStore(LEDGER.table, LEDGER.changes, *LEDGER.more)
    with write_transaction() as database:
        row, before = head_row.read(database)
        entry, head = make(before)
        head_row.move(database, row, row.moved(head))
        ledger.insert(database, [(entry, head)], [(TERM, 2, 0)] if isinstance(entry, Order) else ())


def make_late_order(before: Head) -> Linked:
    return make_linked(1)[0]


def make_late_change(before: Head) -> Linked:
    ((entry, head),) = link(before, [describe(STOCK)])
    return entry, head


def read_row() -> HeadRow:
    with write_transaction() as database:
        return head_row.read(database)[0]


def test_a_session_that_was_ended_fails_once_and_is_made_anew() -> None:
    end_session()
    with pytest.raises(StorageFailed):
        read("SELECT 1")
    assert read("SELECT 1") == [(1,)]


def test_one_that_nobody_used_for_a_while_is_made_anew_unnoticed() -> None:
    end_session()
    connection.used_s = 0.0  # type: ignore[attr-defined]
    assert read("SELECT 1") == [(1,)]
    end_session()
    connection.used_s = 0.0  # type: ignore[attr-defined]
    assert trade(1) == make_order(1)


@pytest.mark.usefixtures("_is_hasty")
def test_a_silent_server_is_waited_for_within_a_limit(lost: list[str]) -> None:
    """I10: a statement fails, and what became of a commit is unknown."""
    with silenced(), pytest.raises(StorageFailed):
        read("SELECT 1")
    assert lost == []

    def commit() -> None:
        with ExitStack() as stack, write_transaction() as database:
            database.execute("SELECT 1")
            stack.enter_context(silenced())

    with pytest.raises(StorageFailed):
        commit()
    assert lost == ["lost"]


def test_a_transaction_that_is_ended_changes_nothing(lost: list[str]) -> None:
    before = read_row()

    def change() -> None:
        with write_transaction() as database:
            row, _ = head_row.read(database)
            head_row.move(database, row, row._replace(term=9))
            end_session()
            database.execute("SELECT 1")

    with pytest.raises(StorageFailed):
        change()
    assert (read_row(), lost) == (before, [])


def test_a_lost_commit_is_told_and_settled_by_its_key(lost: list[str]) -> None:
    """I2, I9: the process begins anew, and the caller repeats."""

    def lose() -> None:
        with write_transaction() as database:
            database.execute("SELECT 1")
            end_session()

    with pytest.raises(StorageFailed):
        lose()
    assert lost == ["lost"]
    assert trade(1) == make_order(1)
    assert trade(1) == make_order(1)


def test_an_older_epoch_decides_nothing(lease_table: LeaseTableShell) -> None:
    """I1: another catalog has taken over while this one waited for its caches."""
    holder = FakeHolder(on_notified=lambda: elsewhere(claim_epoch))
    lease_table.register(HOLDER, holder)
    with pytest.raises(Unreachable, match="decided meanwhile"):
        trade(1)
    assert (selectors.LEDGER.read_head().position, read_row().epoch) == (0, 1)
    holder.on_notified = lambda: None
    assert trade(1) == make_order(1)


@pytest.mark.parametrize(("make", "order_no"), [(make_late_order, 2), (make_late_change, 1)])
def test_a_commit_that_comes_late_is_no_damage(
    make: Callable[[Head], Linked],
    order_no: int,
    lease_table: LeaseTableShell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I1: the ledger goes on from there, whether it has taken the same row or not."""
    monkeypatch.setattr(FakeHolder, "is_warm", True)
    holder = FakeHolder(on_begun=lambda: elsewhere(lambda: decide_late(make)))
    lease_table.register(HOLDER, holder)
    with pytest.raises(Unreachable, match="meanwhile"):
        trade(2)
    holder.on_begun = lambda: None
    assert trade(2) == make_order(2, order_no=OrderNo(order_no))
    assert (selectors.LEDGER.find_fault(), damage.where) == ("", "")


def test_a_decision_that_waits_for_another_one_is_not_committed_after_it() -> None:
    """Whoever waits for a lock has read before: that is worth nothing any more."""
    moved, may_commit = Event(), Event()

    def claim_slowly() -> None:
        with write_transaction() as database:
            row, _ = head_row.read(database)
            head_row.move(database, row, row._replace(epoch=row.epoch + 1))
            moved.set()
            assert may_commit.wait(WAIT_S)

    def decide() -> None:
        with write_transaction() as database:
            row, _ = head_row.read(database)
            may_commit.set()
            head_row.move(database, row, row._replace(term=9))

    claiming = in_thread(claim_slowly)
    assert moved.wait(WAIT_S)
    with pytest.raises(Unreachable, match="decided meanwhile"):
        decide()
    claiming.result(WAIT_S)
    assert (read_row().epoch, read_row().term) == (1, TERM)


def test_a_deadlock_may_be_tried_again(lost: list[str]) -> None:
    has_first, has_second = Event(), Event()

    def lock(first: int, second: int, mine: Event, other: Event) -> str:
        update = "UPDATE catalog_app_stock SET version = version WHERE id = ?"
        ids = [row[0] for row in read("SELECT id FROM catalog_app_stock ORDER BY id")]
        try:
            with write_transaction() as database:
                database.execute(update, (ids[first],))
                mine.set()
                assert other.wait(WAIT_S)
                database.execute(update, (ids[second],))
        except StorageFailed:
            return "failed"
        return "done"

    other = in_thread(lambda: lock(1, 0, has_second, has_first))
    assert sorted([lock(0, 1, has_first, has_second), other.result(WAIT_S)]) == ["done", "failed"]
    assert lost == []


def test_a_paused_process_does_not_hold_its_locks() -> None:
    """Its session ends by itself, after what a transaction may wait for."""
    variable = (
        "SHOW idle_in_transaction_session_timeout"
        if IS_POSTGRESQL
        else "SELECT @@idle_transaction_timeout"
    )
    assert read(variable) == [("3500ms",)] if IS_POSTGRESQL else [(4,)]


def test_a_plan_that_may_be_kept_reads_no_whole_table() -> None:
    """It may have been made when the ledger was empty."""
    find = f'EXPLAIN SELECT digest FROM catalog_app_entry WHERE "key" IN ({", ".join("?" * 32)})'
    with write_transaction() as database:
        plan = str(database.execute(find, [str(uuid4()) for _ in range(32)]).fetchall())
    assert not [one for one in ("Seq Scan", "'ALL'") if one in plan]


@pytest.mark.parametrize("has_another", [False, True])
def test_a_claim_does_not_wait_for_one_that_was_paused_in_a_transaction(
    *, has_another: bool
) -> None:
    """
    Its locks are of no use to anybody, and its decision is not committed (I5).

    has_another: its proof waits for the decision, and would have the row next.
    """
    moved, may_go_on = Event(), Event()

    def decide() -> None:
        with write_transaction() as database:
            row, _ = head_row.read(database)
            head_row.move(database, row, row._replace(term=9))
            moved.set()
            assert may_go_on.wait(WAIT_S)

    def prove() -> None:
        with write_transaction(decides=False) as database:
            head_row.hold(database, Epoch(0))
            assert may_go_on.wait(WAIT_S)

    paused = [in_thread(decide)]
    assert moved.wait(WAIT_S)
    if has_another:
        paused.append(in_thread(prove))
        wait_until(lambda: read(WAITING))
    began_s = monotonic_s()
    wait_for(PAUSED_S)
    store.claim_epoch(ActiveCatalog(Epoch(0), None), CatalogId(2), None, None)
    assert monotonic_s() - began_s < PAUSED_S + 2.0, "it has waited for the lock's timeout"
    may_go_on.set()
    for one in paused:
        with pytest.raises(StorageFailed):
            one.result(WAIT_S)
    assert (read_row().epoch, read_row().active, read_row().term) == (1, 2, TERM)


def test_a_claim_ends_no_session_while_nobody_holds_the_row() -> None:
    """It may be that of another catalog, or of a command."""
    is_idle, may_go_on = Event(), Event()

    def idle() -> bool:
        mine = read(MY_ID)
        is_idle.set()
        assert may_go_on.wait(WAIT_S)
        return read(MY_ID) == mine

    other = in_thread(idle)
    assert is_idle.wait(WAIT_S)
    wait_for(PAUSED_S)
    store.claim_epoch(ActiveCatalog(Epoch(0), None), CatalogId(2), None, None)
    may_go_on.set()
    assert other.result(WAIT_S)


def test_whoever_meets_another_node_leads_all_threads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I7: a node that was replaced may go on answering reads."""
    moved: list[bool] = []
    monkeypatch.setattr(site, "on_move", lambda: moved.append(True))
    read("SELECT 1")
    before = connection.connection
    site.note("another node")
    assert moved == [True]
    read("SELECT 1")
    assert connection.connection is not before
    assert len(moved) == 2, "it is back at the first one"


def test_the_first_of_several_hosts_that_answers_is_used() -> None:
    default = settings.DATABASES["default"]
    port = f"{find_port()},{default['PORT']}"
    two = {**default, "HOST": "127.0.0.1,127.0.0.1", "PORT": port}
    two["NAME"] = connection.settings_dict["NAME"]
    import_module(f"{default['ENGINE']}.base")._order.note(("", ""))  # none has answered yet
    handler = ConnectionHandler({"default": two})
    with handler["default"].cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM catalog_app_stock")
        assert cursor.fetchone() == (2,)
    handler["default"].close()


def test_a_server_that_may_lose_commits_is_found() -> None:
    connection.ensure_connection()
    fault, _ = engines.current().prepare(connection)
    assert "would lose orders" in fault


def test_an_order_no_is_taken_once() -> None:
    """I1: the database itself refuses the second."""
    assert trade(1) == make_order(1)
    assert selectors.LEDGER.page(Position(0), 10).entries == (make_order(1),)
