"""Which part of a description a host runs, and what it shares with the others."""

import socket
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import msgspec
import pytest

from bazaar import topology
from bazaar.cluster.cluster_secret import import_secret, show_secret
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.events import list_events
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.hosts import choose_part, find_part, is_here, read_part
from bazaar.cluster.init import InitOptions, make_files
from bazaar.cluster.ports import check_free
from bazaar.cluster.snapshot import ProcessState, ProcessView, Snapshot
from bazaar.cluster.tables import list_silences
from bazaar.loadtest.faults import Fault, list_targets
from bazaar.protocol.resolver import ResolvedAddress, Resolver
from bazaar.settings import env
from bazaar.topology import Node, Topology, local, parse
from tests.cluster_unit.test_snapshot import change, healthy, status_of
from tests.support.waits import WAIT_S

SHORT_S = 0.05
HERE, THERE = "127.0.0.1", "192.0.2.7"
"""An address of every machine, and one of none (RFC 5737)."""


def place(hosts: Mapping[str, str]) -> Topology:
    """Return a cluster with some replicas elsewhere."""
    found = local(3)
    replicas = tuple(
        msgspec.structs.replace(node, host=hosts.get(f"order-{node.id}", HERE))
        for node in found.replicas
    )
    return msgspec.structs.replace(found, replicas=replicas)


SPREAD = place({"order-2": THERE, "order-3": THERE})


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.make()
    return made


@pytest.fixture
def other(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "other")


def test_a_host_runs_what_has_its_name() -> None:
    assert list(find_part(SPREAD, THERE)) == ["order-2", "order-3"]
    assert list(find_part(SPREAD, HERE)) == ["catalog", "order-1", "frontend-1", "dashboard"]


def test_without_a_name_a_host_runs_what_has_its_addresses() -> None:
    assert list(find_part(SPREAD, None)) == ["catalog", "order-1", "frontend-1", "dashboard"]
    assert find_part(local(3), None).keys() == dict(local(3).nodes()).keys()
    assert is_here("localhost")
    assert not is_here("no-such-host.invalid")


def test_a_silent_name_server_is_waited_for_once_and_not_for_long() -> None:
    """I10: `status` begins with the question which processes are this machine's."""
    may_answer = Event()

    def look_up(host: str) -> list[ResolvedAddress]:
        if host.endswith(".test"):
            assert may_answer.wait(WAIT_S)
        return [(socket.AF_INET, HERE, 0)]

    silent = Resolver(look_up)
    found = place({"order-2": "two.test", "order-3": "three.test"})
    part = find_part(found, None, lambda host, _: silent.resolve(host, SHORT_S))
    may_answer.set()
    assert list(part) == ["catalog", "order-1", "frontend-1", "dashboard"]


def test_a_host_that_was_named_is_remembered(data: DataDir) -> None:
    choose_part(data, SPREAD, THERE)
    assert list(read_part(data, SPREAD)) == ["order-2", "order-3"]
    assert list(choose_part(data, SPREAD, None)) == ["order-2", "order-3"]
    assert next(iter(choose_part(data, SPREAD, HERE))) == "catalog"
    assert next(iter(read_part(data, SPREAD))) == "catalog"


def test_a_host_without_a_process_is_refused_with_those_that_have_some(data: DataDir) -> None:
    elsewhere = place({f"order-{one}": THERE for one in (1, 2, 3)})
    with pytest.raises(ClusterError, match=rf"its hosts are {HERE}, {THERE}"):
        choose_part(data, elsewhere, "10.1.1.1")
    assert not data.host_path.exists()
    all_away = elsewhere.map_nodes(lambda node: msgspec.structs.replace(node, host=THERE))
    with pytest.raises(ClusterError, match="this machine has no process"):
        choose_part(data, all_away, None)


def describe(data: DataDir, found: Topology) -> dict[str, str]:
    """Return an environment that names a description."""
    path = data.root.with_name("nodes.toml")
    path.write_text(topology.dump(found))
    return {"BAZAAR_CLUSTER": str(path)}


