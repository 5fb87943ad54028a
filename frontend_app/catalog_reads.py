"""
Reads at the catalog: those that wait at the same moment travel in one message.

A read is answered by a message that was sent after it had begun, never by one that is under way. A
lone read does not wait for company, and a reader at the served port has no thread that waits: the
event loop of the server sends the message and takes the answer (docs/adr/0033).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from bazaar.core.cache import Ticket
from bazaar.core.failures import Failure, UnknownStock, Unreachable
from bazaar.core.types import Epoch
from bazaar.protocol import tracing
from bazaar.protocol.cache_messages import READS_MAX, FoundStocks
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.tracing import Span
from bazaar.protocol.transport import PendingCall
from bazaar.runtime.group_commit import Batcher
from bazaar.runtime.waits import EventLoop, Waits
from bazaar.settings.env import Limits
from frontend_app.entries import Source, StockEntry, StockRead

WAITING_MAX = 10_000
"""Reads that wait for their message: more than there are connections to a port."""

Found = tuple[StockEntry, bool] | UnknownStock
"""A stock and whether it may be stored and shared, or that there is none."""
TakeFound = Callable[[Found | Exception], None]
TakeMaybe = Callable[[StockRead | Exception | None], None]


class Wanted(Struct, frozen=True):
    """A stock that one reader wants, and whether it is to be stored."""

    stock_name: str
    to_keep: bool
    span: Span | None = field(default_factory=tracing.current)
    """Of the request that wants it; a message carries the ids of its first one."""


@dataclass(frozen=True, slots=True)
class PendingReads:
    """A message under way; see `PendingBatch`."""

    call: PendingCall[FoundStocks]
    until_s: float
    spread: Callable[[FoundStocks], Sequence[Found]]
    note_silence: Callable[[], None]
    run: Callable[[], Sequence[Found]]
    """Does it anew."""

    @property
    def sock(self) -> Any:
        """Where the answer will come."""
        return self.call.sock

    def take(self) -> Sequence[Found] | None:
        """Return what each reader gets; None: not all of the answer is there. Raises Failure."""
        found = self.call.take()
        return None if found is None else self.spread(found)

    def give_up(self) -> None:
        """Wait no more."""
        self.note_silence()
        self.call.give_up()

    def go_on(self, failure: Failure) -> Sequence[Found]:
        """Read anew: the connection may have been over before. Raises Failure."""
        if not isinstance(failure, Unreachable):
            raise failure
        return self.run()


class CatalogReads:
    """One front end's way to the stocks of the catalog; safe for many threads."""

    def __init__(
        self,
        catalog: CatalogClient,
        limits: Limits,
        get_holder_id: Callable[[], UUID],
        waits: Waits,
        hear: Callable[[Epoch], None],
    ) -> None:
        """
        get_holder_id: returns the id of the present lease.

        hear: notes the epoch of an answer before it is used; raises Unreachable: it is over.
        """
        self._catalog, self._limits, self._hear = catalog, limits, hear
        self._get_holder_id, self._now_s = get_holder_id, waits.now_s
        self.renewal_sent_s: float | None = None
        """When a renewal of the lease was sent that is not answered yet."""
        self._away_until_s = 0.0
        self._batcher: Batcher[Wanted, Found] = Batcher(
            self._run, batch_max=READS_MAX, waiting_max=WAITING_MAX, waits=waits, begin=self._begin
        )

    def note_silence(self, pause_s: float = 0.0) -> None:
        """
        Note that the catalog did not answer: it is not asked until it should be back.

        pause_s: how much longer than to the next renewal of the lease.
        """
        self._away_until_s = self._now_s() + self._limits.renewal_s + pause_s

    def note_answer(self) -> None:
        """Note that the catalog answered."""
        self._away_until_s = 0.0

    def check_silence(self) -> None:
        """
        Raise Unreachable (indefinite) when the catalog did not answer a moment ago.

        So not every reader waits for it in turn.
        """
        now_s, sent_s = self._now_s(), self.renewal_sent_s
        is_late = sent_s is not None and now_s - sent_s > self._limits.ping_timeout_s
        if is_late or now_s < self._away_until_s:
            raise Unreachable("The catalog did not answer a moment ago.")

    def read(self, wanted: Wanted, done: TakeFound) -> None:
        """Read a stock in this thread, then call `done`."""
        try:
            (found,) = self._batcher.submit([wanted])
        except Exception as error:  # noqa: BLE001 - the reader gets it
            done(error)
        else:
            done(found)

    def read_later(self, loop: EventLoop | None, wanted: Wanted, done: TakeFound) -> None:
        """Begin to read a stock; `done` is called from any thread."""

        def take(found: Sequence[Found] | Exception) -> None:
            done(found if isinstance(found, Exception) else found[0])

        self._batcher.submit_later([wanted], take, loop)

    def _run(self, reads: Sequence[Wanted]) -> Sequence[Found]:
        """Send a message and wait for its answer. Raises Unreachable."""
        self.check_silence()
        names, since_s = _merge(reads), self._now_s()
        try:
            with tracing.bind(reads[0].span):
                found = self._catalog.read(self._get_holder_id(), names)
        except Unreachable as failure:
            if not failure.is_refused:
                self.note_silence()
            raise
        return self._spread(reads, names, since_s, found)

    def _begin(self, reads: Sequence[Wanted]) -> PendingReads | None:
        """Send a message; None without a kept connection. Raises Unreachable."""
        self.check_silence()
        names, since_s = _merge(reads), self._now_s()
        with tracing.bind(reads[0].span):
            call = self._catalog.begin_read(self._get_holder_id(), names)
        if call is None:
            return None
        until_s = since_s + self._catalog.timeout_s
        spread, run = partial(self._spread, reads, names, since_s), partial(self._run, reads)
        return PendingReads(call, until_s, spread, self.note_silence, run)

    def _spread(
        self,
        reads: Sequence[Wanted],
        names: Mapping[str, bool],
        since_s: float,
        found: FoundStocks,
    ) -> list[Found]:
        """Return what each reader gets; those of one stock share its entry. Raises Unreachable."""
        self._hear(found.epoch)
        entries: dict[str, Found] = {
            name: UnknownStock() if one is None else (StockEntry(one[0], since_s), one[1])
            for name, one in zip(names, found.stocks, strict=True)
        }
        return [entries[one.stock_name] for one in reads]


def _merge(reads: Sequence[Wanted]) -> dict[str, bool]:
    """Return each name once, with whether one of its readers keeps the stock."""
    names: dict[str, bool] = {}
    for one in reads:
        names[one.stock_name] = names.get(one.stock_name, False) or one.to_keep
    return names


def take_found(source: Source, take: TakeMaybe, found: Found | Exception) -> None:
    """Give a reader what the catalog has answered."""
    take(found if isinstance(found, Exception) else StockRead(found[0], source))


def share_found(
    ticket: Ticket, found: Found | Exception, shared: StockEntry | None
) -> StockRead | Exception | None:
    """Return what a reader gets that shares a fill; None: it must begin anew."""
    if shared is not None and ticket.admits(shared):
        return StockRead(shared, Source.COLLAPSED)
    if isinstance(found, UnknownStock) and not ticket.version_min:
        return found
    if isinstance(found, Exception) and not isinstance(found, Failure):
        return found
    return None  # it has heard of a newer version, or a failure is its owner's only
