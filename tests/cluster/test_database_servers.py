"""A whole cluster whose databases are on servers, which are killed (I1, I2, I3, I9)."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.ports import free_topology
from bazaar.loadtest.prove import audit
from bazaar.topology import Node, Topology
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import buy, look_up
from tests.support.database_servers import DatabaseServer, MariadbServer, PostgresqlServer

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
STOCK = "GameStart"
HEAL_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def postgresql() -> Iterator[DatabaseServer]:
    with PostgresqlServer() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[DatabaseServer]:
    with MariadbServer() as server:
        yield server


def put_on(node: Node, server: DatabaseServer, name: str) -> Node:
    return msgspec.structs.replace(node, database=server.make_database(name))


def describe(postgresql: DatabaseServer, mariadb: DatabaseServer) -> Topology:
    """Catalog and dashboard on one server, one replica on each, the third in a file."""
    found = free_topology(3)
    first, second, third = found.replicas
    return msgspec.structs.replace(
        found,
        catalog=put_on(found.catalog, postgresql, "catalog"),
        dashboard=put_on(found.dashboard, mariadb, "dashboard"),
        replicas=(put_on(first, mariadb, "order_1"), put_on(second, postgresql, "order_2"), third),
    )


@pytest.fixture(scope="module")
def own(
    postgresql: DatabaseServer, mariadb: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveCluster]:
    cluster = LiveCluster(tmp_path_factory.mktemp("on"), nodes=describe(postgresql, mariadb))
    cluster.up()
    yield cluster
    cluster.end()


def order(cluster: LiveCluster) -> int:
    answer = buy(cluster, STOCK)
    assert answer.status == 200, answer
    number: int = answer.body["order_no"]
    return number


def test_trades_go_on_when_the_servers_are_back(
    own: LiveCluster, postgresql: DatabaseServer, mariadb: DatabaseServer
) -> None:
    """I1, I3: numbers go on, and every acknowledged order is there."""
    numbers = [order(own) for _ in range(3)]
    for server in (postgresql, mariadb):
        server.kill()
        server.start()
        assert wait_until(lambda: buy(own, STOCK).status == 200, HEAL_TIMEOUT_S)
        numbers.append(order(own))
    assert numbers[:3] == list(range(numbers[0], numbers[0] + 3))
    assert sorted(set(numbers)) == numbers
    last = order(own)
    for number in range(1, last + 1):
        assert look_up(own, number).status == 200
    own.heal()
    own.wait_for(lambda now: {one.status.last for one in now.replicas if one.status} == {last})
    # A thread that kept its connection over the end of its server says so once: try again.
    assert wait_until(lambda: not audit(None, data=own.data, is_offline=False).gaps, HEAL_TIMEOUT_S)
    verdict = audit(None, data=own.data, is_offline=False)
    assert (verdict.sentences, verdict.gaps) == ((), ())


def test_what_needs_a_file_says_what_to_do_instead(own: LiveCluster, tmp_path: Path) -> None:
    backup = own.run("backup", str(tmp_path / "copy.sqlite3"))
    assert "tools of its engine" in backup.stderr
    rebuild = own.run("rebuild", "1")
    assert "empty database" in rebuild.stderr
    assert order(own) > 0


def test_a_process_by_hand_names_the_command_that_makes_its_tables(
    postgresql: DatabaseServer, tmp_path: Path
) -> None:
    data = DataDir(tmp_path)
    make_secret(data.root / "cluster.secret")
    data.write_topology(free_topology(4))
    environ = {
        **os.environ,
        "BAZAAR_DATA_DIR": str(data.root),
        "BAZAAR_CLUSTER": str(data.topology_path),
        "BAZAAR_DATABASE_URL": postgresql.make_database("by_hand"),
    }

    def run(line: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(line, env=environ, capture_output=True, text=True, check=False)

    said = run([sys.executable, "-m", "bazaar.cluster.launch", "order", "--id", "4"]).stderr
    found = re.search(r"BAZAAR_DATABASE_URL: the database lacks [^`]*`([^`]*)`", said)
    assert found is not None, said
    made = run(shlex.split(found[1]))
    assert "its database is ready" in made.stdout, made.stderr
