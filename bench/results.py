"""The results of the benchmarks: the facts behind table, page and plots."""

import msgspec

from bench.numbers import Spread

BAZAAR, GUNICORN, BARE = "Bazaar", "Bazaar under gunicorn", "bare WSGI callable"
FLASK, FLASK_BEST = "Flask baseline, as written", "Flask baseline, at its best"
FRESH = "Bazaar, past every cache"
SQLITE = "SQLite, one row a commit"
CACHED, UNCACHED, LOOK_UP, TRADE = "cached stock", "uncached stock", "order look-up", "trade"


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant at one task and number of clients; a value a round."""

    task: str
    clients: int
    contestant: str
    rate: Spread
    """Answers a second."""
    p50_ms: Spread
    p99_ms: Spread
    errors: int = 0


class Paused(msgspec.Struct, frozen=True, kw_only=True):
    """
    Trades before and after one follower was paused.

    Milliseconds, one value a round.
    """

    clients: int
    grace_s: float
    healthy_p99_ms: Spread
    first_max_ms: Spread
    """The longest trade that ended within the grace time."""
    later_p99_ms: Spread
    """After the grace time."""


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster whose logs have so many orders already."""

    orders: int
    p50_one_ms: Spread
    """Of trades, at 1 client."""
    p50_eight_ms: Spread
    rate_eight: Spread
    memory_mb: dict[str, float]
    """Resident, by process, after the trades."""
    up_s: float
    """The whole cluster's start: every log is read once."""
    catch_up_s: float
    """From the start of a replica that lacks its newest 10,000 orders until it has every order."""
    rebuild_s: float | None
    """The same of a replica that has none; None: the log is too long for a short run."""
    failover_s: tuple[float, ...]
    """From the leader's kill -9 until the next trade was acknowledged."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with so many stocks, or so many replicas."""

    count: int
    cells: tuple[Cell, ...]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run; a part that was not measured is empty."""

    started: str
    took_s: float
    command: str
    machine: dict[str, str]
    cells: tuple[Cell, ...] = ()
    """Of queries and trades."""
    memory_mb: dict[str, float] = {}
    """Of the cluster's processes after the load of queries and trades."""
    paused: Paused | None = None
    lengths: tuple[Length, ...] = ()
    stocks: tuple[Size, ...] = ()
    replicas: tuple[Size, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every part was measured."""
        return bool(self.cells and self.paused and self.lengths and self.stocks and self.replicas)

    def find(self, task: str, clients: int, contestant: str) -> Cell | None:
        """Return one cell, if it was measured."""
        wanted = (task, clients, contestant)
        for cell in self.cells:
            if (cell.task, cell.clients, cell.contestant) == wanted:
                return cell
        return None
