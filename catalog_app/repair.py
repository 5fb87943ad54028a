"""
A damaged ledger begins anew by itself, from an empty database.

It takes everything from the replicas then, as any empty ledger does (`recovery`). The damaged
database is kept in the aside folder, one copy. It is given up only when the logs of the replicas
hold all that it has. Left out: finding damage (`bazaar.runtime.damage`).
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from django.db import DatabaseError

from bazaar.core.election import Leadership
from bazaar.core.failures import Failure
from bazaar.core.types import Head, Position, ReplicaId, Term
from bazaar.protocol.leadership_messages import HeadBody
from bazaar.runtime.anew import Aside, is_end_damaged
from bazaar.runtime.damage import damage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from catalog_app import models, selectors
from catalog_app.recovery import LedgerRecovery, name_replicas

log = get_log("bazaar.catalog")
_MEND = (
    "Start the replicas; or put a backup back by `manage.py cluster restore FILE`; or give up what "
    "no replica has by `manage.py cluster rebuild catalog`."
)


@dataclass(frozen=True, slots=True)
class Copies:
    """The logs that hold all that a damaged ledger has."""

    holders: tuple[ReplicaId, ...] = ()
    """Of these replicas, all have to answer the new ledger before it decides."""
    term: int = 0
    """The highest that any replica knows."""
    hindrance: str = ""
    """Why the ledger is not given up yet, a sentence; empty: nothing is against it."""


class LedgerRepair:
    """Makes the database of a damaged catalog anew, and starts the process again."""

    def __init__(
        self,
        recovery: LedgerRecovery,
        aside: Aside,
        writer: AbstractContextManager[object],
        restart: Callable[[], None],
    ) -> None:
        """
        Note the parts.

        recovery: it asks the replicas. aside: for its database. writer: held while nothing may be
        written. restart: ends this process, which is then started again.
        """
        self._recovery, self._restart = recovery, restart
        self._writer = writer
        self.aside = aside
        self.hindrance = ""
        """Why the damaged ledger is not given up yet, a sentence for operators."""

    def round(self) -> None:
        """Begin anew if the ledger is damaged and nothing is against it. Raises OSError."""
        if not damage.where:
            return
        end = _read_end()
        copies = self._find_copies(end)
        with self._writer:  # to the end of this process: nothing is written to what is given up
            if not copies.hindrance and _read_end() == end:
                self.aside.begin_anew(lambda database: _fill(database, copies))
                aside = str(self.aside.path)
                events.emit(
                    log, logging.WARNING, "ledger moved aside", aside=aside, at=damage.where
                )
                self._restart()
        if copies.hindrance not in ("", self.hindrance):
            events.emit(log, logging.ERROR, "repair waits", reason=copies.hindrance)
        self.hindrance = copies.hindrance

    def _find_copies(self, end: Head | None) -> Copies:
        """Ask the replicas who has all that the ledger has. end: of the ledger, if it is known."""
        if hindrance := self.aside.find_hindrance():
            return Copies(hindrance=hindrance)
        heads = self._recovery.ask_all(end.position if end else Position(0))
        if end is None:
            return self._find_unknown(heads)
        is_digest_unknown = is_end_damaged(selectors.LEDGER)
        holders = tuple(
            replica_id
            for replica_id, head in heads.items()
            if not head.is_damaged
            and head.position >= end.position
            and (is_digest_unknown or head.digest_at == end.digest)
        )
        if not holders:
            self._copy(end.position)
            reason = f"No replica that answers has all entries of the ledger, up to {end.position}."
            return Copies(hindrance=f"{reason} {_MEND}")
        if self._recovery.reason:  # the ledger itself may lack what others had
            wanted = _read_in_sync() or tuple(self._recovery.replicas)
            holders = tuple(sorted({*holders, *wanted}))
        return Copies(holders, _highest(heads))

    def _find_unknown(self, heads: Mapping[ReplicaId, HeadBody]) -> Copies:
        """Find copies of a ledger whose end cannot be read: whoever was in sync has all of it."""
        wanted = _read_in_sync() or tuple(self._recovery.replicas)
        if missing := [one for one in wanted if one not in heads or heads[one].is_damaged]:
            reason = f"No sound log answers from {name_replicas(missing)}."
            return Copies(hindrance=f"{reason} {_MEND}")
        if not any(heads[one].position for one in wanted):
            return Copies(hindrance=f"No replica has anything that was in the ledger. {_MEND}")
        return Copies(wanted, _highest(heads))

    def _copy(self, position: Position) -> None:
        """Have the leader take from the ledger what no log has yet."""
        for client in self._recovery.replicas.values():
            with suppress(Failure):
                client.replicate(position)
                return


def _read_end() -> Head | None:
    """Return where the ledger ends; None: nobody can tell."""
    with suppress(DatabaseError, Failure):
        head, written = selectors.LEDGER.read_head(), selectors.LEDGER.written
        return written if 0 < written.position < head.position else head
    return None


def _read_in_sync() -> tuple[ReplicaId, ...]:
    with suppress(DatabaseError, Failure, ValueError):
        return selectors.list_in_sync()
    return ()


def _highest(heads: Mapping[ReplicaId, HeadBody]) -> int:
    return max((head.term for head in heads.values()), default=0)


def _fill(database: str, copies: Copies) -> None:
    """Let a new database know the term, and who has to answer before it decides (I3, I6)."""
    # A term that cannot be read may be one that no replica has heard of.
    leadership = Leadership(Term(copies.term + 1), None)
    with suppress(DatabaseError, Failure):
        leadership = selectors.get_leadership()
    models.Leadership.objects.using(database).update_or_create(
        pk=1,
        defaults={
            "term": leadership.term,
            "leader": leadership.leader,
            "in_sync": ",".join(map(str, copies.holders)),
        },
    )
