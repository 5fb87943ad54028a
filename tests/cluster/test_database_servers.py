"""
A whole cluster whose databases are on servers: two catalogs on one of them, of which one is active.

The servers are killed, and the active catalog is killed and paused (I1, I2, I3, I5, I7, I9).
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.ports import free_topology
from bazaar.core.failures import NotActive
from bazaar.loadtest.prove import audit
from bazaar.proof.verdict import Verdict
from bazaar.protocol.clients import CatalogClient
from bazaar.topology import Node, Topology
from tests.cluster.conftest import HEAL_TIMEOUT_S, LiveCluster
from tests.cluster.requests import ask, buy, look_up
from tests.cluster.two_catalogs import (
    STOCK,
    Load,
    add_standby,
    await_standby,
    find_active,
    load,
    settle,
    statuses,
)
from tests.support.database_servers import DatabaseServer, MariadbServer, PostgresqlServer

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


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
    """Catalogs on one server, dashboard on the other, one replica on each, the third in a file."""
    found = free_topology(3)
    first, second, third = found.replicas
    return msgspec.structs.replace(
        found,
        catalogs=add_standby(put_on(found.catalog, postgresql, "catalog")),
        dashboard=put_on(found.dashboard, mariadb, "dashboard"),
        replicas=(put_on(first, mariadb, "order_1"), put_on(second, postgresql, "order_2"), third),
    )


@pytest.fixture(scope="module")
def shared(
    postgresql: DatabaseServer, mariadb: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveCluster]:
    cluster = LiveCluster(tmp_path_factory.mktemp("on"), nodes=describe(postgresql, mariadb))
    cluster.up()
    yield cluster
    cluster.end()


@pytest.fixture
def own(shared: LiveCluster) -> LiveCluster:
    """Return the cluster, well, with an active catalog and a standby."""
    settle(shared)
    return shared


def order(cluster: LiveCluster) -> int:
    answer = buy(cluster, STOCK)
    assert answer.status == 200, answer
    number: int = answer.body["order_no"]
    return number


def prove(cluster: LiveCluster) -> None:
    """Audit; a thread that kept its connection over the end of its server says so once."""
    verdicts = list[Verdict]()

    def is_readable() -> bool:
        verdicts.append(audit(None, data=cluster.data, is_offline=False))
        return not verdicts[-1].gaps

    assert wait_until(is_readable, HEAL_TIMEOUT_S), verdicts[-1].gaps
    assert verdicts[-1].sentences == ()


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
    prove(own)


def test_what_needs_a_file_says_what_to_do_instead(own: LiveCluster, tmp_path: Path) -> None:
    backup = own.run("backup", str(tmp_path / "copy.sqlite3"))
    assert "tools of its engine" in backup.stderr
    rebuild = own.run("rebuild", "1")
    assert "empty database" in rebuild.stderr
    assert order(own) > 0


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
    prove(cluster)


def quantity(cluster: LiveCluster) -> int:
    found: int = ask(cluster, "GET", f"/stocks?stock_name={STOCK}").body["quantity"]
    return found


def test_trades_go_on_when_the_active_catalog_is_killed(own: LiveCluster) -> None:
    with load(own) as made:
        active, epoch = find_active(own), max(one.epoch for one in statuses(own).values())
        own.kill(active)
        successor = find_active(own, not_=active)
        assert statuses(own)[successor].epoch > epoch
        made.await_trade()
        own.start(active)
        await_standby(own, active)
    check(own, made)


def test_one_that_was_paused_decides_and_answers_nothing_when_it_wakes(own: LiveCluster) -> None:
    """I5, I7: another catalog has taken over meanwhile."""
    before, active = quantity(own), find_active(own)
    with load(own) as made:
        own.pause(active)
        find_active(own, not_=active)
        made.await_trade()
        own.resume(active)
        node = own.topology.find_catalog(own.view(active).node.id)
        with closing(CatalogClient.at(node, own.secret, 1.0)) as woken:
            assert wait_until(lambda: is_refused(woken), HEAL_TIMEOUT_S)
        made.await_trade()
    await_standby(own, active)
    assert quantity(own) == before  # whoever bought a share has sold it
    check(own, made)


def is_refused(client: CatalogClient) -> bool:
    """Tell whether a catalog says who is active, instead of an answer."""
    try:
        client.get_leadership()
    except NotActive as refusal:
        return refusal.active is not None
    except Exception:  # noqa: BLE001 - it ends, and begins anew
        return False
    raise AssertionError("it answers as if it was active")


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
