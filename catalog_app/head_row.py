"""
The head row: which catalog decides, and where the ledger ends.

Every decision writes it, and is committed only if the row is as it was read in the same transaction
(docs/adr/0047). So of two catalogs on one database only one decides at a time, whatever the
database makes of locks and reads: it is a write, on which any engine's transactions collide. It is
written first, and all else after it, without a wait in between: who has not written it holds no
lock. Of several catalogs only the active one decides, in its epoch (`fence`, docs/adr/0048).
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bazaar import clock
from bazaar.core.activity import ActiveCatalog, Activity, Heartbeat, check_epoch
from bazaar.core.election import Leadership
from bazaar.core.failures import NotActive, Unreachable
from bazaar.core.types import CatalogId, Epoch, Head, ReplicaId, Term
from bazaar.runtime.backends.kept_connection import site
from bazaar.runtime.damage import damage
from bazaar.runtime.engines import Database, Query, Rows, current
from bazaar.runtime.sequence_rows import make_head
from bazaar.runtime.sequence_store import HEAD_COLUMNS
from bazaar.runtime.transactions import write_transaction
from catalog_app.selectors import IS_LEADERSHIP_SOUND, LEDGER, make_heartbeat, read_ids

_ROW = ("epoch", "active", "term", "leader", "in_sync", "position", "digest", "decisions")
_SELECT = (
    f"SELECT {IS_LEADERSHIP_SOUND}, {', '.join(f'leadership.{one}' for one in _ROW)},"  # noqa: S608 - our own names
    f" {HEAD_COLUMNS}"
    f" FROM catalog_app_leadership leadership{LEDGER.head_joins} WHERE leadership.id = 1"
)
_GROWN = "proofs = CASE WHEN proofs < ? THEN ? ELSE proofs + 1 END"
_MOVE = (
    f"UPDATE catalog_app_leadership SET {', '.join(f'{one} = ?' for one in _ROW)}, {_GROWN}"  # noqa: S608
    " WHERE id = 1 AND epoch = ? AND term = ? AND position = ? AND digest = ? AND decisions = ?"
)
_HOLD = f"UPDATE catalog_app_leadership SET {_GROWN} WHERE id = 1 AND epoch = ?"  # noqa: S608
_BEGIN = "UPDATE catalog_app_leadership SET proofs = ? WHERE id = 1"
_LOCK = "UPDATE catalog_app_leadership SET epoch = epoch WHERE id = 1 AND epoch = ?"
_HEARTBEAT = "SELECT proofs, decisions FROM catalog_app_leadership WHERE id = 1"
_ORIGIN_US = secrets.randbelow(2**52)
"""Times of two lives have nothing to do with each other, and do not look as if they had."""
QUERY: Query = (_SELECT, ())
"""What `make_row` takes."""


class HeadRow(NamedTuple):
    """The row as it is stored."""

    epoch: int
    active: int | None
    """The catalog that is active in the epoch."""
    term: int
    leader: int | None
    in_sync: str
    """Ids of replicas with commas."""
    position: int
    digest: str
    decisions: int
    """Raised by every decision, so that each is a write."""

    @property
    def known(self) -> ActiveCatalog:
        """Epoch and active catalog."""
        active = None if self.active is None else CatalogId(self.active)
        return ActiveCatalog(Epoch(self.epoch), active)

    @property
    def leadership(self) -> Leadership:
        """Term and leader."""
        leader = None if self.leader is None else ReplicaId(self.leader)
        return Leadership(Term(self.term), leader)

    @property
    def replicas_in_sync(self) -> tuple[ReplicaId, ...]:
        """The replicas in sync, as the leader of the newest batch said."""
        return read_ids(self.in_sync)

    def moved(self, head: Head) -> "HeadRow":
        """Return the row of a ledger that ends elsewhere."""
        return self._replace(position=head.position, digest=head.digest)


def _ignore() -> None:
    """Do nothing: no room listens."""


class Fence:
    """The epoch in which this process decides, and the row as it has left it."""

    def __init__(self) -> None:
        self.activity: Activity | None = None
        """None: the database is a file, and no other catalog can be active."""
        self.on_over: Callable[[], None] = _ignore
        """Ends this process: its epoch is over."""
        self.acknowledged: HeadRow | None = None
        """The row as the newest commit of this epoch has left it; what comes later may be lost."""
        self.moved: HeadRow | None = None
        """The same with the transaction under way; None: it has not written the row yet."""

    def begin(self) -> tuple[float, int]:
        """Return when a decision begins, and the number of moves of the site."""
        self.moved = None
        return (0.0, 0) if self.activity is None else (clock.monotonic_s(), site.moves)

    def note_commit(self, sent_s: float, moves: int) -> None:
        """Note that a decision is durable."""
        self.acknowledged = self.moved or self.acknowledged
        if self.activity is not None and moves == site.moves:
            self.activity.proved(sent_s)

    def check(self, row: HeadRow) -> None:
        """Raise NotActive (definite) unless a row is of this process's epoch."""
        if self.activity is None:
            return
        epoch = self.activity.check_active()
        if row.epoch != epoch:
            self.on_over()
        check_epoch(row.known, epoch)

    def is_ahead(self, position: int, term: int = 0) -> bool:
        """Tell whether what was read is of a commit that nobody has acknowledged yet."""
        known = self.acknowledged
        if self.activity is None or known is None:
            return False
        return position > known.position or term > known.term

    def hold(self, database: Database) -> None:
        """
        Write the row in this epoch, in a transaction that changes something else.

        Raises NotActive (definite): it is over.
        """
        if self.activity is not None and not hold(database, self.activity.check_active()):
            self.on_over()
            raise NotActive(self.activity.known.epoch, None)


