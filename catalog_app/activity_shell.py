"""
The watch of one catalog over which of several is active (docs/adr/0048).

The core decides (`bazaar.core.activity`). While this process has no epoch it looks at the active
one several times a second, in the database, over the network and, when there is reason, by what the
replicas say, and claims the next epoch when that is gone. Then it proves itself to
the database as often, and has every holder of older epochs acknowledge its own. What it talks to is
left to those who make one.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from bazaar.core.activity import (
    ActiveCatalog,
    ActivePing,
    ActiveRecord,
    Activity,
    Heartbeat,
)
from bazaar.core.election import Ping
from bazaar.core.failures import Failure, NotActive, Unreachable
from bazaar.core.types import CatalogId, Epoch
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.topology import Address

log = get_log("bazaar.catalog")

NOTICE_TIMEOUT_S = 0.5
"""For a holder to acknowledge an epoch, which it asks this catalog about."""
RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class EpochNotice:
    """
    A new active's word to a member, which waits for no older one from now on.

    The member asks that catalog itself before it believes it.
    """

    epoch: Epoch
    catalog: CatalogId


@dataclass(frozen=True, slots=True)
class RegisteredHolder:
    """A holder of an older epoch, whose lease may run."""

    holder_id: str
    address: Address


class ActivityShell(ABC):
    """One life of a catalog's process, among others on one database."""

    def __init__(self, activity: Activity) -> None:
        """Begin as a standby; `round` is to be called again and again."""
        self.activity = activity
        self.has_watched = False
        """Whether an active was seen that had proved itself: so the database is no older one."""

    def round(self) -> None:
        """
        Prove this process to the database, or look at who is active there.

        An active that does not answer is looked at again and again. Raises Failure.
        """
        while not self.activity.has_epoch:
            if self._look():
                return
            self.wait(RETRY_S)
        self._prove()
        if not self.activity.proof.is_valid(self.now_s()):
            self._prove()  # the database was out for longer than that one lasts

    def _prove(self) -> None:
        sent_s, moves, epoch = self.now_s(), self.moves, self.activity.known.epoch
        if self.write_proof(epoch):
            self.note_proof(sent_s, moves)
        else:
            self.end("its epoch is over")

    def note_proof(self, sent_s: float, moves: int) -> None:
        """Count a commit as a proof, if the node that took it is still used."""
        if moves == self.moves:
            self.activity.proved(sent_s)

    def _look(self) -> bool:
        """Look at the active, and claim the next epoch when it is gone; tell if it is well."""
        record, now_s = self._read_record(), self.now_s()
        if record.active.epoch < self.activity.known.epoch:
            self.has_watched = False
        self.activity.hear(record, now_s)
        answer = self._ping(record.active.catalog)
        is_well = isinstance(answer, ActivePing) and answer.is_proven
        self.has_watched = self.has_watched or is_well
        if self.activity.may_claim(answer, self.now_s()):
            self._claim(record.heartbeat)
        elif self.activity.needs_words and self.activity.may_replace(
            self.ping_replicas(), self.now_s()
        ):
            self._claim(None)
        return is_well

    def _read_record(self) -> ActiveRecord:
        sent_s = self.now_s()
        try:
            record = self.read_record()
        except Exception:
            self.activity.looked(sent_s, self.now_s(), has_failed=True)
            raise
        self.activity.looked(sent_s, self.now_s())
        return record

    def _ping(self, active: CatalogId | None) -> ActivePing | Unreachable | None:
        if active is None or active == self.activity.catalog:
            return None
        try:
            return self.ping(active)
        except Unreachable as failure:
            return failure

    def _claim(self, only: Heartbeat | None) -> None:
        """Claim the next epoch; only: unless the active has written another heartbeat."""
        known, sent_s, moves = self.activity.known, self.now_s(), self.moves
        try:
            holders, heartbeat = self.claim_epoch(known, only)
        except NotActive:
            return  # another one was faster, or the active lives
        now_s, epoch = self.now_s(), Epoch(known.epoch + 1)
        self.begin(epoch, holders)  # before anything is granted
        self.activity.claimed(sent_s, now_s, [one.holder_id for one in holders], heartbeat)
        if moves != self.moves:
            self.activity.moved()
        events.emit(log, logging.WARNING, "epoch claimed", epoch=epoch, holders=len(holders))
        self.spawn(partial(self._take_over, holders))

    def _take_over(self, holders: Sequence[RegisteredHolder]) -> None:
        """Have every holder of older epochs acknowledge this one, or its time run out."""
        notice = EpochNotice(self.activity.known.epoch, self.activity.catalog)
        self.notify_replicas(notice)
        self.side_by_side(partial(self._notify_holder, notice), holders)
        if holders:
            self.end_leases([one.holder_id for one in holders])
        events.emit(log, logging.INFO, "epoch acknowledged", epoch=notice.epoch)

    def _notify_holder(self, notice: EpochNotice, holder: RegisteredHolder) -> None:
        while holder.holder_id in self.activity.unacknowledged:
            left_s = self.activity.left_s(self.now_s())
            try:
                self.notify(holder, notice, max(RETRY_S, min(NOTICE_TIMEOUT_S, left_s)))
            except NotActive:
                self.end("its epoch is over")
                return
            except Failure:
                self.wait(min(RETRY_S, self.activity.left_s(self.now_s())))
                self.activity.tick(self.now_s())
            else:
                self.activity.acknowledged(holder.holder_id, self.now_s())

    @property
    @abstractmethod
    def moves(self) -> int:
        """How often another node of the database was used from then on."""

    @abstractmethod
    def now_s(self) -> float:
        """Return seconds on this process's clock."""

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Let time pass."""

    @abstractmethod
    def spawn(self, work: Callable[[], None]) -> None:
        """Begin some work in another thread."""

    @abstractmethod
    def side_by_side(
        self, work: Callable[[RegisteredHolder], None], holders: Sequence[RegisteredHolder]
    ) -> Iterable[None]:
        """Do some work for each holder at the same time, and wait for all of it."""

    @abstractmethod
    def read_record(self) -> ActiveRecord:
        """Return what the database says of the active catalog. Raises Unreachable."""

    @abstractmethod
    def write_proof(self, epoch: Epoch) -> bool:
        """Write the head row in its epoch; tell if that is its epoch. Raises Unreachable."""

    @abstractmethod
    def claim_epoch(
        self, known: ActiveCatalog, only: Heartbeat | None
    ) -> tuple[Sequence[RegisteredHolder], Heartbeat]:
        """
        Write the next epoch into the head row.

        Returns all holders whose lease may run, and the heartbeat that was there. only: the claim
        is for this one; None: for any. Raises NotActive (definite): `known` is over, or has proved
        itself again. Raises Unreachable: it did not happen; when nobody knows, this process ends.
        """

    @abstractmethod
    def begin(self, epoch: Epoch, holders: Sequence[RegisteredHolder]) -> None:
        """Prepare the work of an active; none of the holders renews a lease again."""

    @abstractmethod
    def end_leases(self, holder_ids: Sequence[str]) -> None:
        """Note in the database that leases are over, if that is possible."""

    @abstractmethod
    def ping(self, active: CatalogId) -> ActivePing:
        """Ask a catalog whether it is active. Raises Unreachable."""

    @abstractmethod
    def ping_replicas(self) -> Sequence[Ping | Unreachable]:
        """Ask each replica at the same time whether it reaches the active catalog."""

    @abstractmethod
    def notify_replicas(self, notice: EpochNotice) -> None:
        """
        Let the replicas wait for no older catalog; nobody waits for them.

        This process ends when one knows a newer epoch: so the next life claims a newer one, too,
        if the database is a copy of former times.
        """

    @abstractmethod
    def notify(self, holder: RegisteredHolder, notice: EpochNotice, timeout_s: float) -> None:
        """Have a holder acknowledge an epoch. Raises Failure; NotActive: it knows a newer one."""

    @abstractmethod
    def end(self, reason: str) -> None:
        """End this process, which comes back as a standby."""
