"""
Audit sources of a running cluster: paged reads (docs/PROTOCOL.md).

The cluster goes on trading meanwhile. So every source ends at the order that was its newest when it
was opened, the ledger is opened last, and stocks come with the order that they are as of.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import msgspec

from bazaar.clock import wait_until
from bazaar.core.failures import Failure
from bazaar.core.replica import ReplicaState
from bazaar.core.types import OrderNo, Position
from bazaar.proof.sources import (
    CHUNK_ROWS,
    LEDGER_COLUMNS,
    ORDER_COLUMNS,
    KnownTerm,
    Row,
    SourceError,
    tidy_key,
)
from bazaar.protocol.catalog_route import CatalogLink
from bazaar.protocol.clients import CatalogClient, FrontEndClient, ReplicaClient
from bazaar.protocol.messages import StockBody
from bazaar.protocol.stored_rows import RowsBody, StoredRow
from bazaar.topology import Role, Topology, process_name

LEVEL_TIMEOUT_S = 30.0
"""For a replica to come back and catch up after the last fault."""
THREADS_MAX = 16


@dataclass(frozen=True, slots=True)
class ClusterClients:
    """The typed clients of a cluster, by process; the `with` block closes them."""

    catalog: CatalogClient
    replicas: Mapping[str, ReplicaClient]
    front_ends: Mapping[str, FrontEndClient]

    @classmethod
    def of(cls, topology: Topology, secret: bytes, timeout_s: float) -> Self:
        """Return those of a cluster; timeout_s: for each call."""
        return cls(
            CatalogLink(topology, secret).connect(timeout_s),
            {
                process_name(Role.ORDER, node.id): ReplicaClient.at(node, secret, timeout_s)
                for node in topology.replicas
            },
            {
                process_name(Role.FRONT_END, node.id): FrontEndClient.at(node, secret, timeout_s)
                for node in topology.front_ends
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self.catalog, *self.replicas.values(), *self.front_ends.values()):
            client.close()


def wait_until_level(
    clients: ClusterClients, timeout_s: float = LEVEL_TIMEOUT_S
) -> tuple[str, ...]:
    """
    Wait until every replica has the whole ledger; return a sentence for each late.

    For a cluster that receives no more trades.
    """
    faults: list[str] = []

    def is_level() -> bool:
        faults[:] = _find_late(clients)
        return not faults

    wait_until(is_level, timeout_s)
    return tuple(f"{fault}, and has been so for {timeout_s:g} s." for fault in faults)


def _find_late(clients: ClusterClients) -> list[str]:
    try:
        last = clients.catalog.status().last
    except Failure as failure:
        return [f"catalog: {failure.message.rstrip('.')}"]
    with ThreadPoolExecutor(THREADS_MAX) as pool:
        found = pool.map(lambda one: _lateness(one[0], one[1], last), clients.replicas.items())
    return [fault for fault in found if fault]


def _lateness(name: str, replica: ReplicaClient, last: int) -> str:
    """Return why a replica is not level, "" when it is."""
    try:
        status = replica.status()
    except Failure as failure:
        return f"{name}: {failure.message.rstrip('.')}"
    if not status.is_ready:
        return f"{name} does not serve ({status.state})"
    if status.last < last:
        return f"{name} is at order {status.last:,} of {last:,}"
    return ""


class _Remote:
    """The orders of one role, up to its newest at the beginning."""

    columns = ORDER_COLUMNS

    def __init__(
        self, name: str, client: CatalogClient | ReplicaClient, page_rows: int = CHUNK_ROWS
    ) -> None:
        """Read the first page. Raises SourceError."""
        self.name, self._client, self._page_rows = name, client, page_rows
        self._first = self._page(0)
        self.last = self._first.last

    def chunks(self) -> Iterator[list[Row]]:
        """Yield all rows by their numbers."""
        page = self._first
        while rows := [self._row(one) for one in page.rows if one.order_no <= self.last]:
            yield rows
            if rows[-1][0] >= self.last:
                return
            page = self._page(rows[-1][0])

    def changes(self) -> list[Row]:
        """Return the stock changes up to the newest order, and those right after it."""
        found: list[Row] = []
        after = Position(0)
        try:
            while page := self._client.changes(after, self._page_rows).changes:
                found += map(msgspec.structs.astuple, page)
                after = Position(page[-1].position)
        except Failure as failure:
            raise self._failed(failure) from failure
        return [row for row in found if row[0] - row[1] <= self.last]

    def _row(self, one: StoredRow) -> Row:
        order_no, key, *rest = msgspec.structs.astuple(one)[: self.columns]
        return order_no, tidy_key(key), *rest

    def _page(self, after: int) -> RowsBody:
        try:
            return self._client.rows(OrderNo(after), self._page_rows)
        except Failure as failure:
            raise self._failed(failure) from failure

    def _failed(self, failure: Failure) -> SourceError:
        return SourceError(f"{self.name} cannot be read: {failure.message}")


class RemoteLog(_Remote):
    """A replica's log."""

    def __init__(self, name: str, client: ReplicaClient, page_rows: int = CHUNK_ROWS) -> None:
        """Read its status and the first page. Raises SourceError."""
        super().__init__(name, client, page_rows)
        try:
            status = client.status()
        except Failure as failure:
            raise self._failed(failure) from failure
        self.known_term = KnownTerm(
            status.term, status.leader, status.state == ReplicaState.LEADING
        )


class RemoteLedger(_Remote):
    """The catalog's ledger and stocks."""

    columns = LEDGER_COLUMNS

    def __init__(self, name: str, client: CatalogClient, page_rows: int = CHUNK_ROWS) -> None:
        """Read the stocks, the first page and the leadership. Raises SourceError."""
        try:
            self._stocks = list(_stocks(client, page_rows))
            super().__init__(name, client, page_rows)
            found = client.get_leadership()
        except Failure as failure:
            raise SourceError(f"{name} cannot be read: {failure.message}") from failure
        self.known_term = KnownTerm(found.term, found.leader)

    def stocks(self) -> Iterator[Row]:
        """Yield the stocks as they were."""
        yield from self._stocks


def _stocks(client: CatalogClient, page_rows: int) -> Iterator[Row]:
    after = 0
    while (page := client.listing(after, page_rows)).stocks:
        for one in page.stocks:
            yield (*_stock(one), page.last)
        after = page.end


def _stock(one: StockBody) -> Row:
    numbers = (one.quantity, one.opening, one.issued, one.trade_volume, one.version)
    return one.name, str(one.price), *numbers
