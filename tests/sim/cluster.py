"""A whole cluster in one thread, in a storm, and what must hold after it (docs/DESIGN.md 5)."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random

from bazaar.core.replica import ReplicaState
from bazaar.core.types import ReplicaId, Stock, Version
from tests.sim.catalog import SimCatalog
from tests.sim.checks import Checks
from tests.sim.client import SimClient
from tests.sim.events import Events
from tests.sim.frontend import SimFrontend
from tests.sim.network import CALM, Network, Weather
from tests.sim.process import Crash, Process, ignore
from tests.sim.replica import SimReplica
from tests.sim.storm import Storm, draw_weather
from tests.sim.tasks import Tasks

STORM_S = 2.5
SETTLE_S = 20.0
"""How long a healed cluster may take until every trade is settled and every log complete."""
TRADE_AGAIN_S = 1.0
REPLAY_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster consists of."""

    replicas: int = 3
    frontends: int = 2
    clients: int = 3
    trades: int = 4
    """How many trades each client wants, at least."""
    in_sync_min: int = 1
    deadline_s: float = 10.0
    """After this a front end answers, whatever it knows."""


def draw_shape(rng: Random) -> Shape:
    """Return a shape: mostly the default one of three replicas."""
    replicas = rng.choice((1, 2, 3, 3, 3, 3, 5))
    return Shape(
        replicas=replicas,
        frontends=rng.choice((1, 2, 2, 3)),
        clients=rng.choice((1, 3, 4)),
        trades=rng.choice((2, 4)),
        in_sync_min=min(replicas, rng.choice((1, 1, 1, 2))),
        deadline_s=rng.choice((10.0, 10.0, 1.0, 0.3)),
    )


