"""What must hold once a cluster is level again, read from its database files."""

import sqlite3
from contextlib import closing
from uuid import UUID

from bazaar.loadtest.prove import audit
from tests.cluster.conftest import LiveCluster
from tests.cluster.load import Load


def assert_proof(cluster: LiveCluster, load: Load | None = None) -> None:
    """
    Heal the cluster, wait until it is level, and hold it to its promises (I1 to I4, I7 to I9).

    load: what clients saw, which must be true as well.
    """
    cluster.heal()
    last = max(view.status.last for view in cluster.look().processes if view.status)
    cluster.wait_for(
        lambda snapshot: all(
            view.status is not None and view.status.last == last for view in snapshot.replicas
        )
    )
    verdict = audit(load.records if load else None, data=cluster.data, is_offline=True)
    assert (verdict.sentences, verdict.gaps) == ((), ())
    assert {verdict.counts[f"orders in {view.name}"] for view in cluster.look().replicas} == {
        verdict.counts["orders in the ledger"]
    }


def ledger_keys(cluster: LiveCluster) -> set[UUID]:
    """Return the key of every order in the catalog's database."""
    path = cluster.data.database("catalog")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return {UUID(key) for (key,) in database.execute("SELECT key FROM catalog_app_entry")}
