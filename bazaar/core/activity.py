"""
Which of several catalogs is active, and what it may do (docs/DESIGN.md 8).

Of the catalogs on one database one is *active*, the others are *standbys*. The active's time has a
number, the *epoch*. It is in the head row of the database, changes by compare-and-set only, and
every deciding transaction writes that row by compare-and-set on it. So of two catalogs that both
take themselves for the active one only one decides, however long the other has slept (I5). What
needs no transaction is bounded in time:

- The active proves itself: it writes the head row every `PROOF_INTERVAL_S`. It grants leases and
  fills, and reads the ledger out, only for `PROOF_S` after it *sent* its newest proof, and only
  from the node of the database that took it.
- Who has claimed the next epoch has every registered holder acknowledge it. Its first commit waits
  until all have, or until all leases of older epochs are over (I7): an older active grants none
  later than `PROOF_S` after its last proof, and each ends a lease later. The head row shows a
  *heartbeat*: when the active sent its newest write, on its own clock. A look that has shown one
  tells that it was sent before the look's answer came; another one was sent as much later as its
  time is. So the wait counts from the last proof, also when no look has shown that one.

A standby judges the active by the database's record and by what replicas say of it, not by its own
link alone (docs/adr/0055): it replaces one that is silent *and* has stopped proving itself, or one
that most replicas do not reach. Only time in which it can read the record itself counts: while the
database is out, every active is silent (docs/adr/0060).

A holder that has acknowledged an epoch keeps nothing of an older one and believes no older one
(`coherence.Lease`). An active whose commit has an unknown outcome, or that hears of a newer epoch,
ends; its process comes back as a standby. It never goes on in an epoch that an earlier life of it
claimed. No two clocks are compared, only what passes on each: a right, which a `Lease` is, is
counted short by their drift, and a wait in full.

Left out: the database, pings and notices, and when a standby looks (the catalog's shell).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bazaar.core.coherence import CLOCK_DRIFT_MAX, Lease
from bazaar.core.election import Ping
from bazaar.core.failures import NotActive, Unreachable
from bazaar.core.types import NO_EPOCH, CatalogId, Epoch

PROOF_INTERVAL_S = 0.2
"""Between two proofs of the active, and between two looks of a standby at it."""
PROOF_S = 0.5
"""How long a proof lasts; the database needs longer to have another node take writes."""
PROTECTION_S = 2.0
"""For how long a new active is not replaced while its process has the epoch."""
LOOK_TIMEOUT_S = 0.15
"""How long a standby waits for what the active answers."""
SILENT_LOOKS_MAX = 2
"""Looks in a row without a sign of the active after which it counts as gone."""
RETURNED_S = 0.5
"""For how long nobody counts as silent once the database can be read again."""

Heartbeat = tuple[float, ...]
"""
What each write of the active changes in the head row, and nobody else does in its epoch.

