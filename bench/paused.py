"""Trades while one follower is paused: the leader waits for it once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bazaar import clock
from bazaar.loadtest.summary import quantile
from bazaar.protocol.cluster_report import Health
from bench import trading
from bench.clusters import OwnCluster, prepared, running
from bench.effort import Effort
from bench.numbers import Spread
from bench.results import Paused
from bench.trading import Spec, Traded

CLIENTS = 8
GRACE_S = 0.5
"""The replication timeout: until then the leader waits for a follower that is silent."""
HEALTHY_S, PAUSED_S = 2.0, 2.5
PAUSE_AT_S = 0.8
"""After the start of the process that sends the trades."""
HEAL_TIMEOUT_S = 30.0


def measure(effort: Effort, folder: Path, say: Callable[[str], None]) -> Paused:
    """Measure all rounds on one cluster."""
    say("one follower paused")
    healthy, first, later = [], [], []
    with running(prepared(folder / "paused")) as cluster:
        trading.run(Spec(url=cluster.base_url, clients=CLIENTS, seconds=1.0))
        for _ in range(effort.paused_rounds):
            spec = Spec(url=cluster.base_url, clients=CLIENTS, seconds=HEALTHY_S)
            healthy.append(trading.run(spec).quantile_ms(0.99))
            traded, paused_s = _trade_without(cluster)
            begun, after = split(traded, paused_s)
            first.append(max(begun, default=0.0) * 1000)
            later.append(quantile(Counter(after), 0.99) * 1000)
    return Paused(
        clients=CLIENTS,
        grace_s=GRACE_S,
        healthy_p99_ms=Spread(tuple(healthy)),
        first_max_ms=Spread(tuple(first)),
        later_p99_ms=Spread(tuple(later)),
    )


def _trade_without(cluster: OwnCluster) -> tuple[Traded, float]:
    """Trade, pause a follower meanwhile; return the trades and when it was paused."""
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY, HEAL_TIMEOUT_S)
    follower = next(view.name for view in cluster.look().replicas if not view.is_leading)
    with ThreadPoolExecutor(1) as pool:
        spec = Spec(url=cluster.base_url, clients=CLIENTS, seconds=PAUSED_S)
        trades = pool.submit(trading.run, spec)
        clock.wait(PAUSE_AT_S + spec.warmup_s)
        paused_s = clock.monotonic_s()
        cluster.pause(follower)
        try:
            return trades.result(), paused_s
        finally:
            cluster.resume(follower)


def split(traded: Traded, paused_s: float) -> tuple[list[float], list[float]]:
    """
    Return the latencies of trades begun within the grace time, and later.

    In seconds; trades that were under way count as begun within it.
    """
    first, later = [], []
    for ended_s, took_s in zip(traded.ended_s, traded.took_s, strict=True):
        end_s = traded.begun_s + ended_s - paused_s
        if end_s - took_s >= GRACE_S:
            later.append(took_s)
        elif end_s >= 0:
            first.append(took_s)
    return first, later
