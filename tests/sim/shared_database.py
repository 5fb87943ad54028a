"""
A database that catalogs share: a node that takes writes, and one that has a copy of them.

It is as bad as engines are:

- A transaction compares each row that it *writes* with what it expects there. A row that it has
  only read may be another one by then (snapshot isolation, certification).
- A commit is acknowledged once the other node has it. When its client is gone before that, readers
  see it although a failover may lose it.
- After a failover the node before goes on answering reads for a while, but commits nothing. The
  other one takes writes `FAILOVER_S` later at the soonest.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from bazaar.core.failures import Failure, Unreachable
from tests.sim.network import Call, Network
from tests.sim.process import Process
from tests.sim.tasks import Tasks

T = TypeVar("T")
Rows = Mapping[Any, Any]
"""All that is committed, by key; None: there is no such row."""
COPY_TIMEOUT_S = 0.05
COPY_PAUSE_S = 0.02
FAILOVER_S = (1.0, 1.8)
"""Longer than a proof lasts (docs/adr/0048)."""
OLD_NODE_S = (0.3, 3.0)
"""How long a replaced node does not know it."""
CALL_TIMEOUT_S = 1.0


class Conflict(Failure):
    """A row that a transaction writes is not the expected one; nothing was changed."""


class NotPrimary(Failure):
    """The node takes no writes and answers no reads."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What to compare, what to write, and what to read at the commit."""

    expected: Rows
    writes: Rows
    result: Callable[[Rows], object] = field(default=lambda rows: None, repr=False)
    note: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called when nothing can undo it any more."""
    grown: Rows = field(default_factory=dict)
    """Written, too; a row that is greater becomes a little greater yet."""

    def settle(self, rows: Rows) -> "Transaction":
        """Return it with all that it writes: nothing that grows stays as it is."""
        grown = {key: max(rows[key] + 1e-6, number) for key, number in self.grown.items()}
        return replace(self, writes={**self.writes, **grown}, grown={})


@dataclass(frozen=True, slots=True)
class ReadRows:
    """A read of the newest rows of one node."""

    read: Callable[[Rows], object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CopyLog:
    """Transactions on their way to the other node; begin: how many come before."""

    begin: int
    transactions: tuple[Transaction, ...]


class DatabaseNode(Process):
    """One node: its log is on its disk."""

    def __init__(self, number: int, network: Network, database: "SharedDatabase") -> None:
        super().__init__(f"database {number}", network)
        self.database = database
        self.log: list[Transaction] = []
        self.is_primary = self.is_alone = False
        self.rows: dict[Any, Any] = {}
        """What readers see."""
        self.copied = 0
        self._waiting: deque[tuple[Call, Transaction]] = deque()
        self._committing: tuple[Call, Transaction] | None = None

    def start(self) -> None:
        super().start()
        self.rows = {}
        for transaction in self.log:
            self.rows.update(transaction.writes)
        self._waiting, self._committing = deque(), None
        if self.is_primary:
            self._copy()

    def receive(self, call: Call, message: object) -> None:
        if isinstance(message, CopyLog):
            self._take_copy(call, message)
        elif not self.is_primary:
            self.network.answer(call, NotPrimary())
        elif isinstance(message, ReadRows):
            self.network.answer(call, message.read(self.rows))
        else:
            assert isinstance(message, Transaction), f"{message} is none of a database's"
            self._waiting.append((call, message))
            self._commit_next()

    def promote(self) -> None:
        """Take writes, without another node until it comes back."""
        self.network.note(f"{self.name} takes writes")
        self.is_primary = self.is_alone = True
        if self.is_up:
            self.start()

    def rejoin(self, primary: "DatabaseNode") -> None:
        """Give up what the primary does not have, and copy from it."""
        self.network.note(f"{self.name} follows {primary.name}")
        left = [*self._waiting, *([self._committing] if self._committing else [])]
        self.is_primary, self.log = False, list(primary.log)
        self._waiting, self._committing = deque(), None
        for call, _ in left:
            self._break(call)
        primary.is_alone, primary.copied = False, len(self.log)

    def _commit_next(self) -> None:
        """Take the next transaction: one after the other, as the lock of a row has it."""
        while self._waiting and self._committing is None:
            call, transaction = self._waiting.popleft()
            expected, writes = transaction.expected, transaction.writes
            if any(self.rows.get(key) != expected[key] for key in writes if key in expected):
                self.network.answer(call, Conflict())
                continue
            transaction = transaction.settle(self.rows)
            self._committing = call, transaction
            self.crash_point()
            self.log.append(transaction)
            if self.is_alone:
                transaction.note()
            self.crash_point()
            if self.is_alone:
                self._show(is_copied=True)
            else:
                self._copy()

    def _show(self, *, is_copied: bool) -> None:
        """Let readers see a commit; its client hears of it only if the other node has it."""
        assert self._committing is not None, "something is committed"
        (call, transaction), self._committing = self._committing, None
        result = transaction.result(self.rows)  # as it has found them
        self.rows.update(transaction.writes)
        if is_copied:
            self.network.answer(call, result)
        else:
            self._break(call)

    def _break(self, call: Call) -> None:
        """End the connection of a commit's client."""
        self.working.pop(call, None)
        self.network.reset(call)

    def _copy(self) -> None:
        """Have the other node copy what it lacks, again and again."""
        if self.is_primary and not self.is_alone and self.copied < len(self.log):
            message = CopyLog(self.copied, tuple(self.log[self.copied :]))
            other = self.database.other(self)
            self.network.call(self, other, message, self._note_copy, COPY_TIMEOUT_S)

    def _note_copy(self, answer: object) -> None:
        if isinstance(answer, int) and self.is_primary:
            self.copied = max(self.copied, answer)
        is_copied = self.copied >= len(self.log)
        if self._committing is not None and (is_copied or self._is_gone(self._committing[0])):
            self._show(is_copied=is_copied)
            self._commit_next()
        if not is_copied:
            self.after(COPY_PAUSE_S, self._copy)

    def _take_copy(self, call: Call, message: CopyLog) -> None:
        if self.database.follower is not self or message.begin > len(self.log):
            self.network.answer(call, NotPrimary())
            return
        for transaction in message.transactions[len(self.log) - message.begin :]:
            self.log.append(transaction)
            transaction.note()
        self.network.answer(call, len(self.log))

    def _is_gone(self, call: Call) -> bool:
        """Whether the client of a commit has given it up, died or been cut off."""
        cuts, names = self.network.cuts, (self.name, call.source.name)
        is_cut = names in cuts or names[::-1] in cuts
        return is_cut or not call.is_open or call.life != call.source.life


