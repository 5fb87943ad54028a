"""
This process among the catalogs on its database (docs/adr/0048).

The watch of `activity_shell` over the real database and network, and what an active may answer.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import NoReturn, TypeVar
from uuid import uuid4

from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.activity import (
    LOOK_TIMEOUT_S,
    ActiveCatalog,
    ActivePing,
    ActiveRecord,
    Activity,
    Heartbeat,
    check_epoch,
)
from bazaar.core.election import Ping
from bazaar.core.failures import Failure, NotActive, Unreachable
from bazaar.core.types import CatalogId, Epoch, ReplicaId
from bazaar.protocol.clients import CatalogClient, FrontEndClient, ReplicaClient
from bazaar.runtime.backends.kept_connection import site
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.transactions import write_transaction
from catalog_app import head_row, selectors, store
from catalog_app.activity_shell import (
    NOTICE_TIMEOUT_S,
    ActivityShell,
    EpochNotice,
    RegisteredHolder,
)
from catalog_app.store import ClaimedEpoch

log = get_log("bazaar.catalog")
T = TypeVar("T")
HOLDERS_NOTIFIED_AT_ONCE = 16


class DatabaseActivity(ActivityShell):
    """The watch of a process, and the rights that it gives; safe for many threads."""

    def __init__(
        self,
        activity: Activity,
        catalogs: Mapping[CatalogId, CatalogClient],
        replicas: Mapping[ReplicaId, ReplicaClient],
        connect: Callable[[str, int], FrontEndClient],
        writer: AbstractContextManager[object],
    ) -> None:
        """
        Take the ways to all others; connect: makes a client for a holder's control address.

        writer: the lock of whoever changes the database.
        """
        super().__init__(activity)
        self._catalogs, self._replicas = catalogs, replicas
        self._connect, self._writer = connect, writer
        self.on_begin: Callable[[], None] = lambda: None
        """Begins what only an active does."""
        self.on_end: Callable[[], NoReturn]
        """Ends the process; the next one begins as a standby."""
        self.trouble = "It has not looked at its database yet."
        """Why the last round failed, a sentence; empty: it did not."""
        self.claimed: ClaimedEpoch | None = None
        """What the claim of this process has read; None before it."""

    def round(self) -> None:
        """Do one round, and note what came of it. Raises Failure."""
        try:
            super().round()
        except Failure as failure:
            self.trouble = failure.message
            raise
        except DatabaseError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""

    @property
    def is_well(self) -> bool:
        """Whether its last look or proof went well, or another proof still lasts."""
        return not self.trouble or self.activity.proof.is_valid(self.now_s())

    def grant(self, ask: Callable[[], T], *, is_read: bool) -> T:
        """
        Return an answer, if this process may give it.

        is_read: nothing was decided, so its right is looked at again after the read (I7). A
        decision needs no other proof than its own commit. Raises NotActive (definite), Unreachable.
        """
        moves, epoch = self.moves, self.activity.check_granting(self.now_s())
        if not is_read:
            self.activity.check_deciding()
        try:
            answer = ask()
        except NotActive:
            raise
        except Failure:
            self.confirm(epoch, moves)
            raise
        if is_read:
            self.confirm(epoch, moves)
        return answer

    def confirm(self, epoch: Epoch, moves: int) -> None:
        """
        Look, after a read, whether it was one of an active that is proven there.

        moves: as it was before. Raises NotActive (definite), Unreachable.
        """
        known = self.read_record().active
        if known.epoch > epoch:
            self.end("its epoch is over")
        check_epoch(known, epoch)
        self.activity.check_granting(self.now_s())
        if moves != self.moves:
            raise Unreachable("The database is reached at another node by now.")

    @property
    def moves(self) -> int:
        """See `DatabaseSite`."""
        return site.moves

    def now_s(self) -> float:
        """Return the monotonic time."""
        return clock.monotonic_s()

    def wait(self, seconds: float) -> None:
        """Let real time pass."""
        clock.wait(seconds)

    def spawn(self, work: Callable[[], None]) -> None:
        """Begin a thread, whose connection ends with it."""

        def run() -> None:
            try:
                work()
            finally:
                connections.close_all()

        threading.Thread(target=run, name="takeover", daemon=True).start()

    def side_by_side(
        self, work: Callable[[RegisteredHolder], None], holders: Sequence[RegisteredHolder]
    ) -> Iterable[None]:
        """Do some work for each holder in threads."""
        with ThreadPoolExecutor(HOLDERS_NOTIFIED_AT_ONCE, "epoch") as pool:
            return list(pool.map(work, holders))

    def read_record(self) -> ActiveRecord:
        """Read the head row."""
        return selectors.get_active()

    def write_proof(self, epoch: Epoch) -> bool:
        """Write the head row."""
        with write_transaction(decides=False) as database:
            return head_row.hold(database, epoch)

    def claim_epoch(
        self, known: ActiveCatalog, only: Heartbeat | None
    ) -> tuple[Sequence[RegisteredHolder], Heartbeat]:
        """Write the next epoch; the incarnation is a new one if nobody has watched."""
        fresh = None if self.has_watched else uuid4()
        self.claimed = store.claim_epoch(known, self.activity.catalog, fresh, only)
        head_row.fence.acknowledged = self.claimed.row
        holders = [
            RegisteredHolder(str(one.holder_id), (one.host, one.control_port))
            for one in self.claimed.holders
            if not one.is_over
        ]
        return holders, self.claimed.heartbeat

    def begin(self, epoch: Epoch, holders: Sequence[RegisteredHolder]) -> None:
        """Begin what only an active does."""
        self.on_begin()

    def end_leases(self, holder_ids: Sequence[str]) -> None:
        """Note it, or the next active waits for them, too."""
        try:
            with self._writer, head_row.decide() as database:
                row, _ = head_row.read(database)
                head_row.move(database, row, row)
                store.end_leases(database, holder_ids)
        except (Failure, DatabaseError) as error:
            log.warning("registrations are left to the next epoch", reason=str(error))

    def ping(self, active: CatalogId) -> ActivePing:
        """Ask a catalog of the description."""
        if active not in self._catalogs:
            raise Unreachable(f"The description has no catalog {active}.", is_refused=True)
        return self._catalogs[active].ping_active()

    def ping_replicas(self) -> Sequence[Ping | Unreachable]:
        """Ask each in a thread."""
        with ThreadPoolExecutor(len(self._replicas) or 1, "word") as pool:
            return list(pool.map(_ask_word, self._replicas.values()))

    def notify_replicas(self, notice: EpochNotice) -> None:
        """Tell each in a thread."""
        for replica in self._replicas.values():
            self.spawn(partial(self._notify_replica, notice, replica))

    def _notify_replica(self, notice: EpochNotice, replica: ReplicaClient) -> None:
        try:
            replica.notify_epoch(notice.epoch, notice.catalog, NOTICE_TIMEOUT_S)
        except NotActive:
            self.end("its epoch is over")
        except Failure as failure:
            log.info("replica not notified of the epoch", reason=failure.message)

    def notify(self, holder: RegisteredHolder, notice: EpochNotice, timeout_s: float) -> None:
        """Tell one holder."""
        client = self._connect(*holder.address)
        try:
            client.notify_epoch(notice.epoch, notice.catalog, timeout_s)
        finally:
            client.close()

    def end(self, reason: str) -> NoReturn:
        """End this process; what it has under way may or may not have happened."""
        self.activity.end()
        log.warning("this life of the catalog ends", reason=reason)
        self.on_end()


def _ask_word(replica: ReplicaClient) -> Ping | Unreachable:
    try:
        return replica.ping(LOOK_TIMEOUT_S)
    except Unreachable as failure:
        return failure
    except Failure as failure:
        return Unreachable(failure.message)
