"""A running cluster is audited: a load with crashes is proved, and planted damage is named."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from bazaar.cluster import exits
from bazaar.cluster.ports import free_topology
from bazaar.cluster.temporary import COMMAND_TIMEOUT_S
from bazaar.loadtest.plan import FrontEndAccess
from bazaar.loadtest.prove import prove
from bazaar.settings import env
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

A_SHARE_TOO_MANY = (
    "UPDATE catalog_app_stock SET quantity = quantity + 1, trade_volume = trade_volume + 1"
    " WHERE name = 'MenhirCo'"
)
"""Within what the database itself allows."""


def run_audit(cluster: LiveCluster) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(env.ROOT / "manage.py"), "audit", "-o", "json"],
        env=cluster.environ,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_load_with_a_killed_leader_is_proved(cluster: LiveCluster) -> None:
    """I1 to I4, I7 and I8, from what clients saw and what the cluster has."""
    with Load([cluster.base_url], 4) as load:
        load.await_progress(50)
        leader = cluster.leader()
        cluster.kill(leader)
        load.await_progress(50)
        status, report = run_audit(cluster)
        assert sentences(report) == [], "one replica is dead, nothing is wrong"
        assert status == exits.UNREACHABLE
        cluster.start(leader)
        load.await_progress(20)
        status, report = run_audit(cluster)
        assert (sentences(report), status) == ([], exits.OK), "while trades go on"
    access = FrontEndAccess(urls=(cluster.base_url,))
    verdict = prove(load.records, data=cluster.data, access=access)
    assert (verdict.sentences, verdict.gaps) == ((), ())
    assert verdict.counts["orders read back"] == len(load.acknowledged)
    assert verdict.counts["reads judged"] > 100
    assert verdict.counts["orders in order-1"] == verdict.counts["orders in the ledger"]


def test_damage_in_a_running_cluster_is_named(
    new_cluster: Callable[..., LiveCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAZAAR_VERIFY_TURN_S", "3600")  # else it would be found and mended first
    cluster = new_cluster(nodes=free_topology(replicas=2))
    cluster.up()
    with Load([cluster.base_url], 2) as load:
        load.await_progress(30)
    write(cluster, "order-1", "UPDATE order_app_logentry SET quantity = 99 WHERE order_no = 7")
    write(cluster, "order-2", "DELETE FROM order_app_logentry WHERE order_no = 8")
    write(cluster, "catalog", A_SHARE_TOO_MANY)
    status, report = run_audit(cluster)
    assert status == exits.INCONSISTENT
    found = {(one["where"], one["invariant"], one.get("order_no")) for one in report["findings"]}
    assert {("order-1", "I1", 7), ("order-2", "I1", 8), ("catalog", "I4", None)} <= found
    verdict = prove(load.records, data=cluster.data, level_timeout_s=1)
    assert verdict.exit == exits.INCONSISTENT


def write(cluster: LiveCluster, name: str, statement: str) -> None:
    path = cluster.data.database(name)
    assert path is not None
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def sentences(report: dict[str, Any]) -> list[str]:
    return [finding["sentence"] for finding in report["findings"]]
