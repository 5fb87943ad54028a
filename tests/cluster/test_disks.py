"""Disks are full, fail or are read-only under real processes, under load (I3, I9)."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.cluster.logs import tail
from bazaar.cluster.snapshot import ProcessState
from bazaar.protocol.cluster_report import Health
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy, look_up, query
from tests.support.disks import SmallDisk

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

DISK_BYTES = 16 * 2**20
FULL_S = FAILING_S = 0.5
START_TIMEOUT_S = 30.0
LOGS = "logs"


@dataclass(frozen=True)
class SmallDisks:
    """A cluster with a small disk under each database, and one under the logs."""

    cluster: LiveCluster
    disks: dict[str, SmallDisk]

    def pids(self) -> dict[str, int]:
        """Return the pid of each process."""
        return {view.name: view.pid for view in self.cluster.look().processes}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[SmallDisks]:
    folder = tmp_path_factory.mktemp("disks")
    cluster = LiveCluster.from_prepared(folder / "cluster", prepared)
    with ExitStack() as stack:
        disks: dict[str, SmallDisk] = {}
        for name in (LOGS, *(name for name, _ in cluster.topology.nodes())):
            path = cluster.data.logs if name == LOGS else cluster.data.database(name)
            if path is not None:
                disks[name] = stack.enter_context(SmallDisk(folder / name, DISK_BYTES))
                _move(path, disks[name].path)
        stack.callback(cluster.end)
        cluster.up()
        yield SmallDisks(cluster, disks)


def _move(path: Path, folder: Path) -> None:
    """Move a database, or a folder, to a disk; leave a link."""
    for part in path.parent.glob(f"{path.name}*"):
        shutil.move(part, folder / part.name)
    path.symlink_to(folder / path.name)


@contextmanager
def failing(cluster: LiveCluster, name: str) -> Iterator[None]:
    """Have a process fail to write any file, as on a disk with errors."""
    main = psutil.Process(cluster.view(name).pid)
    whole = {one: one.cmdline() for one in (main, *main.children(recursive=True))}
    for one in whole:
        one.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
    try:
        yield
    finally:
        for one in whole:
            with suppress(psutil.NoSuchProcess):
                one.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    ended = [command for one, command in whole.items() if not one.is_running()]
    assert ended == [], f"processes of {name} have ended"


def names_in_turn(small: SmallDisks) -> list[str]:
    """Return the processes with a database, the leader last but one; then the catalog."""
    leader = small.cluster.leader()
    followers = [view.name for view in small.cluster.look().replicas if view.name != leader]
    return ["dashboard", *followers, leader, "catalog"]


def assert_reads_go_on(cluster: LiveCluster, order_no: int) -> None:
    assert query(cluster, "GameStart").status == 200
    assert look_up(cluster, order_no).status == 200


def test_a_disk_is_full_for_a_while_at_each_role_in_turn(small: SmallDisks) -> None:
    """I3: no process ends, no acknowledgement is lost, and all is well again by itself."""
    cluster = small.cluster
    cluster.heal()
    with Load([cluster.base_url]) as load:
        load.await_progress()
        order_no = load.acknowledged[0].order_no
        assert order_no is not None
        before = small.pids()
        for name in (LOGS, *names_in_turn(small)):
            small.disks[name].fill()
            assert_reads_go_on(cluster, order_no)
            clock.wait(FULL_S)
            assert_reads_go_on(cluster, order_no)
            small.disks[name].clear()
            load.await_progress()
            cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
        assert small.pids() == before
    assert load.errors == []
    assert_proof(cluster, load)


def test_writing_fails_for_a_while_at_each_role_in_turn(small: SmallDisks) -> None:
    """I3: the same with errors of the disk in the place of no room."""
    cluster = small.cluster
    cluster.heal()
    with Load([cluster.base_url]) as load:
        load.await_progress()
        before = small.pids()
        for name in names_in_turn(small):
            with failing(cluster, name):
                clock.wait(FAILING_S)
            load.await_progress()
            cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
        assert small.pids() == before
    assert load.errors == []
    assert_proof(cluster, load)


def test_processes_that_start_on_a_read_only_disk_wait_for_it(small: SmallDisks) -> None:
    """It is no damage: no database is made anew, and no process need be started again."""
    cluster, names = small.cluster, ("dashboard", "order-1", "catalog")
    cluster.heal()
    order_no = buy(cluster, "GameStart").body["order_no"]
    for name in names:
        cluster.stop(name)
    with ExitStack() as stack:
        for name in names:
            small.disks[name].lock()
            stack.callback(small.disks[name].unlock)
            cluster.cluster.supervisor.start(name)
        for name in names:
            path = cluster.data.log_path(name)
            assert wait_until(
                lambda at=path: "read-only now" in " ".join(tail(at, 9)),  # type: ignore[misc]
                START_TIMEOUT_S,
            )
            view = cluster.view(name)
            assert (view.state, view.is_corrupt) == (ProcessState.RUNNING, False)
        pids = small.pids()
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
    assert small.pids() == pids
    assert look_up(cluster, order_no).status == 200
    assert_proof(cluster)
