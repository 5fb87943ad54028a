"""Where a log ends, as a catalog that starts is told."""

import msgspec
import pytest

import order_app.wiring
from bazaar.core.failures import NotServing, Unreachable
from bazaar.core.ledger import Page
from bazaar.core.types import Position
from bazaar.runtime.damage import damage
from order_app import services
from order_app.replica import ReplicaShell
from tests.order_app.fakes import FakeCatalog
from tests.support.histories import make_orders

COUNT, AT = 5, Position(2)


@pytest.fixture(autouse=True)
def _running(shell: ReplicaShell, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replica of five orders be the one that runs."""
    catalog.orders = make_orders(COUNT)
    shell.start()
    monkeypatch.setattr(order_app.wiring, "replica", lambda: shell)


def test_a_damaged_log_tells_where_it_ends_and_that_it_is_damaged(shell: ReplicaShell) -> None:
    """Else the catalog and its repair would wait for each other."""
    sound = services.read_head(at=AT)
    assert (sound.position, sound.is_damaged) == (COUNT, False)
    damage.report("order 3")
    shell.drop_out(damage.where)
    assert services.read_head(at=AT) == msgspec.structs.replace(sound, is_damaged=True)
    with pytest.raises(NotServing):
        services.read_page(after=AT, limit=1)


def test_a_log_that_differs_from_the_ledger_tells_nothing(shell: ReplicaShell) -> None:
    shell.machine.mark_corrupt()
    with pytest.raises(NotServing):
        services.read_head(at=AT)


def test_what_the_last_catalog_answers_late_is_not_stored(
    shell: ReplicaShell, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3: the new one was told that this log ends before it, so it may do without it."""
    catalog.orders = make_orders(COUNT + 1)
    answer = catalog.ledger

    def answer_late(after: Position, limit: int) -> Page:
        page = answer(after, limit)
        assert services.read_head(at=AT).position == COUNT
        return page

    monkeypatch.setattr(catalog, "ledger", answer_late)
    with pytest.raises(Unreachable, match="started anew"):
        shell.run(shell.machine.catch_up())
    assert shell.machine.last == COUNT
    monkeypatch.setattr(catalog, "ledger", answer)
    shell.run(shell.machine.catch_up())
    assert shell.machine.last == COUNT + 1