def test_the_secret_is_made_on_the_first_host_and_carried_to_the_others(
    data: DataDir, other: DataDir
) -> None:
    environ = describe(data, SPREAD)
    make_files(InitOptions(data, host=HERE), environ)
    other.make()
    for _ in range(2):
        with pytest.raises(ClusterError, match=f"made on its first host, {HERE}"):
            make_files(InitOptions(other, host=THERE), environ)
    shown = show_secret(data, {})
    assert len(import_secret(other, {}, shown)) == 3
    assert import_secret(other, {}, f"{shown}\n") == ["nothing to do: all of it is here"]
    make_files(InitOptions(other, host=THERE), environ)
    for read in (env.read_secret, env.read_cluster_id):
        assert read({"BAZAAR_DATA_DIR": str(other.root)}) == read(
            {"BAZAAR_DATA_DIR": str(data.root)}
        )
    assert show_secret(other, {}) == shown
    assert env.secret_path({"BAZAAR_DATA_DIR": str(other.root)}).stat().st_mode & 0o777 == 0o600


def test_a_secret_of_another_cluster_replaces_nothing(data: DataDir, other: DataDir) -> None:
    other.make()
    for one in (data, other):
        make_files(InitOptions(one), {})
    before = show_secret(other, {})
    with pytest.raises(ClusterError, match="this folder is of another cluster"):
        import_secret(other, {}, show_secret(data, {}))
    assert show_secret(other, {}) == before


@pytest.mark.parametrize("text", ["", "secret", 'cluster = "x"', "\0"])
def test_what_is_no_secret_is_refused(other: DataDir, text: str) -> None:
    with pytest.raises(ClusterError, match="not what `cluster secret show` prints"):
        import_secret(other, {}, text)
    assert not other.root.exists()


def test_a_process_listens_at_another_address_than_it_is_reached_at() -> None:
    text = topology.dump(local(1)).replace('host = "127.0.0.1"', f'host = "{THERE}"', 1)
    found = parse(text.replace("[catalog]", f'[catalog]\nlisten = "{HERE}"'))
    assert (found.catalog.host, found.catalog.listen_host) == (THERE, HERE)
    assert found.catalog.control_address == (THERE, 10002)
    assert parse(topology.dump(found)) == found
    assert "listen" not in topology.dump(local(3)), "older versions read what they wrote"


def test_the_port_that_is_checked_is_the_one_that_is_opened() -> None:
    with socket.create_server((HERE, 0)) as taken:
        node = Node(host=THERE, listen=HERE, port=taken.getsockname()[1])
        with pytest.raises(ClusterError, match="taken by another process"):
            check_free("dashboard", node, wait_s=0)
    check_free("dashboard", node, wait_s=0)


def test_a_host_that_is_silent_is_one_sentence_and_a_process_of_another_is_its_own() -> None:
    silence = f"{THERE}:21002 did not answer: timed out"
    views = [
        ProcessView(name, node, ProcessState.UNKNOWN, is_ours=False, silence=silence)
        if node.host == THERE
        else ProcessView(name, node)
        for name, node in SPREAD.nodes()
    ]
    snapshot = Snapshot(tuple(views), is_supervised=False)
    sentence = f"Nothing answers on the host {THERE}: {silence}."
    assert list_silences(snapshot) == [sentence]
    assert f"Nothing answers on the host {THERE} (order-2, order-3)." in snapshot.report.reasons
    answers = change(snapshot, "order-3", status=status_of("order-3", 3, 1), silence="")
    assert list_silences(answers) == [f"order-2 on {THERE} does not answer: {silence}."]
    assert "order-2 does not answer." in answers.report.reasons
    lines = list(list_events(snapshot, answers))
    assert f"order-3 answers on {THERE} (pid 1)" in lines
    assert f"order-3 on {THERE} does not answer" in list(list_events(answers, snapshot))


def test_faults_are_for_the_processes_of_this_host() -> None:
    elsewhere = change(healthy(), "order-3", is_ours=False, pid=0)
    assert list_targets(Fault.KILL_LEADER, elsewhere) == []
    assert list_targets(Fault.KILL_REPLICA, elsewhere) == [("order-1",), ("order-2",)]
