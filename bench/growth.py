"""Clusters with short and long logs, side by side."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bazaar import clock
from bazaar.client.client import Client
from bazaar.clock import wait_until
from bazaar.cluster import databases
from bazaar.cluster.snapshot import ProcessView
from bazaar.core.types import TradeType
from bazaar.protocol.cluster_report import Health
from bench import prefill, trading
from bench.clusters import OwnCluster, prepared, running
from bench.effort import Effort
from bench.numbers import Spread
from bench.results import Length
from bench.trading import Spec

LEVEL_TIMEOUT_S = 180.0
MISSED_MOST = 10_000
"""Orders that a replica has to catch up with."""
UP_TIMEOUT_S = 90.0
STOCK = "GameStart"
MANY = 8
"""Clients."""
Say = Callable[[str], None]


@dataclass
class _Long:
    """A cluster that has many orders, and what was measured of it."""

    orders: int
    cluster: OwnCluster
    up_s: float
    p50_one: list[float] = field(default_factory=list)
    p50_many: list[float] = field(default_factory=list)
    rate_many: list[float] = field(default_factory=list)

    def trade(self, effort: Effort) -> None:
        """Measure one round."""
        url = self.cluster.base_url
        one = trading.run(Spec(url=url, clients=1, seconds=effort.growth_s))
        many = trading.run(Spec(url=url, clients=MANY, seconds=effort.growth_s))
        self.p50_one.append(one.quantile_ms(0.5))
        self.p50_many.append(many.quantile_ms(0.5))
        self.rate_many.append(many.rate)

    def finish(self, effort: Effort, say: Say) -> Length:
        """Measure what breaks it, and return everything."""
        memory_mb = self.cluster.memory_mb()
        say(f"catch-up of a replica with {self.orders:,} orders")
        catch_up_s = catch_up(self.cluster)
        rebuild_s = rebuild(self.cluster) if self.orders <= effort.rebuilt_most else None
        say(f"failover with {self.orders:,} orders")
        failover_s = tuple(fail_over(self.cluster) for _ in range(effort.failovers))
        return Length(
            orders=self.orders,
            p50_one_ms=Spread(tuple(self.p50_one)),
            p50_eight_ms=Spread(tuple(self.p50_many)),
            rate_eight=Spread(tuple(self.rate_many)),
            memory_mb=memory_mb,
            up_s=self.up_s,
            catch_up_s=catch_up_s,
            rebuild_s=rebuild_s,
            failover_s=failover_s,
        )


def measure(effort: Effort, folder: Path, say: Say) -> list[Length]:
    """Measure all lengths; trades alternate between them."""
    with contextlib.ExitStack() as stack:
        longs = [_bring_up(stack, folder, orders, say) for orders in effort.lengths]
        for number in range(effort.growth_rounds):
            say(f"trades with long logs, round {number + 1}")
            for long in longs:
                long.trade(effort)
        return [long.finish(effort, say) for long in longs]


def _bring_up(stack: contextlib.ExitStack, folder: Path, orders: int, say: Say) -> _Long:
    say(f"filling a cluster with {orders:,} orders")
    place = folder / f"orders-{orders}"
    cluster = prepared(place)
    prefill.add_orders(cluster.data, cluster.topology, orders)
    say("starting it")
    begun_s = clock.monotonic_s()
    stack.enter_context(running(cluster))
    cluster.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY, UP_TIMEOUT_S)
    return _Long(orders, cluster, clock.monotonic_s() - begun_s)


def rebuild(live: OwnCluster) -> float:
    """Empty a follower; return how long it takes to have every order again."""
    follower = _stop_follower(live)
    databases.move_aside(live.data, follower.name)
    databases.prepare(live.data, follower.name, follower.node, live.cluster.environ)
    return _start(live, follower.name)


def catch_up(live: OwnCluster) -> float:
    """Let a follower miss its newest orders; return how long it takes them."""
    follower = _stop_follower(live)
    prefill.cut(live.data, follower.name, MISSED_MOST)
    return _start(live, follower.name)


def _stop_follower(live: OwnCluster) -> ProcessView:
    follower = next(view for view in live.look().replicas if not view.is_leading)
    live.cluster.stop(follower.name)
    return follower


def _start(live: OwnCluster, name: str) -> float:
    """Start a replica; return how long it takes until it has every order."""
    leader = live.view("leader").status
    assert leader is not None, "it tells of itself"
    begun_s = clock.monotonic_s()
    live.cluster.start(name)

    def is_level() -> bool:
        status = live.view(name).status
        return status is not None and status.is_ready and status.last >= leader.last

    if not wait_until(is_level, LEVEL_TIMEOUT_S):
        raise SystemExit(f"{name} was not level within {LEVEL_TIMEOUT_S:g} s.")
    took_s = clock.monotonic_s() - begun_s
    live.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
    return took_s


def fail_over(live: OwnCluster) -> float:
    """Kill the leader; return how long it takes until the next trade is acknowledged."""
    with Client([live.base_url]) as client:
        client.trade(STOCK, TradeType.BUY, 1)
        kill = live.kill_at_once(live.leader())
        begun_s = clock.monotonic_s()
        kill()
        client.trade(STOCK, TradeType.SELL, 1)
        return clock.monotonic_s() - begun_s
