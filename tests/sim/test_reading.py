"""Readers of real front ends and a real catalog, whatever is late, lost, repeated or dead (I7)."""

from collections.abc import Callable, Sequence

import pytest

from bazaar.core.cache import Fill, StockCache
from bazaar.core.coherence import LeaseTable
from bazaar.protocol.cache_messages import LeaseBody
from catalog_app.lease_table import Invalidation, LeaseTableShell
from frontend_app.entries import StockEntry
from frontend_app.stocks import StockReader
from tests.sim.reading import REPEATABLE, STOCKS, ReadingBazaar, run_seed

pytestmark = pytest.mark.django_db(transaction=True)

SEEDS = 12
CHUNK = 6
PLANTED_SEEDS = 20
"""So many seeds are enough to find a fault; each of ours is found by far fewer."""


@pytest.mark.parametrize("begin", range(0, SEEDS, CHUNK))
def test_no_reader_sees_less_than_was_acknowledged_or_seen(begin: int) -> None:
    """I7: trades and prices, faults of every process and link, copies of every message."""
    _run_seeds(begin, begin + CHUNK)


def test_a_seed_is_a_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed once fails again, although real threads and a database take part."""
    first = ReadingBazaar(11, monkeypatch, has_trace=True)
    first.run()
    again = ReadingBazaar(11, monkeypatch, has_trace=True)
    again.run()
    assert first.network.trace == again.network.trace
    assert len(first.network.trace or ()) > 1000


def test_every_message_that_may_come_twice_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/PROTOCOL.md: copies arrive late and out of order, also from the life before."""
    bazaar = ReadingBazaar(14, monkeypatch)
    bazaar.run()
    assert bazaar.replayed == REPEATABLE
    assert bazaar.checks.reads > bazaar.checks.stale > 0
    assert bazaar.checks.unknown_reads > 0
    assert set(bazaar.checks.committed) > set(STOCKS), "something was listed"


def count_from_the_answer(patch: pytest.MonkeyPatch) -> None:
    """Let a lease begin when the answer comes, not when the question was sent."""
    prolong = StockReader._prolong

    def from_now(reader: StockReader, sent_s: float, answer: LeaseBody) -> None:
        prolong(reader, reader._now_s(), answer)

    patch.setattr(StockReader, "_prolong", from_now)


def keep_what_is_old(patch: pytest.MonkeyPatch) -> None:
    """Let a cache keep answers below the version that it heard of."""

    def finish(cache: StockCache[StockEntry], fill: Fill, stock: StockEntry | None) -> bool:
        cache.fills.pop(fill.stock_name, None)
        if stock is not None:
            cache.entries[stock.name] = stock
        return stock is not None

    patch.setattr(StockCache, "finish", finish)


def drop_what_was_subscribed(patch: pytest.MonkeyPatch) -> None:
    """Let a copy of a registration begin a lease without any subscription."""
    register = LeaseTable.register

    def anew(table: LeaseTable, holder_id: str, now_s: float) -> bool:
        table.drop(holder_id, now_s)
        del table.ended[holder_id]
        return register(table, holder_id, now_s)

    patch.setattr(LeaseTable, "register", anew)


def wait_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """Let a change be committed without the answers of the holders."""

    def finish(shell: LeaseTableShell, invalidation: Invalidation) -> Sequence[str]:
        return ()

    patch.setattr(LeaseTableShell, "finish", finish)


def list_without_a_word(patch: pytest.MonkeyPatch) -> None:
    """Let a stock be listed as one changes: only its subscribers are notified."""
    begin_change = LeaseTable.begin_change

    def begin(table: LeaseTable, names: list[str], *, is_listing: bool) -> tuple[str, ...]:
        return begin_change(table, names)

    patch.setattr(LeaseTable, "begin_change", begin)


@pytest.mark.parametrize(
    "plant",
    [
        count_from_the_answer,
        keep_what_is_old,
        drop_what_was_subscribed,
        wait_for_nobody,
        list_without_a_word,
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simulation that misses a fault it was made for proves nothing."""
    plant(monkeypatch)
    with pytest.raises(AssertionError, match="I7"):
        _run_seeds(0, PLANTED_SEEDS)


def _run_seeds(begin: int, end: int) -> None:
    for seed in range(begin, end):
        run_seed(seed)
