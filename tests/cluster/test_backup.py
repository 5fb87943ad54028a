"""Copies of the ledger with real processes: clean stops, backups, restore, refused rebuilds."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from bazaar.clock import wait_until
from bazaar.cluster import exits
from bazaar.cluster.ports import free_topology, is_open
from bazaar.cluster.sequence_file import SequenceFile, verify
from bazaar.core.failures import Failure
from bazaar.core.types import ReplicaId, Term
from bazaar.protocol.clients import CatalogClient
from bazaar.settings import env
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
START_TIMEOUT_S = END_TIMEOUT_S = 30.0
NewCluster = Callable[..., LiveCluster]


def copy_main_file(live: LiveCluster, name: str) -> Path:
    """Return a copy of a database's main file, without what is beside it."""
    copy = live.folder / f"{name}.copy"
    shutil.copy(live.data.root / f"{name}.sqlite3", copy)
    return copy


def assert_complete_files(live: LiveCluster, last: int) -> None:
    """See that a stopped cluster has left one complete file of each database."""
    for name in ("catalog", "order-1", "order-2"):
        with SequenceFile(copy_main_file(live, name)) as file:
            assert (file.head.order_no, file.find_fault()) == (last, "")
    journals = list(live.data.root.glob("*-wal"))
    assert [journal for journal in journals if journal.stat().st_size] == []


@contextmanager
def by_hand(live: LiveCluster, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start one process; kill what is left of it in the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=live.environ,
        cwd=env.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(END_TIMEOUT_S)


def is_serving(client: CatalogClient) -> bool:
    """Return whether the served port answers: from then on signals are handled."""
    try:
        client.last(START_TIMEOUT_S)
    except Failure:
        return False
    return True


LAUNCH = ("-m", "bazaar.cluster.launch")
RUNSERVER = ("manage.py", "runserver", "--noreload", "--settings", "bazaar.settings.catalog")


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ((*LAUNCH, "catalog", "--server", "gunicorn"), signal.SIGTERM),
        (RUNSERVER, signal.SIGTERM),
        (RUNSERVER, signal.SIGINT),
    ],
    ids=["gunicorn", "runserver", "runserver, Ctrl-C"],
)
def test_a_role_that_is_stopped_leaves_one_complete_file(
    new_cluster: NewCluster, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    """Of a whole cluster, under the default server, it is seen after a backup."""
    live = new_cluster(nodes=free_topology(replicas=2))
    secret = env.read_secret(live.environ)
    client = CatalogClient.at(live.topology.catalog, secret, START_TIMEOUT_S)
    with by_hand(live, *arguments) as process, closing(client):
        assert wait_until(lambda: is_serving(client), START_TIMEOUT_S)
        client.claim(Term(0), ReplicaId(1))
        process.send_signal(number)
        process.wait(END_TIMEOUT_S)
        with SequenceFile(copy_main_file(live, "catalog")) as file:
            assert file.term == 1


def test_backups_under_load_are_whole_and_the_last_one_can_be_put_back(
    new_cluster: NewCluster,
) -> None:
    """I3: what was acknowledged before a backup began is in it; in the end all files are whole."""
    live = new_cluster(nodes=free_topology(replicas=2))
    live.up()
    files = [live.folder / f"backup-{number}" for number in range(3)]
    with Load([live.base_url]) as load:
        for file in files:
            load.await_progress(20)
            done = live.run("backup", str(file))
            assert done.returncode == 0, done.stderr
            assert f"{file} is a backup of" in done.stdout
    assert live.run("backup", str(files[0])).returncode == exits.USAGE, "it is there"
    heads = []
    for file in files:
        verify(file)
        with SequenceFile(file) as one:
            heads.append(one.head.order_no)
    assert 20 <= heads[0] < heads[1] < heads[2]
    last = live.folder / "last"
    assert live.run("backup", str(last)).returncode == 0
    done = live.run("restore", str(last))
    assert done.returncode == exits.USAGE
    assert "catalog answers at" in done.stderr
    assert live.run("stop", "catalog").returncode == 0
    done = live.run("restore", str(last))
    assert done.returncode == 0, done.stderr
    assert "cluster start catalog" in done.stdout
    assert (live.data.root / "aside" / "catalog.1" / "catalog.sqlite3").is_file()
    assert live.run("start", "catalog").returncode == 0
    live.heal()
    placed = buy(live, "GameStart")
    assert placed.status == 200
    assert_proof(live, load)
    assert live.run("down").returncode == 0
    assert_complete_files(live, placed.body["order_no"])


def test_a_replica_that_somebody_else_runs_is_not_rebuilt(new_cluster: NewCluster) -> None:
    live = new_cluster(nodes=free_topology(replicas=2))
    live.data.write_topology(live.topology)
    node, path = live.topology.replica(2), live.data.root / "order-2.sqlite3"
    before = path.stat().st_ino
    with by_hand(live, *LAUNCH, "order", "--id", "2") as process:
        assert wait_until(lambda: is_open(node.control_address), START_TIMEOUT_S)
        done = live.run("rebuild", "2")
        assert done.returncode == exits.USAGE
        assert "order-2 answers at" in done.stderr
        assert process.poll() is None
    assert path.stat().st_ino == before
    done = live.run("rebuild", "2")
    assert done.returncode == 0, done.stderr
    assert "aside/order-2.1/order-2.sqlite3" in done.stdout
