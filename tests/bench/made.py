"""Results as a run would have left them."""

from bench.numbers import Spread
from bench.results import (
    BARE,
    BAZAAR,
    CACHED,
    FLASK,
    FLASK_BEST,
    LOOK_UP,
    SQLITE,
    TRADE,
    UNCACHED,
    Cell,
    Length,
    Paused,
    Results,
    Size,
)


def cell(task: str, contestant: str, *rates: float, clients: int = 32, p50: float = 1.0) -> Cell:
    return Cell(
        task=task,
        contestant=contestant,
        clients=clients,
        rate=Spread(rates),
        p50_ms=Spread((p50,) * len(rates)),
        p99_ms=Spread((9.0,) * len(rates)),
    )


def length(orders: int, memory_mb: float = 100.0, p50: float = 5.0) -> Length:
    return Length(
        orders=orders,
        p50_one_ms=Spread((p50,)),
        p50_eight_ms=Spread((2 * p50,)),
        rate_eight=Spread((800.0,)),
        memory_mb={"catalog": 90.0, "frontend-1": 80.0, "order-1": memory_mb},
        up_s=4.0,
        catch_up_s=1.5,
        rebuild_s=2.0 if orders < 10_000 else None,
        failover_s=(0.04, 0.05),
    )


def results() -> Results:
    """Return a whole run in which everything is reached but the look-up of orders."""
    return Results(
        started="2026-11-23T10:00:00+00:00",
        took_s=500.0,
        command="make bench",
        machine={"processor": "a pair of cores"},
        cells=(
            cell(CACHED, BARE, 10_000, 10_500, 9000),
            cell(CACHED, BAZAAR, 9000, 9450, 9000),
            cell(CACHED, FLASK, 500, 600, 550),
            cell(CACHED, FLASK_BEST, 550, 500, 500),
            cell(UNCACHED, BAZAAR, 1000),
            cell(UNCACHED, FLASK, 200),
            cell(LOOK_UP, BAZAAR, 1000),
            cell(LOOK_UP, FLASK, 500),
            cell(TRADE, BAZAAR, 1000),
            cell(TRADE, FLASK, 60),
            cell(TRADE, SQLITE, 2000),
            cell(TRADE, BAZAAR, 100, clients=1, p50=5.0),
            cell(TRADE, FLASK, 40, clients=1, p50=25.0),
        ),
        memory_mb={"catalog": 100.0},
        paused=Paused(
            clients=8,
            grace_s=0.5,
            healthy_p99_ms=Spread((20.0,)),
            first_max_ms=Spread((510.0,)),
            later_p99_ms=Spread((25.0,)),
        ),
        lengths=(length(1000), length(1_000_000)),
        stocks=(
            Size(count=10, cells=(cell(CACHED, "10", 10_000), cell(UNCACHED, "10", 900))),
            Size(count=469, cells=(cell(CACHED, "469", 9000), cell(UNCACHED, "469", 900))),
        ),
        replicas=(
            Size(count=1, cells=(cell(TRADE, BAZAAR, 900), cell(TRADE, BAZAAR, 90, clients=1))),
            Size(count=3, cells=(cell(TRADE, BAZAAR, 800), cell(TRADE, BAZAAR, 80, clients=1))),
        ),
    )
