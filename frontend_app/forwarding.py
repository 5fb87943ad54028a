"""
One batch of trades on its way to the leader, and to its successors.

As a rule the event loop of the server sends it and takes the answers, so no thread waits and none
wakes up. After a failure a thread goes on where the loop has stopped: what was tried counts (I9).
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from bazaar.core.election import Elector
from bazaar.core.failures import Failure
from bazaar.core.flow import AwaitLeader, Effect, SendTrades
from bazaar.core.ledger import Answer
from bazaar.core.types import ReplicaId, Term, Trade
from bazaar.protocol import tracing
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.tracing import Span
from bazaar.protocol.transport import PendingCall
from bazaar.runtime import loops

TIMEOUT_MIN_S = 0.05
"""For an attempt, be a trade out of time."""


@dataclass(frozen=True, slots=True)
class WaitingTrade:
    """A trade on its way, and when its front end gives up."""

    trade: Trade
    deadline_s: float


class LeaderSource(Protocol):
    """What is known of the leader."""

    elector: Elector
    replicas: Mapping[ReplicaId, ReplicaClient]

    def now_s(self) -> float:
        """Return the time of the deadlines."""

    def reconsider(self, trades: int, term: Term, failure: Failure) -> None:
        """Check the leader after a failed attempt; wait a moment for a newer term."""


class Forwarding:
    """Trades that travel together until each is answered or out of time."""

    def __init__(self, watch: LeaderSource, batch: Sequence[WaitingTrade]) -> None:
        self._watch = watch
        self._trades = [waiting.trade for waiting in batch]
        self._deadlines: dict[UUID, float] = {}
        for waiting in batch:
            key, deadline_s = waiting.trade.key, waiting.deadline_s
            self._deadlines[key] = min(deadline_s, self._deadlines.get(key, deadline_s))
        self._flow = watch.elector.forward(self._trades)
        self._span = tracing.begin_batch("forward trades", self._trades)

    def run(self, failure: Failure | None = None) -> Sequence[Answer]:
        """Return one answer a trade; failure: that of an attempt which `begin` began."""
        with self._span:
            return loops.run(self._flow, self._perform, nullcontext(), failure)

    def begin(self) -> "PendingTrades | None":
        """Send the first attempt; None: it needs a thread, and nothing was sent."""
        effect = next(self._flow)
        if not isinstance(effect, SendTrades):
            return None
        with tracing.bind(self._span):
            tracing.note(term=effect.term, replica=effect.leader)
            sending = tracing.begin_child("send trades", trades=len(effect.trades))
        assert sending is not None, "it is within the span of the batch"
        with tracing.bind(sending):
            replica = self._watch.replicas[effect.leader]
            call = replica.begin_trade(effect.term, effect.trades)
        if call is None:
            return None
        until_s = self._watch.now_s() + self._timeout_s(effect.trades)
        return PendingTrades(call, until_s, self, sending)

    def end(self, answers: tuple[Answer, ...]) -> Sequence[Answer]:
        """Return one answer a trade, from those to the first attempt."""
        try:
            self._flow.send(answers)
        except StopIteration as stop:
            self._span.end()
            placed: Sequence[Answer] = stop.value
            return placed
        raise AssertionError("an attempt that is answered is the last")

    def _timeout_s(self, trades: Sequence[Trade]) -> float:
        left_s = min(self._deadlines[trade.key] for trade in trades) - self._watch.now_s()
        return max(left_s, TIMEOUT_MIN_S)

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case SendTrades(term, leader, trades):
                tracing.note(term=term, replica=leader)
                with tracing.child("send trades", trades=len(trades)):
                    replica = self._watch.replicas[leader]
                    return replica.trade(term, trades, self._timeout_s(trades))
            case AwaitLeader(keys, term, failure):
                with tracing.child("await leader"):
                    self._watch.reconsider(len(keys), term, failure)
                now_s = self._watch.now_s()
                return frozenset(key for key in keys if self._deadlines[key] <= now_s)
        raise AssertionError(f"forwarding has no effect {effect}")


@dataclass(frozen=True, slots=True)
class PendingTrades:
    """A first attempt under way; see `PendingBatch`."""

    call: PendingCall[tuple[Answer, ...]]
    until_s: float
    forwarding: Forwarding
    sending: Span

    @property
    def sock(self) -> Any:
        """Where the answer will come."""
        return self.call.sock

    def take(self) -> Sequence[Answer] | None:
        """Return one answer a trade; None: not all of them are there. Raises Failure."""
        try:
            answers = self.call.take()
        except Failure as failure:
            self.sending.end(failure)
            raise
        if answers is None:
            return None
        self.sending.end()
        return self.forwarding.end(answers)

    def give_up(self) -> None:
        """Wait for the answer no more."""
        self.sending.end("There was no answer in time.")
        self.call.give_up()

    def go_on(self, failure: Failure) -> Sequence[Answer]:
        """Try again until each trade is answered or out of time."""
        return self.forwarding.run(failure)
