"""A catalog that lacks orders of its replicas is refused before it decides anything."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.cluster import ledger_guard
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.core.election import Ping
from bazaar.core.failures import Unreachable
from bazaar.core.types import OrderNo, ReplicaId, Term
from bazaar.protocol.clients import ReplicaClient
from bazaar.topology import local

FOUND = local(3)
SECRET = b"s" * 32
NAMES = ("catalog", "order-1", "order-2", "order-3")


def write(data: DataDir, name: str, orders: int) -> None:
    """Make what the guard reads of a database: the numbers of its orders."""
    table = "catalog_app_entry" if name == "catalog" else "order_app_logentry"
    with closing(sqlite3.connect(data.root / f"{name}.sqlite3")) as connection:
        connection.execute(f"CREATE TABLE {table} (order_no INTEGER PRIMARY KEY)")
        numbers = [(number + 1,) for number in range(orders)]
        connection.executemany(f"INSERT INTO {table} VALUES (?)", numbers)
        connection.commit()


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path)


@pytest.mark.parametrize(
    ("ledger", "logs", "sentence"),
    [
        (0, (0, 1234, 0), "catalog is empty, but replica 2 has 1,234 orders. Put its newest"),
        (None, (0, 7, 9), "catalog is empty, but replica 3 has 9 orders"),
        (8, (8, 8, 9), "catalog ends at order 8, but replica 3 has 9 orders"),
        (8, (9, None, None), "catalog ends at order 8, but replica 1 has 9 orders"),
        (9, (9, 8, 0), None),
        (9, (None, None, None), None),
        (None, (None, None, None), None),
        (0, (0, 0, 0), None),
    ],
)
def test_a_ledger_that_lacks_orders_of_a_log_beside_it_is_refused(
    data: DataDir, ledger: int | None, logs: tuple[int | None, ...], sentence: str | None
) -> None:
    for name, orders in zip(NAMES, (ledger, *logs), strict=True):
        if orders is not None:
            write(data, name, orders)
    if sentence is None:
        ledger_guard.check_files(data, FOUND)
        return
    with pytest.raises(ClusterError) as caught:
        ledger_guard.check_files(data, FOUND)
    assert str(caught.value).startswith(sentence)
    assert f"cluster init --data {data.root}`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_log_is_no_reason_against_the_catalog(data: DataDir) -> None:
    write(data, "catalog", 0)
    (data.root / "order-1.sqlite3").write_bytes(b"garbage" * 999)
    ledger_guard.check_files(data, FOUND)


class Peers:
    """Replicas elsewhere; each answers from a number of pings on."""

    def __init__(self, last: dict[int, int], silent_pings: int = 0) -> None:
        self.last, self.silent_pings = last, silent_pings
        self.asked: list[int] = []

    def ping(self, client: ReplicaClient) -> Ping:
        replica_id = FOUND.replicas[0].id
        for node in FOUND.replicas:
            if client.control.address == node.control_address:  # type: ignore[attr-defined]
                replica_id = node.id
        self.asked.append(replica_id)
        if replica_id not in self.last or self.asked.count(replica_id) <= self.silent_pings:
            raise Unreachable("refused")
        last = OrderNo(self.last[replica_id])
        return Ping(ReplicaId(replica_id), Term(0), None, last, True, False)  # noqa: FBT003


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Peers:
    found = Peers({})

    def ping(client: ReplicaClient, timeout_s: float) -> Ping:
        assert timeout_s < 1
        return found.ping(client)

    monkeypatch.setattr(ReplicaClient, "ping", ping)
    monkeypatch.setattr(ledger_guard, "PEERS_WAIT_S", 0.3)
    return found


def test_an_empty_catalog_asks_the_replicas_elsewhere(data: DataDir, peers: Peers) -> None:
    write(data, "catalog", 0)
    peers.last, peers.silent_pings = {1: 0, 2: 0, 3: 1234}, 2
    with pytest.raises(ClusterError, match=r"is empty, but replica 3 has 1,234 orders"):
        ledger_guard.check_peers(data, FOUND, SECRET)


def test_an_empty_catalog_goes_on_when_nobody_has_orders_or_answers(
    data: DataDir, peers: Peers
) -> None:
    write(data, "catalog", 0)
    ledger_guard.check_peers(data, FOUND, SECRET)
    peers.last = {1: 0, 2: 0}
    ledger_guard.check_peers(data, FOUND, SECRET)
    assert {1, 2, 3} == set(peers.asked)


def test_a_catalog_with_orders_and_replicas_beside_it_are_not_asked(
    data: DataDir, peers: Peers
) -> None:
    write(data, "catalog", 5)
    ledger_guard.check_peers(data, FOUND, SECRET)
    (data.root / "catalog.sqlite3").unlink()
    for number in (1, 2, 3):
        write(data, f"order-{number}", 0)
    ledger_guard.check_peers(data, FOUND, SECRET)
    assert peers.asked == []
