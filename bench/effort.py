"""How much is measured."""

from dataclasses import dataclass

CLIENTS = (1, 8, 32)
MOST_CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, seconds and sizes of one run."""

    rounds: int = 3
    most_rounds: int = 4
    """At 32 clients, of which most is asked."""
    lone_rounds: int = 5
    """Of trades of one client: a second of them differs most from the next."""
    query_s: int = 1
    trade_s: float = 1.0
    growth_rounds: int = 4
    """They are to tell a fifth apart."""
    growth_s: float = 1.0
    clients: tuple[int, ...] = CLIENTS
    lengths: tuple[int, ...] = (10**3, 10**5, 10**6)
    stocks: tuple[int, ...] = (10, 469, 10**5)
    replicas: tuple[int, ...] = (1, 3, 5, 7)
    replica_rounds: int = 2
    rebuilt_most: int = 10**5
    """Longer logs are not rebuilt from nothing: it takes as long for each order."""
    paused_rounds: int = 3
    failovers: int = 2
    """Of three replicas: two can die, one after the other."""

    def rounds_at(self, clients: int) -> int:
        """Return how many rounds there are for so many clients."""
        return self.most_rounds if clients == MOST_CLIENTS else self.rounds


FULL = Effort()
QUICK = Effort(
    rounds=1,
    most_rounds=1,
    lone_rounds=1,
    trade_s=0.5,
    growth_rounds=1,
    growth_s=0.5,
    clients=(1, 32),
    lengths=(10**3, 10**4),
    stocks=(10, 469),
    replicas=(1, 3),
    replica_rounds=1,
    paused_rounds=1,
    failovers=1,
)
"""To see that everything works; its numbers mean little."""
