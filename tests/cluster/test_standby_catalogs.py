"""Two catalogs on one PostgreSQL: the active one is killed, and paused (I1, I2, I3, I5, I7)."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import msgspec
import pytest

from bazaar.clock import monotonic_s, wait_until
from bazaar.cluster.ports import free_ports, free_topology
from bazaar.core.failures import NotActive
from bazaar.core.types import CatalogId
from bazaar.loadtest.prove import audit
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.statuses import CatalogStatus
from bazaar.topology import Topology
from tests.cluster.conftest import HEAL_TIMEOUT_S, LiveCluster
from tests.cluster.requests import ask, buy
from tests.support.database_servers import DatabaseServer, PostgresqlServer

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
STOCK = "GameStart"
TRADERS = 3
NEXT_TRADE_S = 8.0
"""Until the next trade is acknowledged, on a machine that does other things, too."""
PAUSE_S = 5.0


def describe(server: DatabaseServer) -> Topology:
    """Return a cluster with two catalogs on one database."""
    found = free_topology(replicas=2)
    served, control = free_ports(2)
    first = msgspec.structs.replace(found.catalog, database=server.make_database("catalog"))
    second = msgspec.structs.replace(first, id=2, port=served, control_port=control)
    return msgspec.structs.replace(found, catalogs=(first, second))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    with PostgresqlServer() as server:
        cluster = LiveCluster(tmp_path_factory.mktemp("two"), nodes=describe(server))
        cluster.up()
        yield cluster
        cluster.end()


@pytest.fixture
def own(shared: LiveCluster) -> LiveCluster:
    """Return the cluster, well, with an active catalog and a standby."""
    shared.heal()
    shared.wait_for(lambda _: sorted(activities(shared).values()) == ["active", "standby"])
    return shared


def statuses(cluster: LiveCluster) -> dict[str, CatalogStatus]:
    views = cluster.look().processes
    return {one.name: one.status for one in views if isinstance(one.status, CatalogStatus)}


def activities(cluster: LiveCluster) -> dict[str, str]:
    return {name: status.activity for name, status in statuses(cluster).items()}


def find_active(cluster: LiveCluster, *, not_: str = "") -> str:
    """Wait until a catalog is active, another one than that, and return its name."""
    found: list[str] = []

    def is_found(_: object) -> bool:
        found[:] = [name for name, what in activities(cluster).items() if what == "active"]
        return bool(found) and found != [not_]

    cluster.wait_for(is_found)
    return found[0]


class Load:
    """Traders that go on until the end, and what they were told."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self.acknowledged: dict[tuple[str, str], int] = {}
        """Order numbers by key and type."""
        self.refused: list[object] = []
        self.last_s = 0.0
        self._is_over = threading.Event()

    def run(self) -> None:
        """Buy a share and sell it, until the end."""
        while not self._is_over.is_set():
            for trade_type in ("buy", "sell"):
                self._trade(trade_type)

    def _trade(self, trade_type: str) -> None:
        body, key = {"stock_name": STOCK, "trade_type": trade_type, "quantity": 1}, str(uuid4())
        answer = ask(self._cluster, "POST", "/orders", body, key)
        if answer.status == 200:
            self.acknowledged[key, trade_type] = answer.body["order_no"]
            self.last_s = monotonic_s()
        else:
            self.refused.append(answer)

    def await_trade(self) -> None:
        """Wait until another trade is acknowledged, one that comes after this moment."""
        since_s = monotonic_s()
        assert wait_until(lambda: self.last_s > since_s, NEXT_TRADE_S), "no trade goes on"

    def stop(self) -> None:
        """End the traders."""
        self._is_over.set()


@contextmanager
def load(cluster: LiveCluster) -> Iterator[Load]:
    """Trade while the block runs."""
    made = Load(cluster)
    threads = [threading.Thread(target=made.run) for _ in range(TRADERS)]
    for thread in threads:
        thread.start()
    try:
        made.await_trade()
        yield made
    finally:
        made.stop()
        for thread in threads:
            thread.join()


def check(cluster: LiveCluster, made: Load) -> None:
    """Check that nothing was refused, lost or doubled (I1, I2, I3)."""
    assert made.refused == []
    numbers = list(made.acknowledged.values())
    assert len(set(numbers)) == len(numbers)
    (key, _), number = next(one for one in made.acknowledged.items() if one[0][1] == "buy")
    assert buy(cluster, STOCK, key=key).body == {"order_no": number}
    cluster.heal()
    last = max(numbers)
    cluster.wait_for(lambda now: {one.status.last for one in now.replicas if one.status} == {last})
    verdict = audit(None, data=cluster.data, is_offline=False)
    assert (verdict.sentences, verdict.gaps) == ((), ())


def quantity(cluster: LiveCluster) -> int:
    found: int = ask(cluster, "GET", f"/stocks?stock_name={STOCK}").body["quantity"]
    return found


def test_trades_go_on_when_the_active_catalog_is_killed(own: LiveCluster) -> None:
    with load(own) as made:
        for _ in range(2):
            active, epoch = find_active(own), max(one.epoch for one in statuses(own).values())
            own.kill(active)
            successor = find_active(own, not_=active)
            assert statuses(own)[successor].epoch > epoch
            made.await_trade()
            own.start(active)
            own.wait_for(lambda _, active=active: activities(own).get(active) == "standby")
    check(own, made)


def test_one_that_was_paused_decides_and_answers_nothing_when_it_wakes(own: LiveCluster) -> None:
    """I5, I7: another catalog has taken over meanwhile."""
    before, active = quantity(own), find_active(own)
    with load(own) as made:
        own.pause(active)
        since_s = monotonic_s()
        find_active(own, not_=active)
        made.await_trade()
        assert wait_until(lambda: monotonic_s() - since_s > PAUSE_S, 2 * PAUSE_S)
        made.await_trade()
        own.resume(active)
        node = own.topology.find_catalog(own.view(active).node.id)
        with closing(CatalogClient.at(node, own.secret, 1.0)) as woken:
            assert wait_until(lambda: is_refused(woken), HEAL_TIMEOUT_S)
        made.await_trade()
    assert find_active(own) != active
    assert activities(own)[active] == "standby"
    assert quantity(own) == before  # whoever bought a share has sold it
    check(own, made)


def is_refused(client: CatalogClient) -> bool:
    """Tell whether a catalog says who is active, instead of an answer."""
    try:
        client.get_leadership()
    except NotActive as refusal:
        return refusal.active is not None and refusal.active != CatalogId(0)
    except Exception:  # noqa: BLE001 - it ends, and begins anew
        return False
    raise AssertionError("it answers as if it was active")
