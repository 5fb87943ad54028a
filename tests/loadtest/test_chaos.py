"""Chaos injections, tells, and heals whatever it affected, however it ends."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bazaar import clock
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.snapshot import ProcessState, Snapshot
from bazaar.cluster.starting import StartFailed
from bazaar.loadtest.chaos import Chaos, ChaosPlan, is_front_end, is_healed, open_chaos, read_plan
from bazaar.loadtest.faults import Fault
from bazaar.proof.records import Mark
from bazaar.topology import dump, local
from tests.cluster_unit.test_snapshot import change, end, healthy, tell

INTERVAL_S = 0.05
HEAL_TIMEOUT_S = 0.1
ENOUGH_TIMEOUT_S = 10.0


class FakeActions:
    """A cluster that changes at once, and elects the largest replica that runs."""

    def __init__(self, *, lame: Collection[str] = (), strange: Collection[str] = ()) -> None:
        """lame: cannot be started again. strange: may not be signalled."""
        self.lame, self.strange = lame, strange
        self.down: dict[str, ProcessState] = {}
        self.term, self.leader_id = 1, 3
        self.killed: list[tuple[str, str]] = []

    def take_snapshot(self) -> Snapshot:
        snapshot = healthy(self.leader_id, self.term)
        for name, state in self.down.items():
            gone = end(snapshot, name)
            snapshot = change(
                gone, name, state=state, pid=0 if state is ProcessState.EXITED else 100
            )
        return snapshot

    def kill(self, wanted: str, signal_name: str) -> str:
        if wanted in self.strange:
            raise PermissionError(1, "Operation not permitted")
        self.killed.append((wanted, signal_name))
        self.down[wanted] = ProcessState.PAUSED if signal_name == "STOP" else ProcessState.EXITED
        alive = [n for n in (1, 2, 3) if f"order-{n}" not in self.down]
        if wanted == f"order-{self.leader_id}" and alive:
            self.term, self.leader_id = self.term + 1, max(alive)
        return ""

    def mend(self, names: Collection[str]) -> list[StartFailed]:
        failed = [name for name in names if name in self.lame]
        self.down = {name: state for name, state in self.down.items() if name not in names}
        self.down |= dict.fromkeys(failed, ProcessState.EXITED)
        return [StartFailed(name, []) for name in failed]

    def close(self) -> None:
        pass


class Watched:
    """Chaos on a fake cluster, and what it told."""

    def __init__(
        self, actions: FakeActions, *faults: Fault, interval_s: float = INTERVAL_S
    ) -> None:
        self.actions, self.marks = actions, list[Mark]()
        self.chaos = Chaos(actions, ChaosPlan(faults, interval_s), heal_timeout_s=HEAL_TIMEOUT_S)
        self._changed = threading.Condition()

    def start(self) -> None:
        begun_s = clock.monotonic_s()
        self.chaos.start(lambda: clock.monotonic_s() - begun_s, self._note)

    def _note(self, mark: Mark) -> None:
        with self._changed:
            self.marks.append(mark)
            self._changed.notify()

    def wait_for(self, what: str, count: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(
                lambda: [mark.what for mark in self.marks].count(what) >= count, ENOUGH_TIMEOUT_S
            ), self.marks

    def told(self) -> list[tuple[str, str, int | None]]:
        return [(mark.what, mark.target, mark.term) for mark in self.marks]


def test_a_killed_leader_is_marked_replaced_and_healed() -> None:
    watched = Watched(FakeActions(), Fault.KILL_LEADER)
    watched.start()
    watched.wait_for("healed")
    assert watched.chaos.stop() == []
    assert watched.told()[:3] == [
        ("kill-leader", "order-3", 1),
        ("elected", "order-2", 2),
        ("healed", "order-3", 2),
    ]
    assert watched.actions.killed[0] == ("order-3", "KILL")
    times = [mark.at_s for mark in watched.marks]
    assert times == sorted(times)
    assert times[0] >= INTERVAL_S


def test_a_paused_leader_is_resumed() -> None:
    watched = Watched(FakeActions(), Fault.PAUSE_LEADER)
    watched.start()
    watched.wait_for("healed", 2)
    assert watched.chaos.stop() == []
    assert {signal_name for _, signal_name in watched.actions.killed} == {"STOP"}
    assert watched.actions.down == {}


def test_one_fault_is_healed_before_the_next() -> None:
    watched = Watched(FakeActions(), *Fault)
    watched.start()
    watched.wait_for("healed", 2 * len(Fault))
    assert watched.chaos.stop() == []
    whats = [mark.what for mark in watched.marks if mark.what != "elected"]
    assert set(whats[1::2]) == {"healed"}
    assert "healed" not in whats[::2]
    assert set(whats[::2]) == set(Fault)


def test_stopping_in_the_midst_of_a_fault_heals_it_first() -> None:
    """Ctrl-C ends in `stop`, too."""
    watched = Watched(FakeActions(), Fault.KILL_CATALOG, interval_s=1.0)
    watched.start()
    watched.wait_for("kill-catalog")
    assert watched.chaos.stop() == []
    assert watched.actions.down == {}
    assert watched.told()[-1] == ("healed", "catalog", 1)


def test_it_may_be_stopped_before_it_begins_and_twice() -> None:
    watched = Watched(FakeActions(), Fault.KILL_CATALOG, interval_s=60.0)
    assert watched.chaos.stop() == []
    watched.start()
    assert watched.chaos.stop() == []
    assert watched.chaos.stop() == []
    assert watched.marks == []


def test_what_cannot_be_started_again_is_told() -> None:
    watched = Watched(FakeActions(lame=["order-3"]), Fault.KILL_LEADER)
    watched.start()
    watched.wait_for("not healed")
    assert watched.chaos.stop()[:2] == [
        "order-3 did not start; its log:",
        "order-3: not well after 0.1 s.",
    ]


def test_a_process_that_is_not_ours_is_told() -> None:
    watched = Watched(FakeActions(strange=["catalog"]), Fault.KILL_CATALOG)
    watched.start()
    watched.wait_for("healed")
    assert "kill-catalog of catalog: [Errno 1] Operation not permitted" in watched.chaos.stop()


# When all is well again


def test_what_others_suffer_is_not_waited_for() -> None:
    ill_dashboard = end(healthy(), "dashboard")
    assert is_healed(["order-3"], ill_dashboard)
    assert not is_healed(["dashboard"], ill_dashboard)


def test_a_follower_out_of_sync_is_waited_for() -> None:
    assert not is_healed(["order-1"], tell(healthy(), "order-3", in_sync=(2, 3)))


def test_a_cluster_without_leader_is_waited_for() -> None:
    assert not is_healed(["catalog"], replace(end(healthy(), "order-3"), is_supervised=True))


# What is refused


@pytest.mark.parametrize("interval_s", [0.0, -1.0, 0.9, 4000.0, float("nan"), float("inf")])
def test_an_interval_out_of_range_is_refused(interval_s: float) -> None:
    with pytest.raises(ClusterError, match="--chaos-interval must be from 1 to 3600 s"):
        read_plan("kill-leader", interval_s, 0)


def test_a_fault_ends_before_the_next_is_due() -> None:
    assert read_plan("kill-leader", 4.0, 0).outage_s == 2.0
    assert read_plan("kill-leader", 60.0, 0).outage_s == 5.0


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("http://127.0.0.1:30001", True),
        ("http://localhost:30001/", True),
        ("http://[::1]:30001", True),
        ("http://127.0.0.1:30003", False),
        ("http://example.org:30001", False),
        ("http://127.0.0.1", False),
    ],
)
def test_the_load_must_go_to_the_cluster_that_is_struck(url: str, *, is_ours: bool) -> None:
    assert is_front_end(url, local(3)) is is_ours


def environ_of(folder: Path) -> Mapping[str, str]:
    return {"BAZAAR_DATA_DIR": str(folder)}


def test_without_a_cluster_chaos_is_refused(tmp_path: Path) -> None:
    plan = read_plan("kill-leader", 5.0, 0)
    with pytest.raises(ClusterError, match=r"needs a cluster of this machine\. There is no cl"):
        open_chaos(plan, DataDir(tmp_path), environ_of(tmp_path), [])


def test_with_a_cluster_that_is_down_chaos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(dump(local(3)))
    secret = tmp_path / "cluster.secret"
    secret.write_text("s" * 64)
    secret.chmod(0o600)
    plan = read_plan("kill-leader", 5.0, 0)
    with pytest.raises(ClusterError, match=r"the one of .* is not running"):
        open_chaos(plan, DataDir(tmp_path), environ_of(tmp_path), [])
