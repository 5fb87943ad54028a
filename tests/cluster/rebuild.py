"""
How long an empty replica takes for a long history: `python -m tests.cluster.rebuild --orders
100000`.

Not part of the suite: it measures. It brings up a cluster of its own, places the orders in large
batches, wipes a follower's database and starts it, and holds the result to the promises (`proof`).
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from bazaar.core.types import Term, Trade, TradeType
from bazaar.protocol.clients import ReplicaClient
from tests.cluster.conftest import LiveCluster
from tests.cluster.proof import assert_proof

BATCH = 1000


def main() -> int:
    """Run it and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    orders = parser.parse_args().orders
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder), "--stocks", "sp500")
        cluster.up()
        try:
            _place(cluster, orders)
            took_s = _rebuild(cluster)
            assert_proof(cluster)
        finally:
            cluster.end()
    print(f"{orders} orders rebuilt in {took_s:.1f} s, start of the process included")  # noqa: T201
    return 0


def _place(cluster: LiveCluster, orders: int) -> None:
    node = dict(cluster.topology.nodes())[cluster.leader()]
    client = ReplicaClient.at(node, cluster.secret, 30.0)
    term = Term(cluster.look().term)
    for start in range(0, orders, BATCH):
        sides = (TradeType.BUY, TradeType.SELL)
        trades = [
            Trade(uuid4(), "3M", sides[at % 2], 1)
            for at in range(start, min(start + BATCH, orders))
        ]
        client.trade(term, trades, 30.0)


def _rebuild(cluster: LiveCluster) -> float:
    """Wipe a follower and wait until it is level; return how long that took, in seconds."""
    follower = next(view for view in cluster.look().replicas if not view.is_leading)
    last = cluster.look().processes[0].status
    assert last is not None
    begin_s = time.monotonic()
    done = cluster.run("rebuild", follower.name)
    assert done.returncode == 0, done.stderr
    cluster.wait_for(
        lambda snapshot: any(
            view.name == follower.name and view.status is not None and view.status.last == last.last
            for view in snapshot.replicas
        )
    )
    return time.monotonic() - begin_s


if __name__ == "__main__":
    sys.exit(main())
