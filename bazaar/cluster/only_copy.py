"""
Keep a database while only it may have something (I3).

That is what a replica's log has and the ledger lacks, or the ledger has and every replica lacks.
The others are asked over the network; those that do not answer are read from their files, where
they are in the same folder.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bazaar.clock import wait_until
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.sequence_file import SequenceFile, UnreadableFile
from bazaar.cluster.snapshot import Observer
from bazaar.core.failures import Failure, Unreachable
from bazaar.core.types import START, Head, Position
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.settings import env
from bazaar.settings.typed import manage
from bazaar.topology import Role, role_of

CALL_TIMEOUT_S = 2.0
ON_ITS_WAY_S = 1.0
"""For the replicas to get what the catalog has just decided."""


class Heads(Protocol):
    """A sequence, as far as two of them are compared."""

    @property
    def head(self) -> Head:
        """Where it ends."""

    def head_at(self, position: Position) -> Head:
        """Return the head that it had at a position, which is not beyond its end."""


@dataclass(frozen=True)
class NoCopy:
    """What a process has of which nothing can be learned."""

    head: Head = START

    def head_at(self, position: Position) -> Head:
        """Return the start."""
        assert position == 0, "there is nothing behind the start"
        return START


class AnsweredCopy:
    """A sequence as its process tells it."""

    def __init__(self, client: CatalogClient | ReplicaClient) -> None:
        """Ask where it ends. Raises Failure."""
        self._page = client.ledger if isinstance(client, CatalogClient) else client.log
        self.head = self.head_at(Position(client.status().position))

    def head_at(self, position: Position) -> Head:
        """Return the head at a position. Raises Failure."""
        return self._page(position, 1).after


def check(cluster: Observer, name: str, lose: int) -> None:
    """
    Check that others have all that a database has, but for `lose` entries.

    name: a replica or the catalog. A database that cannot be read need not be kept, nor what is in
    it from the first wrong entry on. Raises ClusterError.
    """
    path = cluster.data.database(name)
    assert path is not None, "only processes with a database are rebuilt"
    is_catalog = role_of(name) is Role.CATALOG
    others = [node for node in cluster.nodes if role_of(node) in (Role.CATALOG, Role.ORDER)]
    others = [one for one in others if (role_of(one) is Role.CATALOG) is not is_catalog]
    with contextlib.suppress(UnreadableFile), SequenceFile(path) as mine:
        shared = last = START

        def may_go() -> bool:
            nonlocal shared, last
            found = (_find_shared_with(cluster, other, mine) for other in others)
            shared = max(found, key=lambda head: head.position)
            last = mine.find_sound_end(shared)
            return last.position - shared.position in (0, lose)

        if not wait_until(may_go, ON_ITS_WAY_S if is_catalog else 0.0):
            count = str(last.position - shared.position)
            again = manage(
                *("cluster", "rebuild", name, "--lose-orders", count), data=cluster.data.root
            )
            raise ClusterError(_describe(name, shared, last, again))


def _find_shared_with(cluster: Observer, name: str, mine: SequenceFile) -> Head:
    """Return the last head shared with another process; what of it is damaged is no copy."""
    try:
        with _open_copy(cluster, name) as copy:
            return find_shared(mine, copy)
    except UnreadableFile as error:
        if error.path == mine.path:
            raise
        return START


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
def _open_copy(cluster: Observer, name: str) -> Iterator[Heads]:
    """Yield what a process has, as good as it can be had. Raises ClusterError: it stopped."""
    kind = CatalogClient if role_of(name) is Role.CATALOG else ReplicaClient
    client = kind.at(cluster.nodes[name], env.read_secret(cluster.environ), CALL_TIMEOUT_S)
    with contextlib.ExitStack() as stack:
        stack.callback(client.close)
        copy: Heads = NoCopy()
        try:
            copy = AnsweredCopy(client)
        except Unreachable:
            path = cluster.data.root / f"{name}.sqlite3"
            with contextlib.suppress(UnreadableFile):
                copy = stack.enter_context(SequenceFile(path))
        except Failure:  # a replica whose log is damaged says so: it is no copy
            pass
        try:
            yield copy
        except Failure as failure:
            raise ClusterError(f"{name} stopped answering: {failure.message}") from failure


def _describe(name: str, shared: Head, last: Head, again: str) -> str:
    entries = last.position - shared.position
    orders = last.order_no - shared.order_no
    first = shared.order_no + 1
    what = f"{entries} price changes or listings" if entries > 1 else "a price change or listing"
    if orders:
        what = f"order {first}" if orders == 1 else f"orders {first:,} to {last.order_no:,}"
    where, mend = "the ledger lacks", "the catalog, which takes them from the replicas"
    if role_of(name) is Role.CATALOG:
        where, mend = "every replica lacks", "it and the replicas, which take them from it"
    return (
        f"{name} has {what} that {where}, and may be the only one that does: start {mend}; or lose "
        f"them (entries {shared.position + 1:,} to {last.position:,}) by `{again}`."
    )
