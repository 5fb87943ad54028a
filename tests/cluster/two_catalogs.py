"""A cluster with two catalogs on one server, and traders that go on whatever happens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec

from bazaar.clock import monotonic_s, wait_until
from bazaar.cluster.ports import free_ports, free_topology
from bazaar.protocol.statuses import CatalogStatus
from bazaar.topology import Node, Topology
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import ask
from tests.support.database_servers import SERVERS, DatabaseServer

STOCK = "GameStart"
TRADERS = 3
NEXT_TRADE_S = 30.0


def describe(server: DatabaseServer) -> Topology:
    """Return a cluster with two catalogs on one database."""
    found = free_topology(replicas=2)
    first = msgspec.structs.replace(found.catalog, database=server.make_database("catalog"))
    return msgspec.structs.replace(found, catalogs=add_standby(first))


def add_standby(first: Node) -> tuple[Node, Node]:
    """Return a catalog and another one on its database."""
    served, control = free_ports(2)
    return first, msgspec.structs.replace(first, id=2, port=served, control_port=control)


@contextmanager
def run_two(folder: Path, engine: str = "postgresql") -> Iterator[LiveCluster]:
    """Run such a cluster for as long as a `with` block runs."""
    with SERVERS[engine]() as server:
        cluster = LiveCluster(folder, nodes=describe(server))
        cluster.up()
        try:
            yield cluster
        finally:
            cluster.end()


def settle(cluster: LiveCluster) -> None:
    """Wait until all is well, with an active catalog and a standby."""
    cluster.heal()
    cluster.wait_for(lambda _: sorted(activities(cluster).values()) == ["active", "standby"])


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


def await_standby(cluster: LiveCluster, name: str) -> None:
    """Wait until a catalog stands by."""
    cluster.wait_for(lambda _: activities(cluster).get(name) == "standby")


class Load:
    """Traders that go on until the end, and what they were told."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster
        self.acknowledged: dict[tuple[str, str], int] = {}
        """Order numbers by key and type."""
        self.refused: list[object] = []
        self.answered_s: list[float] = []
        """When each was acknowledged."""
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
            self.answered_s.append(monotonic_s())
        else:
            self.refused.append(answer)

    def await_trade(self) -> None:
        """Wait until another trade is acknowledged, one that comes after this moment."""
        since_s = monotonic_s()

        def has_come() -> bool:
            return bool(self.answered_s) and self.answered_s[-1] > since_s

        assert wait_until(has_come, NEXT_TRADE_S), "no trade goes on"

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
