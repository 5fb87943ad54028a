"""
The head row: who decides, and where the ledger ends.

Every decision writes it, and is committed only if the row is as it was read in the same transaction
(docs/adr/0047). So of two catalogs on one database only one decides at a time, whatever the
database makes of locks and reads: it is a write, on which any engine's transactions collide.
"""

from typing import NamedTuple

from bazaar.core.election import Leadership
from bazaar.core.failures import Unreachable
from bazaar.core.types import Head, ReplicaId, Term
from bazaar.runtime.damage import damage
from bazaar.runtime.engines import Database, Query, Rows, current
from bazaar.runtime.sequence_rows import make_head
from bazaar.runtime.sequence_store import HEAD_COLUMNS
from catalog_app.selectors import IS_LEADERSHIP_SOUND, LEDGER, read_ids

_ROW = ("epoch", "term", "leader", "in_sync", "position", "digest", "decisions")
_SELECT = (
    f"SELECT {IS_LEADERSHIP_SOUND}, {', '.join(f'leadership.{one}' for one in _ROW)},"  # noqa: S608 - our own names
    f" {HEAD_COLUMNS}"
    f" FROM catalog_app_leadership leadership{LEDGER.head_joins} WHERE leadership.id = 1"
)
_MOVE = (
    f"UPDATE catalog_app_leadership SET {', '.join(f'{one} = ?' for one in _ROW)}"  # noqa: S608
    " WHERE id = 1 AND epoch = ? AND term = ? AND position = ? AND digest = ? AND decisions = ?"
)
QUERY: Query = (_SELECT, ())
"""What `make_row` takes."""


class HeadRow(NamedTuple):
    """The row as it is stored."""

    epoch: int
    """Of the active catalog."""
    term: int
    leader: int | None
    in_sync: str
    """Ids of replicas with commas."""
    position: int
    digest: str
    decisions: int
    """Raised by every decision, so that each is a write."""

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
    """Return the row and where the ledger ends. Raises Unreachable (indefinite): damaged."""
    return make_row(database.execute(*QUERY).fetchall())


def make_overtaken() -> Unreachable:
    """Return what is raised when another catalog has decided meanwhile (indefinite)."""
    return Unreachable("Another catalog has decided meanwhile.")


def move(database: Database, before: HeadRow, after: HeadRow) -> None:
    """
    Replace the row, as the last statement of a transaction that decides.

    before: as this transaction has read it. Raises Unreachable (indefinite): another catalog has
    decided meanwhile, and nothing of this transaction may be committed.
    """
    if after == before and current().is_file:
        return  # nobody else writes, and what was read is durable
    values = *after._replace(decisions=before.decisions + 1), before.epoch, before.term
    updated = database.execute(
        _MOVE, (*values, before.position, before.digest, before.decisions)
    ).rowcount
    if updated != 1:
        raise make_overtaken()
