"""A front end: the real elector, watching and forwarding; all it knows dies with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from bazaar.core.election import Elector, Ping
from bazaar.core.failures import Failure
from bazaar.core.flow import (
    AwaitLeader,
    ClaimLeadership,
    Effect,
    NotifyReplicas,
    PingReplica,
    PingReplicas,
    SendTrades,
)
from bazaar.core.types import ReplicaId, Term, Trade
from tests.sim.batches import Batches, Deliver, Group, Outcome
from tests.sim.catalog import SimCatalog
from tests.sim.messages import Notice, PlaceOrder
from tests.sim.network import Call, Network
from tests.sim.process import Process, Resume, ignore
from tests.sim.replica import SimReplica

PING_INTERVAL_S = 0.2
PING_TIMEOUT_S = 0.5
CLAIM_TIMEOUT_S = 0.5
NOTICE_TIMEOUT_S = 1.0
RECONSIDER_S = 0.05
"""How long an attempt that failed waits for a newer term before it is repeated."""
BATCH_TRADES_MAX = 4


@dataclass(eq=False, slots=True)
class Round:
    """Pings to several replicas, side by side."""

    open: int
    resume: Resume
    pings: list[Ping]

    def take(self, answer: Ping | Failure) -> None:
        """Take one answer; the last one ends the round."""
        self.open -= 1
        if isinstance(answer, Ping):
            self.pings.append(answer)
        if not self.open:
            self.resume(tuple(self.pings))


class SimFrontend(Process):
    """One front-end process."""

    def __init__(
        self, name: str, network: Network, *, has_batches: bool, deadline_s: float = 10.0
    ) -> None:
        """
        Know nobody yet.

        has_batches: trades that wait at the same moment travel together.
        deadline_s: after this a trade is answered, whatever is known.
        """
        super().__init__(name, network)
        self.has_batches, self.deadline_s = has_batches, deadline_s
        self.catalog: SimCatalog
        self.replicas: dict[ReplicaId, SimReplica] = {}

    def meet(self, catalog: SimCatalog, replicas: Sequence[SimReplica]) -> None:
        """Learn the cluster; before the first life."""
        self.catalog = catalog
        self.replicas = {replica.id: replica for replica in replicas}

    def start(self) -> None:
        super().start()
        self.elector = Elector(tuple(self.replicas))
        self.leadership = self.elector.leadership
        self.batches = Batches(self._forward, BATCH_TRADES_MAX)
        self.deadlines: dict[UUID, float] = {}
        self.sends: dict[Call, None] = {}
        self.waiting: dict[Resume, AwaitLeader] = {}
        self.serving_ids: tuple[ReplicaId, ...] = ()
        """Who answered the latest pings and serves: only these may be elected."""
        self.is_watching = False
        self._tick()

    def receive(self, call: Call, message: object) -> None:
        assert isinstance(message, PlaceOrder)
        trade = message.trade
        self.deadlines[trade.key] = self.now_s + self.deadline_s
        deliver = partial(self._deliver, call)
        if self.has_batches:
            self.batches.put(Group(Term(0), (trade,), deliver))
        else:
            self._forward(Term(0), (trade,), deliver)

    def perform(self, effect: Effect, resume: Resume) -> None:
        """Begin what a flow of the elector asks for."""
        network = self.network
        if isinstance(effect, PingReplica):
            network.call(self, self.replicas[effect.replica_id], effect, resume, PING_TIMEOUT_S)
        elif isinstance(effect, PingReplicas):
            self._ping_all(effect, resume)
        elif isinstance(effect, ClaimLeadership):
            assert effect.leader in self.serving_ids, f"{effect} elects who does not serve"
            network.call(self, self.catalog, effect, resume, CLAIM_TIMEOUT_S)
        elif isinstance(effect, NotifyReplicas):
            self._notify(effect, resume)
        elif isinstance(effect, SendTrades):
            self._send(effect, resume)
        else:
            assert isinstance(effect, AwaitLeader)
            self._reconsider(effect, resume)

    def settle(self) -> None:
        """Give up attempts under an older leadership once a newer one is known."""
        if self.elector.leadership is self.leadership:
            return
        self.leadership = self.elector.leadership
        sends, self.sends = self.sends, {}
        for call in sends:
            self.network.abandon(call)
        for resume in tuple(self.waiting):
            self._retry(resume)

    def _forward(self, _: Term, trades: tuple[Trade, ...], deliver: Deliver) -> None:
        self.run(self.elector.forward(trades), self.perform, deliver)

    def _deliver(self, call: Call, outcome: Outcome) -> None:
        assert not isinstance(outcome, Failure), "Elector.forward never raises"
        (answer,) = outcome
        self.network.answer(call, answer)

    def _ping_all(self, effect: PingReplicas, resume: Resume) -> None:
        if not effect.replica_ids:
            resume(())
            return
        round_ = Round(len(effect.replica_ids), partial(self._pinged, resume), [])
        for replica_id in effect.replica_ids:
            ping = PingReplica(replica_id)
            self.network.call(self, self.replicas[replica_id], ping, round_.take, PING_TIMEOUT_S)

    def _pinged(self, resume: Resume, pings: tuple[Ping, ...]) -> None:
        self.serving_ids = tuple(ping.replica_id for ping in pings if ping.is_serving)
        resume(pings)

    def _notify(self, effect: NotifyReplicas, resume: Resume) -> None:
        notice = Notice(effect.term, effect.leader)
        for replica_id in effect.replica_ids:
            on_answer = resume if replica_id == effect.leader else ignore
            replica = self.replicas[replica_id]
            self.network.call(self, replica, notice, on_answer, NOTICE_TIMEOUT_S)

    def _send(self, effect: SendTrades, resume: Resume) -> None:
        left_s = min(self.deadlines[trade.key] for trade in effect.trades) - self.now_s
        timeout_s = max(left_s, RECONSIDER_S)
        leader = self.replicas[effect.leader]
        call = self.network.call(self, leader, effect, resume, timeout_s)
        self.sends[call] = None

    def _reconsider(self, effect: AwaitLeader, resume: Resume) -> None:
        """Look after the leader at once; resume with a newer term, or after a while."""
        self._watch()
        delay_s = RECONSIDER_S if self.elector.leadership.term <= effect.term else 0.0
        self.waiting[resume] = effect
        self.after(delay_s, partial(self._retry, resume))

    def _retry(self, resume: Resume) -> None:
        effect = self.waiting.pop(resume, None)
        if effect is not None:
            resume(frozenset(key for key in effect.keys if self.deadlines[key] <= self.now_s))

    def _tick(self) -> None:
        self.after(PING_INTERVAL_S, self._tick)
        self._watch()

    def _watch(self) -> None:
        if not self.is_watching:
            self.is_watching = True
            self.run(self.elector.watch(), self.perform, self._watched)

    def _watched(self, _: object) -> None:
        self.is_watching = False
        self.settle()
        if self.elector.silences:
            self._watch()
