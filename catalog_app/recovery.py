"""
A catalog that starts takes from the replicas what its ledger lacks.

It decides nothing before that (I3, I11). It may have been put back from a backup, or made anew; so
it asks every replica where its log ends. Behind them on the same chain it takes their entries; its
term becomes the highest that any knows. With another history it stays out and says where the two
part. Until it is done it answers nothing but questions of operators and audits (docs/adr/0031).
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from bazaar.core.failures import Failure, Unreachable
from bazaar.core.replay import StockReplay
from bazaar.core.replication import fresh_entries
from bazaar.core.types import Head, Position, ReplicaId, Term
from bazaar.protocol.clients import ReplicaClient
from bazaar.protocol.leadership_messages import HeadBody
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.runtime.storage import storage
from bazaar.settings.env import Limits
from bazaar.topology import REPLICAS_MAX
from catalog_app import head_row, selectors, store

log = get_log("bazaar.catalog")

RETRY_S = 0.05
"""Between two rounds of questions; trades wait meanwhile."""
PAGE_ENTRIES = 5000
"""Entries that are taken at a time."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock of a recovery."""

    now_s: Callable[[], float]
    wait: Callable[[float], None]


class LedgerRecovery:
    """What keeps the catalog from deciding, until nothing does."""

    def __init__(
        self,
        replicas: Mapping[ReplicaId, ReplicaClient],
        limits: Limits,
        timing: Timing,
        writer: AbstractContextManager[object],
        *,
        is_on_server: bool = False,
    ) -> None:
        """
        Nothing is wrong before `begin`.

        writer: held while it writes. is_on_server: the database outlives this machine, and is not
        put back every day.
        """
        self.reason = ""
        """Why the catalog does not decide, a sentence for operators; empty: it does."""
        self.replicas, self._limits, self._timing = replicas, limits, timing
        self._writer, self._is_on_server = writer, is_on_server
        self._is_behind = False

    def check(self) -> None:
        """Raise Unreachable (indefinite for the caller): the catalog does not decide yet."""
        if self.reason:
            raise Unreachable(self.reason)

    def begin(self) -> None:
        """Decide nothing from now on; `run` ends that."""
        self.reason, self._is_behind = (
            "The catalog starts, and has not asked the replicas yet.",
            False,
        )

    def run(self) -> None:
        """Ask until the ledger is complete and may be; a round that fails is repeated."""
        began_s, said = self._timing.now_s(), ""
        while True:
            has_waited = self._timing.now_s() - began_s >= self._limits.recovery_wait_s
            try:
                with storage:
                    reason = self._attempt(has_waited)
                    head = selectors.LEDGER.head
            except Failure as failure:
                reason = failure.message
            if not reason:
                break
            self.reason = reason
            if reason != said:
                said = reason
                events.emit(log, logging.WARNING, "not deciding", reason=reason)
            self._timing.wait(RETRY_S)
        if self._is_behind:
            # Leases of the life before, which this ledger may know nothing of, may still run: the
            # last was granted before this life began.
            self._timing.wait(max(0.0, began_s + self._limits.lease_s - self._timing.now_s()))
        self.reason = ""
        events.emit(log, logging.INFO, "deciding", last=head.order_no, position=head.position)

    def _attempt(self, has_waited: bool) -> str:  # noqa: FBT001 - a fact, not an option
        """Ask all replicas once; return why the catalog cannot decide yet, or nothing."""
        ledger = selectors.LEDGER.head
        heads = _leave_only_copies_out(ledger, self.ask_all(ledger.position))
        missing = [replica_id for replica_id in self.replicas if replica_id not in heads]
        if missing and not has_waited:
            return f"The catalog waits to hear from {name_replicas(missing)} how far its log goes."
        if too_few := self._find_too_few(ledger, missing):
            return too_few
        for replica_id, head in heads.items():
            if differs := self._compare(ledger, replica_id, head):
                return differs
        if missing:
            events.emit(log, logging.WARNING, "recovering without", replicas=name_replicas(missing))
        try:
            self._take_missing(ledger, heads)
        except Failure as failure:
            return f"The catalog could not take what it lacks: {failure.message}"
        return ""

    def ask_all(self, at: Position) -> dict[ReplicaId, HeadBody]:
        """Return the answers of the replicas that have checked their logs."""
        heads: dict[ReplicaId, HeadBody] = {}

        def ask(replica_id: ReplicaId) -> None:
            with suppress(Failure):
                timeout_s = self._limits.ping_timeout_s
                heads[replica_id] = self.replicas[replica_id].head(at, timeout_s)

        with ThreadPoolExecutor(max(1, len(self.replicas))) as pool:
            list(pool.map(ask, self.replicas))
        return heads

    def _find_too_few(self, ledger: Head, missing: list[ReplicaId]) -> str:
        """
        Say which replicas have to answer first; an empty ledger needs all of them.

        By default those that were in sync: all for a file, a majority for a server, which has kept
        what it has acknowledged (docs/adr/0060).
        """
        wanted, limit = selectors.list_in_sync(), self._limits.min_recovery_replicas
        if self._is_on_server and limit == REPLICAS_MAX and ledger.position:
            limit = len(wanted) // 2 + 1
        if not ledger.position:
            wanted = wanted or tuple(self.replicas)
        silent = [replica_id for replica_id in wanted if replica_id in missing]
        needed = min(len(wanted), limit)
        if len(wanted) - len(silent) >= needed:
            return ""
        it = "it" if len(silent) == 1 else "they"
        return (
            f"The catalog could not ask {name_replicas(silent)}, and orders that only {it} had "
            "would be missing. Start what is missing; or go on without by "
            f"BAZAAR_MIN_RECOVERY_REPLICAS={len(wanted) - len(silent)} at the catalog."
        )

    def _compare(self, ledger: Head, replica_id: ReplicaId, head: HeadBody) -> str:
        """Say where a log and the ledger part; nothing when one is a prefix of the other."""
        if head.position >= ledger.position:
            is_same = head.digest_at == ledger.digest
        else:
            is_same = head.digest == selectors.LEDGER.digest_at(Position(head.position))
        if is_same:
            return ""
        client, timeout_s = self.replicas[replica_id], self._limits.ping_timeout_s
        good, wrong = 0, min(ledger.position, head.position)
        try:
            while wrong - good > 1:
                middle = Position((good + wrong) // 2)
                found = client.head(middle, timeout_s).digest_at
                if found == selectors.LEDGER.digest_at(middle):
                    good = middle
                else:
                    wrong = middle
        except Failure as failure:
            return f"Replica {replica_id} has another history than the ledger: {failure.message}"
        order_no = selectors.LEDGER.order_no_at(Position(wrong))
        return (
            f"Replica {replica_id} has another history than the ledger, from entry {wrong} on "
            f"(order {order_no}, or the stock change there). If the ledger is right, `manage.py "
            f"cluster rebuild {replica_id}`; if the replica is, `manage.py cluster rebuild "
            "catalog`."
        )

    def _take_missing(self, ledger: Head, heads: Mapping[ReplicaId, HeadBody]) -> None:
        """Take entries and term from those who have more. Raises Failure: nothing was taken."""
        sound = {one: head for one, head in heads.items() if not head.is_damaged}
        newest = max(sound, key=lambda one: sound[one].position, default=None)
        term = max((head.term for head in heads.values()), default=0)
        current = selectors.get_leadership()
        if newest is not None and sound[newest].position > ledger.position:
            self._is_behind = True
            self._take(ledger, newest, Term(max(term, current.term)))
        if term > current.term:
            self._is_behind = True
            leaders = {head.leader for head in heads.values() if head.term == term}
            leader = leaders.pop() if len(leaders) == 1 else None
            with self._writer:
                store.raise_term(Term(term), None if leader is None else ReplicaId(leader))
            events.emit(log, logging.WARNING, "term raised", term=term, before=current.term)

    def _take(self, ledger: Head, replica_id: ReplicaId, term: Term) -> None:
        """Take all that a replica has after the ledger, in one transaction."""
        client, head = self.replicas[replica_id], ledger
        with ThreadPoolExecutor(1) as pool, self._writer, head_row.decide() as database:
            row, _ = head_row.read(database)
            replay = StockReplay.resume(selectors.list_all_stocks())
            coming = pool.submit(client.log, head.position, PAGE_ENTRIES)
            while True:
                page = coming.result()
                is_last = not page.entries or page.end >= page.last
                if not is_last:  # the replica reads the next one while this one is stored
                    coming = pool.submit(client.log, page.end, PAGE_ENTRIES)
                if fresh := fresh_entries(page, head, selectors.LEDGER):
                    store.take(database, fresh, replay, term)
                    head = fresh[-1][1]
                if is_last:
                    break
            head_row.move(database, row, row.moved(head))
        taken, last = head.position - ledger.position, head.order_no
        events.emit(
            log, logging.WARNING, "ledger recovered", replica=replica_id, entries=taken, last=last
        )


def _leave_only_copies_out(
    ledger: Head, heads: Mapping[ReplicaId, HeadBody]
) -> dict[ReplicaId, HeadBody]:
    """
    Leave damaged logs out that may have the only copy of an entry.

    Any other one lacks nobody: it mends itself once the catalog decides.
    """
    sound = [head.position for head in heads.values() if not head.is_damaged]
    newest = max([ledger.position, *sound])
    return {
        replica_id: head
        for replica_id, head in heads.items()
        if not head.is_damaged or head.position <= newest
    }


def name_replicas(replica_ids: list[ReplicaId]) -> str:
    """Return replicas in words."""
    numbers = ", ".join(map(str, replica_ids))
    return f"replica {numbers}" if len(replica_ids) == 1 else f"the replicas {numbers}"
