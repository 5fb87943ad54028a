"""Trades beside the Flask baseline and a bare SQLite committer."""

from collections.abc import Callable
from pathlib import Path

from bench import committer, trading
from bench.effort import Effort
from bench.field import Field
from bench.results import BAZAAR, FLASK, FLASK_BEST, GUNICORN, SQLITE, TRADE, Cell
from bench.rounds import take_turns
from bench.trading import Spec, Traded
from bench.wrk import Measured

TURNS = tuple((TRADE, name) for name in (BAZAAR, GUNICORN, FLASK, FLASK_BEST, SQLITE))


def measure(field: Field, effort: Effort, folder: Path, say: Callable[[str], None]) -> list[Cell]:
    """Measure trades at all numbers of clients."""

    def once(task: str, name: str, clients: int) -> tuple[Measured, int]:
        del task
        if name == SQLITE:
            return in_short(committer.run(folder / "committer.sqlite3", effort.trade_s))
        spec = Spec(url=field.urls[name], clients=clients, seconds=effort.trade_s)
        return in_short(trading.run(spec))

    cells = []
    for clients in effort.clients:
        say(f"trades at {clients} clients")
        rounds = effort.lone_rounds if clients == 1 else effort.rounds_at(clients)
        cells += take_turns(clients, rounds, TURNS, once)
    return cells


def in_short(traded: Traded) -> tuple[Measured, int]:
    """Return rate and latencies, and the errors."""
    p50, p99 = (traded.quantile_ms(part) for part in (0.5, 0.99))
    return Measured(traded.rate, p50, p99), traded.errors