fence = Fence()


@contextmanager
def decide() -> Iterator[Database]:
    """Yield a `write_transaction` in which the row is moved."""
    sent_s, moves = fence.begin()
    with write_transaction() as database:
        yield database
    fence.note_commit(sent_s, moves)


def hold(database: Database, epoch: Epoch) -> bool:
    """
    Write the row as it is, in its epoch; return False when that is another one.

    No other transaction writes it until this one ends. A standby tells by the time when this was
    sent, on this process's clock, whether that has been seen before, and how long ago it was
    (docs/adr/0055, 0060): a counter that a failover puts back would come to the same number again.
    """
    return bool(database.execute(_HOLD, (*_sent_us(), epoch)).rowcount)


def _sent_us() -> tuple[int, int]:
    """
    Return the values of _GROWN.

    Another thread's write may have been sent later and be done already: the time never falls.
    """
    sent_us = _ORIGIN_US + int(clock.monotonic_s() * 1e6)
    return sent_us, sent_us


def begin_clock(database: Database) -> None:
    """Have the row show this process's time, in the transaction of its claim."""
    database.execute(_BEGIN, _sent_us()[:1])


def lock(database: Database, epoch: Epoch) -> Heartbeat | None:
    """
    Keep all others from writing the row of an epoch, for a claim.

    Returns the heartbeat; None: it is of another epoch.
    """
    if not database.execute(_LOCK, (epoch,)).rowcount:
        return None
    return make_heartbeat(*database.execute(_HEARTBEAT).fetchone())


def make_row(rows: Rows) -> tuple[HeadRow, Head]:
    """
    Return the row and where the ledger ends, of the rows of QUERY.

    Raises Unreachable (indefinite): one of them is damaged.
    """
    if not rows or not rows[0][0]:
        raise damage.refuse("the leadership")
    end = 1 + len(_ROW)
    row, head = HeadRow(*rows[0][1:end]), LEDGER.confirm(make_head(rows[0][end:]))
    if (head.position, head.digest) != (row.position, row.digest):
        raise damage.refuse("the end of the ledger")
    return row, head


def read(database: Database) -> tuple[HeadRow, Head]:
    """
    Return the row and where the ledger ends, for a decision.

    Raises NotActive (definite). Raises Unreachable (indefinite): damaged.
    """
    row, head = make_row(database.execute(*QUERY).fetchall())
    fence.check(row)
    return row, head


def move(database: Database, before: HeadRow, after: HeadRow) -> None:
    """
    Replace the row, as the first write of a transaction that decides.

    before: as this transaction has read it. Raises Unreachable (indefinite): another catalog has
    decided meanwhile, and nothing of this transaction may be committed.
    """
    fence.moved = after
    if after == before and current().is_file:
        return  # nobody else writes, and what was read is durable
    values = *after._replace(decisions=before.decisions + 1), *_sent_us(), before.epoch, before.term
    updated = database.execute(
        _MOVE, (*values, before.position, before.digest, before.decisions)
    ).rowcount
    if updated != 1:
        fence.on_over()
        raise Unreachable("Another catalog has decided meanwhile.")
