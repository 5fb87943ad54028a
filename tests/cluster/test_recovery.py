"""The catalog's database is lost, or put back from a backup, under real processes: I3, I6, I11."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bazaar.clock import wait_until
from bazaar.protocol.clients import CatalogClient
from tests.cluster.conftest import HEAL_TIMEOUT_S, LiveCluster
from tests.cluster.proof import assert_proof
from tests.cluster.requests import buy, look_up, query

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
STOCK = "GameStart"


def order(cluster: LiveCluster) -> int:
    answer = buy(cluster, STOCK)
    assert answer.status == 200, answer
    number: int = answer.body["order_no"]
    return number


def catalog_path(cluster: LiveCluster) -> Path:
    path = cluster.data.database("catalog")
    assert path is not None
    return path


def read(cluster: LiveCluster) -> dict[str, Any]:
    """Query the stock, once the front end knows that the catalog is back."""
    assert wait_until(lambda: query(cluster, STOCK).status == 200, HEAL_TIMEOUT_S)
    body: dict[str, Any] = query(cluster, STOCK).body
    return body


def lose(cluster: LiveCluster) -> None:
    cluster.stop("catalog")
    for ending in ("", "-wal", "-shm"):
        path = catalog_path(cluster)
        path.with_name(path.name + ending).unlink(missing_ok=True)


def change_price(cluster: LiveCluster, price: Decimal) -> None:
    node = cluster.topology.catalog
    with closing(CatalogClient.at(node, cluster.secret, 10.0)) as client:
        client.change_price(STOCK, price)


def test_a_wiped_catalog_is_made_anew_from_the_replicas(cluster: LiveCluster) -> None:
    numbers = [order(cluster) for _ in range(3)]
    change_price(cluster, Decimal("77.25"))
    before = read(cluster)
    lose(cluster)
    refused = cluster.run("start", "catalog")
    assert refused.returncode != 0
    assert "cluster rebuild catalog" in refused.stdout + refused.stderr
    done = cluster.run("rebuild", "catalog")
    assert done.returncode == 0, done.stderr
    cluster.heal()
    assert order(cluster) == numbers[-1] + 1
    after = read(cluster)
    assert (after["price"], after["trade_volume"]) == (77.25, before["trade_volume"] + 1)
    for number in numbers:
        assert look_up(cluster, number).status == 200
    assert_proof(cluster)


def test_a_catalog_put_back_takes_what_it_lacks(cluster: LiveCluster) -> None:
    """Terms, orders and prices since the backup: none is missing, none is given twice."""
    first = order(cluster)
    backup = cluster.data.root / "backup.sqlite3"
    with (
        closing(sqlite3.connect(catalog_path(cluster))) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    cluster.kill(cluster.leader())  # a new term begins
    cluster.heal()
    later = [order(cluster) for _ in range(3)]
    change_price(cluster, Decimal("88.5"))
    lose(cluster)
    backup.rename(catalog_path(cluster))
    cluster.start("catalog")
    cluster.heal()
    assert order(cluster) == later[-1] + 1
    for number in (first, *later):
        assert look_up(cluster, number).status == 200
    assert read(cluster)["price"] == 88.5
    assert_proof(cluster)
