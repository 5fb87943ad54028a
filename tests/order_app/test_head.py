"""Where a log ends, as a catalog that starts is told."""

import msgspec
import pytest

import order_app.wiring
from bazaar.core.failures import NotServing
from bazaar.core.types import Position
from bazaar.runtime.damage import damage
from order_app import services
from order_app.replica import ReplicaShell
from tests.support.histories import make_linked

COUNT, AT = 5, Position(2)


@pytest.fixture(autouse=True)
def _running(shell: ReplicaShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replica of five orders be the one that runs."""
    shell.log.append(make_linked(COUNT))
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