@dataclass(eq=False, slots=True)
class SharedDatabase:
    """Both nodes, and the engine that says which of them takes writes."""

    network: Network
    rows: Rows
    """What is there from the beginning."""
    nodes: list[DatabaseNode] = field(default_factory=list)
    follower: DatabaseNode | None = None
    """The node whose copy a commit waits for."""
    primary: DatabaseNode = field(init=False)
    """The node that takes writes, or soon will."""

    def __post_init__(self) -> None:
        """Make the nodes."""
        self.nodes += [DatabaseNode(number, self.network, self) for number in (1, 2)]
        for node in self.nodes:
            node.log.append(Transaction({}, self.rows))
        self.primary, self.follower = self.nodes
        self.primary.is_primary, self.primary.copied = True, 1

    def other(self, node: DatabaseNode) -> DatabaseNode:
        """Return the other node."""
        return self.nodes[1 - self.nodes.index(node)]

    def fail_over(self, take_s: float, old_s: float) -> bool:
        """
        Let the other node take writes `take_s` from now; tell whether that is possible.

        old_s: how much longer the node before takes itself for the one that does.
        """
        new = self.follower
        if new is None:
            return False
        assert take_s >= FAILOVER_S[0], "an engine takes that long"
        old, self.primary, self.follower = self.primary, new, None
        self.network.note(f"{old.name} is replaced")
        self.network.events.after(take_s, new.promote)
        self.network.events.after(take_s + old_s, partial(self._rejoin, old, new))
        return True

    def _rejoin(self, old: DatabaseNode, new: DatabaseNode) -> None:
        old.rejoin(new)
        self.follower = old


class DatabaseCalls:
    """One catalog's connections: to the node that took its writes last, else to the other."""

    def __init__(
        self, tasks: Tasks, database: SharedDatabase, note_move: Callable[[], None]
    ) -> None:
        """note_move: called when the other node is used from now on."""
        self._tasks, self._nodes, self._at = tasks, database.nodes, 0
        self._note_move = note_move
        self.moves = 0
        """How often another node was used from then on."""

    def read(self, read: Callable[[Rows], T]) -> T:
        """Read rows as the node has them that is used. Raises Unreachable."""
        found: T = self._call(ReadRows(read), CALL_TIMEOUT_S)
        return found

    def commit(self, transaction: Transaction, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """
        Commit, and return what the transaction has read.

        Raises Conflict (definite). Raises Unreachable (indefinite): it may be committed yet.
        """
        return self._call(transaction, timeout_s)

    def _call(self, message: object, timeout_s: float) -> Any:
        for _ in self._nodes:
            node, moves = self._nodes[self._at], self.moves
            try:
                answer = self._tasks.call(node, message, timeout_s)
            except Unreachable as failure:
                self._move(moves)
                if failure.was_sent:
                    raise
            except NotPrimary:
                self._move(moves)
            else:
                if isinstance(message, ReadRows) and moves != self.moves:
                    raise Unreachable("It was read at a node that is not used any more.")
                return answer
        raise Unreachable("No node takes writes.", was_sent=False)

    def _move(self, moves: int) -> None:
        """Use the other node, unless another thread has done so."""
        if moves == self.moves:
            self._at, self.moves = 1 - self._at, self.moves + 1
            self._note_move()
