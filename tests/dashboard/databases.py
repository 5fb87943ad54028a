"""Databases of some orders and stocks, as the dashboard asks for them."""

from msgspec.structs import replace

from bazaar.core.failures import Unreachable
from bazaar.protocol.messages import StockBody, StocksBody
from bazaar.protocol.stored_rows import FoundBody, ListingBody, RowsBody, StoredRow
from tests.support.histories import STOCK

ROW = StoredRow(
    order_no=7,
    key="k-7",
    stock_name="<b>Co</b>",
    trade_type="buy",
    quantity=3,
    placed_by=None,
    digest="d" * 64,
    decided_ms=1_767_323_045_678,
)


NAMES = ("<bo>", "BoarCo", "JumboCo", "MenhirCo")
LISTED = StockBody.from_core(STOCK)


class Database:
    """A database of some orders, or one that does not answer."""

    def __init__(self, rows: tuple[StoredRow, ...] | None) -> None:
        self.held = rows

    def rows(self, after: int, limit: int) -> RowsBody:
        if self.held is None:
            raise Unreachable("refused")
        return RowsBody(rows=tuple(row for row in self.held if row.order_no > after), last=7)

    def find(self, text: str, before: int, limit: int) -> FoundBody:
        if self.held is None:
            raise Unreachable("refused")
        wanted = text.casefold()
        rows = [row for row in self.held if wanted in f"{row.key} {row.stock_name}".casefold()]
        return FoundBody(rows=tuple(rows), first=max(before - 5, 1), last=7)

    def search(self, text: str, after: str | None, limit: int) -> StocksBody:
        if self.held is None:
            raise Unreachable("the catalog is away")
        names = [name for name in NAMES if text.casefold() in name.casefold()]
        stocks = tuple(replace(LISTED, name=name) for name in names)
        return StocksBody(stocks=stocks[:limit], end=None)

    def listing(self, after: int, limit: int) -> ListingBody:
        raise Unreachable("the catalog is away")
