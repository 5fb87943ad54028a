"""
Scripts: a client's next operation, and when it is due. Pure.

A free client *claims* the next operation. In a closed loop that is due at once. In an open loop the
due times are fixed beforehand, and whoever is free claims the next; with all clients busy an
operation is claimed late, and the time it waited counts. Times are seconds since the run began.
"""

import math
import random
from collections import deque
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Protocol

import msgspec

from bazaar.client.answers import OrderAnswer
from bazaar.client.client_dialects import SEED, ClientDialect
from bazaar.core.types import Trade, TradeType
from bazaar.loadtest.plan import Share
from bazaar.loadtest.workload import (
    Answer,
    ClientBehaviour,
    KeyMaker,
    Operation,
    SeedClient,
    StockChooser,
    look_up,
    make_keys,
    query,
    trade,
)
from bazaar.proof.records import Done, read_history

Claim = tuple[float, Operation]
"""When it is due, and what."""


class Script(Protocol):
    """What a load process plays."""

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return when the next operation is due; None: there is none any more."""

    def learn(self, client: int, answer: Answer | None, operation: Operation) -> None:
        """Take in the result of an operation."""

    def count_unsent(self) -> int:
        """Return how many operations were due and never claimed."""


class Pace:
    """When the operations of one process are due."""

    def __init__(self, share: Share) -> None:
        plan = share.plan
        self._warmup_s = plan.warmup_s
        self._end_s = math.inf if plan.duration_s is None else plan.warmup_s + plan.duration_s
        self._left = math.inf if share.requests is None else share.requests
        self._rate, self._processes, self._number = plan.rate, plan.processes, share.number
        self._claimed = 0

    def claim(self, now_s: float) -> float | None:
        """Return the next operation; None: there is none any more."""
        due_s = self._due_s(now_s)
        if due_s >= self._end_s or now_s >= self._end_s or self._left <= 0:
            return None
        self._claimed += 1
        if due_s >= self._warmup_s:
            self._left -= 1
        return due_s

    def _due_s(self, now_s: float) -> float:
        if self._rate is None:
            return now_s
        return (self._claimed * self._processes + self._number) / self._rate

    def count_unsent(self) -> int:
        """Return how many operations were due and never claimed."""
        if self._rate is None or self._left <= 0 or self._end_s == math.inf:
            return 0
        slots = math.ceil((self._end_s * self._rate - self._number) / self._processes)
        return max(0, slots - self._claimed)


class ClientMix:
    """Clients with a random sequence each, at one pace."""

    def __init__(self, share: Share) -> None:
        plan = share.plan
        behaviour = ClientBehaviour(
            stocks=plan.stocks,
            p=plan.p,
            lookup=plan.lookup,
            is_fresh=plan.is_fresh,
            dialect=plan.dialect,
        )
        choice = StockChooser(plan.stocks)
        self._pace = Pace(share)
        self._clients = {
            client: SeedClient(
                behaviour,
                choice,
                random.Random(f"{plan.seed}-{client}"),  # noqa: S311 - a load, not a secret
                make_keys(share.key_prefix, client).__next__,
            )
            for client in share.clients
        }

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return the next operation; None: there is none any more."""
        due_s = self._pace.claim(now_s)
        return None if due_s is None else (due_s, self._clients[client].next())

    def learn(self, client: int, answer: Answer | None, operation: Operation) -> None:
        """Take in the result of an operation."""
        self._clients[client].learn(answer, operation)

    def count_unsent(self) -> int:
        """Return how many operations were due and never claimed."""
        return self._pace.count_unsent()


class Replay:
    """
    The operations of a history again, each by its client at its time.

    Trades get new keys, or they would only be told their old orders. An order that is looked up is
    the one that the same trade has become now.
    """

    def __init__(
        self,
        records: Iterable[Done],
        make_key: KeyMaker,
        *,
        is_fresh: bool,
        dialect: ClientDialect = SEED,
    ) -> None:
        self._is_fresh, self._make_key, self._dialect = is_fresh, make_key, dialect
        self._waiting: dict[int, deque[Done]] = {}
        for done in sorted(records, key=attrgetter("intended_s")):
            self._waiting.setdefault(done.client, deque()).append(done)
        self._numbers: dict[int, int] = {}

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return the next operation; None: there is none any more."""
        del now_s
        queue = self._waiting.get(client)
        if not queue:
            return None
        done = queue.popleft()
        return done.intended_s, self._operation(done)

    def learn(self, client: int, answer: Answer | None, operation: Operation) -> None:
        """Take in the result of an operation."""
        del client
        if operation.origin_no is not None and isinstance(answer, OrderAnswer):
            self._numbers[operation.origin_no] = answer.order_no

    def count_unsent(self) -> int:
        """Return how many operations were due and never claimed."""
        return sum(map(len, self._waiting.values()))

    def _operation(self, done: Done) -> Operation:
        if done.kind == "order":
            number = done.order_no or 1
            number = self._numbers.get(number, number)
            return look_up(self._dialect, number, is_fresh=self._is_fresh)
        if done.kind == "query":
            return query(self._dialect, done.stock_name or "", is_fresh=self._is_fresh)
        side, name = TradeType(done.trade_type or ""), done.stock_name or ""
        wanted = Trade(self._make_key(), name, side, done.shares or 1)
        return trade(self._dialect, wanted, done.order_no)


class ReplayPlan(msgspec.Struct, frozen=True):
    """The clients and stocks that a history names."""

    clients: int
    stock_names: tuple[str, ...]
    end_s: float
    """When its last operation was due."""


def read_replay(path: Path) -> ReplayPlan:
    """
    Read a history through before it is replayed.

    Raises HistoryError, OSError.
    """
    clients, end_s = 0, 0.0
    names: dict[str, None] = {}
    for done in read_history(path):
        if isinstance(done, Done):
            clients, end_s = max(clients, done.client + 1), max(end_s, done.intended_s)
            if done.stock_name is not None:
                names[done.stock_name] = None
    return ReplayPlan(clients, tuple(sorted(names)), end_s)


def make_script(share: Share) -> Script:
    """
    Return what a process plays.

    Raises HistoryError, OSError: the history cannot be read.
    """
    plan = share.plan
    if plan.replay is None:
        return ClientMix(share)
    found = (one for one in read_history(Path(plan.replay)) if isinstance(one, Done))
    mine = (one for one in found if one.client % plan.processes == share.number)
    make_key = make_keys(share.key_prefix, share.number).__next__
    return Replay(mine, make_key, is_fresh=plan.is_fresh, dialect=plan.dialect)
