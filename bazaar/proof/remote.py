"""
A running cluster as sources: signed, paged reads on the control ports (docs/PROTOCOL.md).

The cluster goes on trading meanwhile. So every source ends at the order that was its newest when it
was opened, the ledger is opened last, and stocks come with the order that they are as of.
"""

from collections.abc import Iterator

import msgspec

from bazaar.core.failures import Failure
from bazaar.core.replica import ReplicaState
from bazaar.core.types import OrderNo
from bazaar.proof.sources import (
    CHUNK_ROWS,
    LEDGER_COLUMNS,
    ORDER_COLUMNS,
    Leadership,
    Row,
    SourceError,
    tidy_key,
)
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.messages import StockBody
from bazaar.protocol.rows import Row as StoredRow
from bazaar.protocol.rows import RowsBody


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


class LogRemote(_Remote):
    """A replica's log."""

    def __init__(self, name: str, client: ReplicaClient, page_rows: int = CHUNK_ROWS) -> None:
        """Read its status and the first page. Raises SourceError."""
        super().__init__(name, client, page_rows)
        try:
            status = client.status()
        except Failure as failure:
            raise self._failed(failure) from failure
        self._leadership = Leadership(
            status.term, status.leader, status.state == ReplicaState.LEADING
        )

    def leadership(self) -> Leadership:
        """Return the newest term it knew of."""
        return self._leadership


class LedgerRemote(_Remote):
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
        self._leadership = Leadership(found.term, found.leader)

    def leadership(self) -> Leadership:
        """Return the current term and its leader."""
        return self._leadership

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