class SimCluster:
    """All processes, their network, and the checks that watch them."""

    storm_s = STORM_S

    def __init__(self, seed: int, shape: Shape | None = None, *, has_trace: bool = False) -> None:
        """Build and start a cluster; without a shape the seed draws one."""
        rng = Random(seed)
        shape = shape or draw_shape(rng)
        self.events = Events()
        self.network = Network(self.events, rng, trace=[] if has_trace else None)
        self.tasks = Tasks(self.network)
        self.replicas: list[SimReplica]
        self.frontends: list[SimFrontend]
        self._make_processes(_list_stocks(rng), shape)
        self.clients: list[SimClient] = []
        self.replayed = Counter[str]()
        """How often each kind of message was sent again."""
        self._start()
        for _ in range(shape.clients):
            self.add_client(shape.trades)

    def _make_processes(self, stocks: list[Stock], shape: Shape) -> None:
        """Make checks, catalog, replicas, front ends, and the storm over them."""
        self.checks = Checks(stocks)
        self.catalog = SimCatalog(self.network, self.checks, stocks)
        self.replicas = [
            SimReplica(ReplicaId(at), self.tasks, self.checks, shape.in_sync_min)
            for at in range(1, shape.replicas + 1)
        ]
        self.frontends = [
            SimFrontend(f"front end {at}", self.tasks, shape.deadline_s)
            for at in range(1, shape.frontends + 1)
        ]
        self.storm = Storm(self.network, self.catalog, self.replicas, self.frontends)

    @property
    def trace(self) -> list[str]:
        """The history so far, when it is kept."""
        return self.network.trace or []

    def add_client(self, trades: int) -> SimClient:
        """Let one more client trade."""
        name = f"client {len(self.clients) + 1}"
        client = self._make_client(name, trades)
        client.meet(self.frontends, self.replicas, self.catalog)
        self.clients.append(client)
        client.start()
        return client

    def _make_client(self, name: str, trades: int) -> SimClient:
        return SimClient(name, self.network, self.checks, trades=trades)

    def run(self) -> None:
        """Live through a storm, heal, settle, and check what is left (I1-I6, I8, I9)."""
        self.network.weather = self._draw_weather()
        self.storm.brew(self.storm_s)
        self.run_for(self.storm_s)
        self.heal()
        self.add_client(trades=1)
        self.settle()
        self.check_end()

    def _draw_weather(self) -> Weather:
        return draw_weather(self.network.rng)

    def replay_all_the_time(self) -> None:
        """Record what is sent, and send it again: of each kind, now and then, an old one."""
        self.network.recorded = []
        listener = SimClient("listener", self.network, self.checks, trades=0)
        listener.start()
        self._replay(listener)

    def _replay(self, listener: SimClient) -> None:
        rng, recorded = self.network.rng, self.network.recorded or []
        listener.after(REPLAY_PAUSE_S * rng.random(), partial(self._replay, listener))
        kinds = list(dict.fromkeys(type(message) for _, message in recorded))
        if kinds:
            kind = rng.choice(kinds)
            target, message = rng.choice([one for one in recorded if type(one[1]) is kind])
            self.replayed[kind.__name__] += 1
            self.network.call(listener, target, message, ignore, TRADE_AGAIN_S)

    def run_for(self, length_s: float) -> None:
        """Let everything happen that happens in the next `length_s` seconds."""
        events = self.events
        until_s = events.now_s + length_s
        while events.is_due(until_s):
            action = events.pop()
            try:
                action()
            except Crash as crash:
                crash.process.crash()
            self.check_step()
        events.now_s = until_s

    def check_step(self) -> None:
        """Check what no process checks itself, after each happening."""

    def operate(self) -> None:
        """Do what an operator does in a calm network, now and then."""

    def heal(self) -> None:
        """End all faults."""
        self.network.note("heal")
        self.network.weather = CALM
        self.storm.end()

    def settle(self) -> None:
        """
        Run until every trade is settled and every log complete; fail when that does not end.

        A batch may be so late that it is committed when everyone has given it up. The leader hears
        of it with its next batch; so while logs are behind there is one more trade a second.
        """
        give_up_s = self.events.now_s + SETTLE_S
        while not self.is_settled:
            assert self.events.now_s < give_up_s, f"liveness: not settled, {self.describe()}"
            self.run_for(TRADE_AGAIN_S)
            self.operate()
            if not self.is_settled and self._are_clients_done:
                self.add_client(trades=1)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        return (
            self._are_clients_done
            and all(replica.log.head == self.checks.heads[-1] for replica in self.replicas)
            and self._count_leaders() == 1
        )

    def check_end(self) -> None:
        """Check what every healed cluster has to be: one history, everywhere (I1, I3, I8)."""
        checks = self.checks
        assert self.catalog.ledger.entries == checks.history, "I1 the ledger"
        assert self.catalog.ledger.heads == checks.heads, "I8 the ledger"
        for stock in self.catalog.stocks.values():
            checks.tallies[stock.name].check(stock)
        for replica in self.replicas:
            assert replica.log.entries == checks.history, f"I1 {replica.name}"
            assert replica.log.heads == checks.heads, f"I8 {replica.name}"
        for order in checks.acknowledged.values():
            assert checks.orders[order.order_no - 1] == order, f"I3 {order}"

    def describe(self) -> str:
        """Return one line on the state, for a failure."""
        logs = {
            replica.name: (replica.machine.state.value, replica.machine.term, replica.log.last)
            for replica in self.replicas
        }
        open_ = [client.open for client in self.clients]
        return f"{self.catalog.leadership} ledger {self.checks.last} {logs} open trades {open_}"

    @property
    def _are_clients_done(self) -> bool:
        return all(client.is_done for client in self.clients)

    def _count_leaders(self) -> int:
        states = [replica.machine.state for replica in self.replicas]
        return states.count(ReplicaState.LEADING)

    def _start(self) -> None:
        self.catalog.replicas = {replica.id: replica for replica in self.replicas}
        for replica in self.replicas:
            replica.meet(self.catalog, self.replicas)
        for frontend in self.frontends:
            frontend.meet(self.catalog, self.replicas)
        processes: tuple[Process, ...] = (self.catalog, *self.replicas, *self.frontends)
        for process in processes:
            process.start()


def _list_stocks(rng: Random) -> list[Stock]:
    """Return a few stocks with so few shares that trades are often refused."""
    names = ("GameStart", "BoarCo", "RottenFishCo")
    return [
        Stock(name, Decimal("10.00"), opening, opening, 2 * opening, 0, Version(1))
        for name in names
        for opening in (rng.randint(4, 20),)
    ]


def run_seed(
    seed: int,
    shape: Shape | None = None,
    *,
    has_replays: bool = False,
    has_failing_disks: bool = False,
    trace: list[str] | None = None,
) -> SimCluster:
    """Run one seed to its end; a failure names the seed. trace: gets its history."""
    cluster = SimCluster(seed, shape)
    cluster.network.trace = trace
    if has_replays:
        cluster.replay_all_the_time()
    if has_failing_disks:
        cluster.storm.add_failing_disks()
    try:
        cluster.run()
    except BaseException as failure:
        failure.add_note(f"seed {seed} fails; replay: python -m tests.sim {seed}")
        raise
    finally:
        cluster.tasks.close()
    return cluster