The first number is a time on the active's clock, in seconds: no proof that counts was sent later.
"""


@dataclass(frozen=True, slots=True)
class ActiveCatalog:
    """An epoch and its active catalog; None before the first."""

    epoch: Epoch
    catalog: CatalogId | None


NO_ACTIVE = ActiveCatalog(NO_EPOCH, None)


@dataclass(frozen=True, slots=True)
class ActiveRecord:
    """What the head row says of the active catalog, in one read."""

    active: ActiveCatalog
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class ActivePing:
    """What a catalog answers to the ping of a standby."""

    epoch: Epoch
    """The newest that it knows."""
    is_active: bool
    """Whether this life of its process has claimed that epoch."""
    is_proven: bool
    """Whether its newest proof still lasts."""


class ActivityState(StrEnum):
    """What one process of a catalog is."""

    STANDBY = "standby"
    TAKING_OVER = "taking over"
    """It has claimed the epoch, and waits for the holders of older ones."""
    ACTIVE = "active"
    ENDED = "ended"
    """It decides and grants nothing any more; its process ends."""


class Activity:
    """One life of a catalog's process: standby, then active, then ended."""

    def __init__(self, catalog: CatalogId, lease_s: float) -> None:
        """lease_s: the longest lease that any of the catalogs grants."""
        self.catalog, self._lease_s = catalog, lease_s
        self.state = ActivityState.STANDBY
        self.known = NO_ACTIVE
        """The newest epoch that is known here, and its active."""
        self.proof = Lease(PROOF_S)
        """The right to grant; the database is what grants it."""
        self.unacknowledged = set[str]()
        """Holders of older epochs that have not acknowledged this one."""
        self.heartbeat: Heartbeat = ()
        """The newest of the active that a look has shown."""
        self._heartbeat_s = 0.0
        self._returned_s = -RETURNED_S
        self._leases_over_s = 0.0
        self._known_since_s = 0.0
        self._silent_looks = self._lost_looks = 0
        self._is_asked = False

    @property
    def has_epoch(self) -> bool:
        """Whether this process has claimed the epoch that it knows."""
        return self.state in (ActivityState.TAKING_OVER, ActivityState.ACTIVE)

    def ping(self, now_s: float) -> ActivePing:
        """Return what a standby is told."""
        return ActivePing(self.known.epoch, self.has_epoch, self.proof.is_valid(now_s))

    def hear(self, record: ActiveRecord, now_s: float) -> None:
        """
        Note what the head row says.

        now_s: when the answer had come. A standby takes it for what it is: a claim whose outcome
        nobody knew may be lost again, and then its epoch is free. For the active only a newer epoch
        counts.
        """
        known = record.active
        if self.has_epoch:
            if known != self.known and known.epoch >= self.known.epoch:
                self.known = known
                self.end()
            return
        if known != self.known:
            self._known_since_s, self._lost_looks = now_s, 0
            self._heartbeat_s, self._silent_looks = now_s, 0
        elif record.heartbeat != self.heartbeat:
            self._heartbeat_s, self._silent_looks = self._find_sent_s(record.heartbeat, now_s), 0
        self.known, self.heartbeat = known, record.heartbeat

    def _find_sent_s(self, heartbeat: Heartbeat, now_s: float) -> float:
        """Return a time before which a heartbeat of the known active was sent, on this clock."""
        if heartbeat == self.heartbeat:
            return self._heartbeat_s
        passed_s = heartbeat[0] - self.heartbeat[0] if self.heartbeat and heartbeat else -1.0
        if passed_s < 0:  # a failover has lost what was seen, or it is of another life
            return now_s
        return min(now_s, self._heartbeat_s + passed_s / (1 - 2 * CLOCK_DRIFT_MAX))

    def looked(self, sent_s: float, now_s: float, *, has_failed: bool = False) -> None:
        """
        Note how long the answer took when the head row was read, or could not be.

        An active cannot prove itself meanwhile, wherever it is. So when that took longer than a
        proof lasts, nobody was silent before, nor is soon afterwards.
        """
        if has_failed or now_s - sent_s >= PROOF_S:
            self._silent_looks = self._lost_looks = 0
            self._returned_s = now_s

    def may_claim(self, answer: ActivePing | Unreachable | None, now_s: float) -> bool:
        """
        Tell a standby whether to claim the next epoch, after one look at the active.

        answer: to its ping; None: there was nobody to ping. A process that is gone, or that has
        begun another life, is replaced at once, one that is silent or cut off from the database
        once the head row has shown no sign of it for a while, either. The claim is to be for this
        heartbeat only: so an active that goes on to prove itself is kept, whoever reaches it.
        """
        assert self.state is ActivityState.STANDBY, "only a standby claims"
        if self.known.catalog in (None, self.catalog):
            return True  # the epoch is nobody's, or was an earlier life's
        if isinstance(answer, ActivePing) and answer.epoch >= self.known.epoch:
            if not answer.is_active:
                return answer.epoch == self.known.epoch
            if answer.is_proven:
                self._silent_looks = 0
                return False
        elif isinstance(answer, Unreachable) and answer.is_refused:
            return True
        self._silent_looks += 1
        return self._silent_looks >= SILENT_LOOKS_MAX and not self._is_protected(now_s)

    @property
    def needs_words(self) -> bool:
        """Whether to ask the replicas: a look, or some member, has found no active."""
        return self._is_asked or self._silent_looks > 0 or self._lost_looks > 0

    def may_replace(self, words: Iterable[Ping | Unreachable], now_s: float) -> bool:
        """
        Tell a standby whether to claim from an active that may go on proving itself.

        words: what each replica answers to a ping, in one look. Most of them do not reach the
        active, so nothing is traded; those on the smaller side of a cut do not count as most.
        """
        self._is_asked = False
        self._lost_looks = self._lost_looks + 1 if is_out_of_reach(words) else 0
        return self._lost_looks >= SILENT_LOOKS_MAX and not self._is_protected(now_s)

    def _is_protected(self, now_s: float) -> bool:
        is_new = now_s - self._known_since_s < PROTECTION_S
        return is_new or now_s - self._returned_s < RETURNED_S

    def claimed(
        self, sent_s: float, now_s: float, holder_ids: Iterable[str], heartbeat: Heartbeat
    ) -> None:
        """
        Begin the next epoch: the database has taken this process's claim.

        sent_s: when the claim was sent; it is the first proof. holder_ids: all that were registered
        when it was committed and whose lease may run; heartbeat: of the active before; both read
        in the same transaction.
        """
        assert self.state is ActivityState.STANDBY, "only a standby claims"
        proved_s = self._find_sent_s(heartbeat, now_s)
        self.known = ActiveCatalog(Epoch(self.known.epoch + 1), self.catalog)
        self.proof.renewed(sent_s)
        self.unacknowledged = set(holder_ids)
        self._leases_over_s = proved_s + PROOF_S + self._lease_s
        self.state = ActivityState.TAKING_OVER
        self.tick(now_s)

    def left_s(self, now_s: float) -> float:
        """Return for how long a lease of an older epoch may still run."""
        return max(0.0, self._leases_over_s - now_s)

    def acknowledged(self, holder_id: str, now_s: float) -> None:
        """Note that a holder keeps nothing of older epochs, and believes none."""
        self.unacknowledged.discard(holder_id)
        self.tick(now_s)

    def tick(self, now_s: float) -> None:
        """Let time pass: once no older lease can run, what waits for it may be committed."""
        if self.state is not ActivityState.TAKING_OVER:
            return
        if not self.unacknowledged or now_s >= self._leases_over_s:
            self.unacknowledged.clear()
            self.state = ActivityState.ACTIVE

    def proved(self, sent_s: float) -> None:
        """Count a commit of this epoch that wrote the head row, by when it was sent."""
        self.proof.renewed(sent_s)

    def moved(self) -> None:
        """
        Count no proof of before: the database is reached at another node from now on.

        That node may have been replaced, and a proof says nothing of any but the one that took it.
        """
        self.proof.lost()

    def end(self) -> None:
        """
        Decide and grant nothing any more.

        The outcome of a commit is unknown, or the epoch is over.
        """
        self.state = ActivityState.ENDED
        self.proof.lost()

    def check_active(self) -> Epoch:
        """
        Return the epoch that this process has claimed. Raises NotActive (definite): none.

        It is asked for by a member, which may have turned to this process from a silent active.
        """
        if not self.has_epoch:
            self._is_asked, whose = True, self.known.catalog
            raise NotActive(self.known.epoch, None if whose == self.catalog else whose)
        return self.known.epoch

    def check_granting(self, now_s: float) -> Epoch:
        """
        Return the epoch in which something may be granted or read out now.

        Call it after the read, which was at the node that took the proof. Raises NotActive
        (definite), Unreachable (indefinite): not proven.
        """
        epoch = self.check_active()
        if not self.proof.is_valid(now_s):
            raise Unreachable("The active catalog has not proved itself to the database.")
        return epoch

    def check_deciding(self) -> Epoch:
        """
        Return the epoch in which a transaction may be begun.

        It writes the head row to commit.

        Raises NotActive (definite), Unreachable (indefinite): holders of older epochs are waited
        for.
        """
        epoch = self.check_active()
        if self.state is ActivityState.TAKING_OVER:
            raise Unreachable("The catalog takes over, and waits for the front ends.")
        return epoch


