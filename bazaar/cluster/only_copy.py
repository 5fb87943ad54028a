"""
Keep a replica's database while only it may have something (I3).

That is whatever its log has and the ledger lacks: the ledger as the catalog tells it over the
network; while no catalog answers, as its file beside this one has it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bazaar.cluster.exits import ClusterError
from bazaar.cluster.sequence_file import SequenceFile, UnreadableFile
from bazaar.cluster.snapshot import Observer
from bazaar.core.failures import Failure
from bazaar.core.types import START, Head, Position
from bazaar.protocol.clients import CatalogClient
from bazaar.settings import env
from bazaar.settings.typed import manage
from bazaar.topology import Role, process_name

CALL_TIMEOUT_S = 2.0


class Heads(Protocol):
    """A sequence, as far as two of them are compared."""

    @property
    def head(self) -> Head:
        """Where it ends."""

    def head_at(self, position: Position) -> Head:
        """Return the head that it had at a position, which is not beyond its end."""


@dataclass(frozen=True)
class NoLedger:
    """A ledger that nobody has."""

    head: Head = START

    def head_at(self, position: Position) -> Head:
        """Return the start."""
        assert position == 0, "there is nothing behind the start"
        return START


class AnsweredLedger:
    """The ledger as the catalog tells it."""

    def __init__(self, client: CatalogClient) -> None:
        """Ask where it ends. Raises Unreachable."""
        self._client = client
        self.head = self.head_at(Position(client.status().position))

    def head_at(self, position: Position) -> Head:
        """Return the head at a position. Raises Unreachable."""
        return self._client.ledger(position, 1).after


def check(cluster: Observer, name: str, lose: int) -> None:
    """
    Check that the ledger has all that a replica's log has, but for `lose` entries.

    A log that cannot be read is no reason to keep its replica out. Raises ClusterError.
    """
    path = cluster.data.database(name)
    assert path is not None, "replicas have databases"
    with contextlib.suppress(UnreadableFile), SequenceFile(path) as log:
        with _open_ledger(cluster) as ledger:
            shared = find_shared(log, ledger)
        count = log.head.position - shared.position
        if count not in (0, lose):
            again = manage(
                *("cluster", "rebuild", name, "--lose-orders", str(count)), data=cluster.data.root
            )
            raise ClusterError(_describe(name, shared, log.head, again))


def find_shared(one: Heads, other: Heads) -> Head:
    """Return the last head of two sequences' shared history: equal digests tell (I8)."""
    low, high = 0, int(min(one.head.position, other.head.position))
    middle = high
    while low < high:
        if one.head_at(Position(middle)).digest == other.head_at(Position(middle)).digest:
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return one.head_at(Position(low))


@contextlib.contextmanager
def _open_ledger(cluster: Observer) -> Iterator[Heads]:
    """Yield the ledger, as good as it can be had. Raises ClusterError: its answers stopped."""
    client = CatalogClient.at(
        cluster.topology.catalog, env.read_secret(cluster.environ), CALL_TIMEOUT_S
    )
    with contextlib.ExitStack() as stack:
        stack.callback(client.close)
        ledger: Heads = NoLedger()
        try:
            ledger = AnsweredLedger(client)
        except Failure:
            path = cluster.data.root / f"{process_name(Role.CATALOG, 1)}.sqlite3"
            with contextlib.suppress(UnreadableFile):
                ledger = stack.enter_context(SequenceFile(path))
        try:
            yield ledger
        except Failure as failure:
            raise ClusterError(f"The catalog stopped answering: {failure.message}") from failure


def _describe(name: str, shared: Head, last: Head, again: str) -> str:
    entries = last.position - shared.position
    orders = last.order_no - shared.order_no
    first = shared.order_no + 1
    what = f"{entries} price changes or listings" if entries > 1 else "a price change or listing"
    if orders:
        what = f"order {first}" if orders == 1 else f"orders {first:,} to {last.order_no:,}"
    return (
        f"{name} has {what} that the ledger lacks, and may be the only one that does: start the "
        f"catalog, which takes them from the replicas; or lose them (entries "
        f"{shared.position + 1:,} to {last.position:,}) by `{again}`."
    )
