"""Group commit: one batch under way, everything that arrives meanwhile forms the next."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bazaar.core.failures import Failure
from bazaar.core.ledger import Answer
from bazaar.core.types import Term, Trade

Outcome = tuple[Answer, ...] | Failure
Deliver = Callable[[Outcome], None]
Place = Callable[[Term, tuple[Trade, ...], Deliver], None]


@dataclass(eq=False, slots=True)
class Group:
    """One caller's trades."""

    term: Term
    trades: tuple[Trade, ...]
    deliver: Deliver


class Batches:
    """The queue before a flow that places trades; groups of one term travel together."""

    def __init__(self, place: Place, trades_max: int) -> None:
        """place: begin a batch and deliver its answers, or its failure, in the end."""
        self._place, self._trades_max = place, trades_max
        self._waiting: deque[Group] = deque()
        self._is_busy = False

    def put(self, group: Group) -> None:
        """Let a group travel with the next batch."""
        self._waiting.append(group)
        if not self._is_busy:
            self._begin()

    def flush(self, failure: Failure) -> None:
        """Fail all who wait for the next batch."""
        waiting, self._waiting = self._waiting, deque()
        for group in waiting:
            group.deliver(failure)

    def _begin(self) -> None:
        batch = [self._waiting.popleft()]
        size = len(batch[0].trades)
        while self._waiting and self._is_company(batch[0], size):
            batch.append(self._waiting.popleft())
            size += len(batch[-1].trades)
        self._is_busy = True
        trades = tuple(trade for group in batch for trade in group.trades)
        self._place(batch[0].term, trades, lambda outcome: self._end(batch, outcome))

    def _is_company(self, first: Group, size: int) -> bool:
        following = self._waiting[0]
        return following.term == first.term and size + len(following.trades) <= self._trades_max

    def _end(self, batch: list[Group], outcome: Outcome) -> None:
        self._is_busy = False
        start = 0
        for group in batch:
            end = start + len(group.trades)
            group.deliver(outcome if isinstance(outcome, Failure) else outcome[start:end])
            start = end
        if self._waiting and not self._is_busy:
            self._begin()
