"""The pure parts of `make ha`: the table and its bounds, and what the engines are told."""

from dataclasses import replace

import msgspec
import pytest

from bazaar.proof.records import Done
from tests.cluster.ha.galera import read_variables
from tests.cluster.ha.measuring import leave_single_out, shift
from tests.cluster.ha.network import write_rules
from tests.cluster.ha.patroni import has_all_roles, write_configuration
from tests.cluster.ha.table import Cost, describe, find_limit_s, list_misses, write_table
from tests.cluster.load import find_longest_gap_s

COST = Cost(
    name="kill-catalog",
    label="catalog killed (active)",
    target="catalog",
    ours_s=0.6,
    engine_s=0.2,
    healing_s=0.1,
    reads_s=0.3,
    reads=100,
    stale_reads=7,
    errors=0,
)
HOST = replace(COST, name="kill-host", label="host lost (leader)", target="host 2")


def test_trades_may_stand_still_half_a_second_longer_than_the_engine() -> None:
    assert not list(list_misses([COST]))
    (miss,) = list_misses([replace(COST, ours_s=0.71)])
    assert miss == (
        "catalog killed (active), catalog: trades stood still for 0.71 s; 0.70 s are allowed"
    )


def test_a_lost_host_may_cost_three_seconds_or_what_its_engine_costs() -> None:
    assert find_limit_s(HOST) == 3.0
    assert find_limit_s(replace(HOST, engine_s=4.0)) == 4.5
    assert find_limit_s(COST) == pytest.approx(0.7)


def test_a_front_end_that_is_gone_may_cost_its_lease() -> None:
    gone = replace(COST, name="kill-frontend", ours_s=2.0)
    assert not list(list_misses([gone]))
    assert len(list(list_misses([replace(gone, ours_s=2.6)]))) == 1


def test_an_operation_that_failed_and_reads_that_stood_still_are_told() -> None:
    misses = list(list_misses([replace(COST, errors=2), replace(COST, reads_s=1.5)]))
    assert misses == [
        "catalog killed (active), catalog: 2 operations failed",
        "catalog killed (active), catalog: reads stood still for 1.50 s; 1 s are allowed",
    ]


def test_each_fault_is_told_in_a_line() -> None:
    assert describe(COST) == (
        "catalog killed (active), catalog: 0.60 s, the engine 0.20 s, healing 0.10 s, "
        "reads 0.30 s, 7 of 100 marked old, 0 errors"
    )


def test_the_table_has_a_line_for_each_kind_of_fault() -> None:
    costs = [COST, replace(COST, ours_s=1.0, engine_s=0.8, stale_reads=1), HOST]
    head, first, second = write_table(costs)
    assert head.split()[:4] == ["fault", "times", "median", "worst"]
    assert " ".join(first.split()) == (
        "catalog killed (active) 2 0.80 s 1.00 s 0 0.50 s 0.80 s 0.40 s 0.10 s 0.30 s 8"
    )
    assert second.startswith("host lost (leader) ")


def test_a_gap_counts_when_it_began_between_two_moments() -> None:
    at_s = [1.0, 2.0, 4.5, 5.0, 9.0]
    assert find_longest_gap_s(at_s, from_s=1.5, to_s=4.0) == 2.5
    assert find_longest_gap_s(at_s, from_s=3.0, to_s=4.6) == 1.5
    assert find_longest_gap_s([], from_s=3.0, to_s=4.0) == float("inf")


def test_an_engine_that_lets_single_commits_through_is_not_back() -> None:
    before, after = [0.05 * one for one in range(10)], [3.0 + 0.05 * one for one in range(10)]
    stragglers = [1.2, 1.9, 1.95]
    assert leave_single_out([*after, *before, *stragglers]) == [*before, *after]


def test_histories_of_loads_are_put_one_after_the_other() -> None:
    done = Done(client=1, kind="query", url=0, intended_s=1.0, sent_s=1.5, outcome="ok")
    later = shift(done, 10.0)
    assert (later.intended_s, later.sent_s, later.done_s) == (11.0, 11.5, None)
    assert shift(msgspec.structs.replace(done, done_s=2.0), 10.0).done_s == 12.0


def test_a_link_is_cut_in_both_directions_and_loopback_stays() -> None:
    rules = write_rules(["10.78.1.2"])
    assert "iif lo accept; ip saddr { 10.78.1.2 } drop;" in rules
    assert "oif lo accept; ip daddr { 10.78.1.2 } drop;" in rules
    assert "ip saddr 0.0.0.0/0 drop;" in write_rules([])


def test_the_status_of_a_galera_node_is_read() -> None:
    text = "Variable_name\tValue\nwsrep_cluster_size\t3\nwsrep_cluster_status\tPrimary\n"
    assert read_variables(text) == {"wsrep_cluster_size": "3", "wsrep_cluster_status": "Primary"}
    assert read_variables("") == {}


def test_patroni_is_whole_with_a_primary_and_two_replicas_one_of_them_in_sync() -> None:
    streams = [{"state": "streaming", "sync_state": state} for state in ("sync", "async")]
    primary = {"role": "master", "state": "running", "replication": streams}
    replica = {"role": "replica", "state": "running"}
    assert has_all_roles([replica, primary, replica])
    assert not has_all_roles([replica, primary, {}])
    assert not has_all_roles([replica, {**primary, "replication": streams[1:]}, replica])
    lagging = [streams[0], {**streams[1], "state": "catchup"}]
    assert not has_all_roles([replica, {**primary, "replication": lagging}, replica])


def test_patroni_is_told_the_least_time_that_it_allows() -> None:
    written = write_configuration(
        name="patroni-1",
        address="10.78.1.1",
        ports=(5432, 8008),
        etcd=["10.78.1.1:2379"],
        folder="/srv/patroni",
    )
    dcs = written["bootstrap"]["dcs"]
    assert (dcs["ttl"], dcs["loop_wait"], dcs["retry_timeout"]) == (20, 1, 8)
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"], "as Patroni asks for"
    assert dcs["synchronous_mode"]
    assert written["postgresql"]["connect_address"] == "10.78.1.1:5432"