def claim_epoch(current: ActiveCatalog, known: Epoch, catalog: CatalogId) -> ActiveCatalog:
    """
    Return what a claim writes into the head row.

    Raises NotActive (definite): the claim knows an older epoch than the current one.
    """
    check_epoch(current, known)
    return ActiveCatalog(Epoch(current.epoch + 1), catalog)


def check_epoch(current: ActiveCatalog, epoch: Epoch) -> None:
    """Raise NotActive (definite) unless an epoch is the one in the head row (I5)."""
    if epoch != current.epoch:
        raise NotActive(current.epoch, current.catalog)


def is_out_of_reach(words: Iterable[Ping | Unreachable]) -> bool:
    """Tell if most replicas do not reach the active; one that is gone says nothing."""
    reached = lost = silent = 0
    for word in words:
        if isinstance(word, Ping):
            reached, lost = reached + word.reaches_catalog, lost + (not word.reaches_catalog)
        elif not word.is_refused:
            silent += 1
    return lost > reached + silent


class CatalogRoute:
    """Which catalog a member asks, and whose answers it takes."""

    def __init__(self, catalogs: Sequence[CatalogId]) -> None:
        """Begin with the first one."""
        self._catalogs = tuple(catalogs)
        self.chosen = self._catalogs[0]
        self.epoch = NO_EPOCH
        """The newest epoch that this member has heard of."""
        self._has_turned = False
        """Since somebody answered."""

    def admit(self, catalog: CatalogId, epoch: Epoch) -> bool:
        """
        Take a catalog's answer, and ask it from now on; tell if calls wait elsewhere.

        That is so in a new epoch, and when this one did not answer for a moment.

        Raises Unreachable (indefinite): it is of an older epoch, and does not count.
        """
        if epoch < self.epoch:
            raise Unreachable(f"The answer is of epoch {epoch}, which is over.")
        others_wait = epoch > self.epoch or self._has_turned
        self.epoch, self.chosen, self._has_turned = epoch, catalog, False
        return others_wait

    def turn(self, catalog: CatalogId, failure: Unreachable) -> None:
        """Ask another one from now on: the active that this one names, or the next."""
        if catalog != self.chosen:
            return  # another thread has turned already
        active = failure.active if isinstance(failure, NotActive) else None
        if isinstance(failure, NotActive) and failure.epoch < self.epoch:
            active = None
        if active is None or active == catalog or active not in self._catalogs:
            at = self._catalogs.index(catalog) + 1
            active = self._catalogs[at % len(self._catalogs)]
        self.chosen, self._has_turned = active, True
