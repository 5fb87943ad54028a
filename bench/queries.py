"""Queries by wrk: a stock from memory, a stock past every cache, an order."""

from collections.abc import Callable

from bench import wrk
from bench.effort import Effort
from bench.field import STOCK_PATH, Field
from bench.results import (
    BARE,
    BAZAAR,
    CACHED,
    FLASK,
    FLASK_BEST,
    FRESH,
    GUNICORN,
    LOOK_UP,
    UNCACHED,
    Cell,
)
from bench.rounds import take_turns

ORDERS = 20
"""Orders that are looked up in turn."""
SERVICES = (BAZAAR, GUNICORN, FLASK, FLASK_BEST)
TURNS = (
    *((CACHED, name) for name in (BARE, *SERVICES)),
    *((UNCACHED, name) for name in SERVICES),
    *((LOOK_UP, name) for name in (*SERVICES, FRESH)),
)
ORDER_PATHS = [f"/orders?order_no={number}" for number in range(1, ORDERS + 1)]


def measure(field: Field, effort: Effort, say: Callable[[str], None]) -> list[Cell]:
    """Measure all queries at all numbers of clients."""

    def once(task: str, name: str, clients: int) -> tuple[wrk.Measured, int]:
        url, seconds = field.urls[BAZAAR if name == FRESH else name], effort.query_s
        header = wrk.FRESH if task == UNCACHED or name == FRESH else None
        if task == LOOK_UP:
            return wrk.run(url, clients, seconds, header=header, paths=ORDER_PATHS), 0
        return wrk.run(url + STOCK_PATH, clients, seconds, header=header), 0

    cells = []
    for clients in effort.clients:
        say(f"queries at {clients} clients")
        cells += take_turns(clients, effort.rounds_at(clients), TURNS, once)
    return cells
