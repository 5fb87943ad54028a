"""Reads past memory wait without a thread, and travel together (I7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from bazaar.core.failures import UnknownStock, Unreachable
from bazaar.core.types import NO_EPOCH, VERSION_FIRST, Version
from bazaar.protocol.cache_messages import FoundStocks
from bazaar.protocol.transport import PendingCall
from frontend_app.entries import Source, StockRead
from frontend_app.stocks import StockReader
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import STOCK
from tests.support.loops import HandLoop
from tests.support.waits import wait_until

NAME = STOCK.name
Reads = list[StockRead | Exception]


@dataclass
class Message:
    """A message on its way to the catalog and back; it is answered when it is taken."""

    catalog: "SentCatalog"
    holder_id: UUID
    wanted: Mapping[str, bool]
    found: FoundStocks
    sock: Any = None
    is_given_up: bool = False

    def take(self) -> FoundStocks:
        return self.found

    def give_up(self) -> None:
        self.is_given_up = True


@dataclass
class SentCatalog(FakeCatalog):
    """A catalog that is asked by messages; it reads a stock when the message is sent."""

    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def begin_read(
        self, holder_id: UUID, wanted: Mapping[str, bool]
    ) -> PendingCall[FoundStocks] | None:
        found = self.read(holder_id, wanted)
        self.messages.append(Message(self, holder_id, wanted, found))
        return self.messages[-1]  # type: ignore[return-value]


@pytest.fixture
def catalog() -> SentCatalog:
    return SentCatalog()


@pytest.fixture
def loop() -> HandLoop:
    return HandLoop()


def begin(
    reader: StockReader, loop: HandLoop, name: str = NAME, *, is_fresh: bool = False
) -> Reads:
    """Begin to read a stock; return where the answer will be."""
    reads: Reads = []
    reader.read_later(name, is_fresh=is_fresh, loop=loop, done=reads.append)
    return reads


def seen(*reads: Reads) -> list[tuple[int, Source]]:
    """Return the version of each answer, and where it came from."""
    answers = [one for (one,) in reads]
    assert all(isinstance(one, StockRead) for one in answers), answers
    return [(one.entry.version, one.source) for one in answers]  # type: ignore[union-attr]


def test_reads_of_one_moment_travel_in_one_message(
    reader: StockReader, catalog: SentCatalog, loop: HandLoop
) -> None:
    catalog.stocks["BoarCo"] = replace(STOCK, name="BoarCo")
    reads = [
        begin(reader, loop),
        begin(reader, loop),
        begin(reader, loop, is_fresh=True),
        begin(reader, loop, "BoarCo", is_fresh=True),
    ]
    loop.turn()
    (message,) = catalog.messages
    assert (message.holder_id, message.wanted) == (
        reader.holder.holder_id,
        {NAME: True, "BoarCo": False},
    )
    loop.answer()
    assert seen(*reads) == [
        (1, Source.STORED),
        (1, Source.COLLAPSED),
        (1, Source.REQUEST),
        (1, Source.REQUEST),
    ]
    assert [entry.stock_name for entry in reader.contents()] == [NAME]


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_read_that_begins_after_a_message_was_sent_has_one_of_its_own(
    reader: StockReader, catalog: SentCatalog, loop: HandLoop, *, is_fresh: bool
) -> None:
    """I7: a change may have been acknowledged in between."""
    early = begin(reader, loop, is_fresh=is_fresh)
    loop.turn()
    reader.invalidate(NO_EPOCH, [(NAME, Version(2))])
    catalog.change()
    late = begin(reader, loop, is_fresh=is_fresh)
    loop.turn()
    loop.answer()
    loop.answer()
    assert [version for version, _ in seen(early, late)] == [1, 2]
    assert [entry.version for entry in reader.contents()] == ([] if is_fresh else [2])


def test_a_reader_that_may_not_share_begins_anew(
    reader: StockReader, catalog: SentCatalog, loop: HandLoop
) -> None:
    """I7: it had heard of a newer version before it joined."""
    reader.invalidate(NO_EPOCH, [(NAME, Version(2))])
    owner = begin(reader, loop)
    loop.turn()
    catalog.change()
    joined = begin(reader, loop)
    loop.answer()
    assert seen(owner) == [(1, Source.MISS)]
    loop.answer()
    assert seen(joined) == [(2, Source.STORED)]


def test_a_reader_that_heard_of_a_listing_begins_anew(
    reader: StockReader, catalog: SentCatalog, loop: HandLoop
) -> None:
    reader.invalidate(NO_EPOCH, [("NewCo", VERSION_FIRST)])
    owner = begin(reader, loop, "NewCo")
    loop.turn()
    catalog.stocks["NewCo"] = replace(STOCK, name="NewCo")
    joined = begin(reader, loop, "NewCo")
    loop.answer()
    loop.answer()
    assert isinstance(owner[0], UnknownStock)
    assert seen(joined) == [(1, Source.STORED)]


def test_a_silent_catalog_is_given_up_once_for_all_who_wait(
    reader: StockReader, catalog: SentCatalog, loop: HandLoop
) -> None:
    """What memory has is answered, marked as stale."""
    reader.read(NAME)
    early = begin(reader, loop, is_fresh=True)
    loop.turn()
    waiting = begin(reader, loop, "NewCo")
    loop.answer(is_readable=False)
    late = begin(reader, loop, is_fresh=True)
    assert catalog.messages[0].is_given_up
    assert len(catalog.messages) == 1
    assert seen(early, late) == [(1, Source.STALE), (1, Source.STALE)]
    assert isinstance(waiting[0], Unreachable)


def test_without_an_event_loop_a_thread_asks(reader: StockReader, catalog: SentCatalog) -> None:
    reads: Reads = []
    reader.read_later(NAME, is_fresh=False, loop=None, done=reads.append)
    wait_until(lambda: reads)
    assert seen(reads) == [(1, Source.STORED)]
    assert catalog.messages == []
