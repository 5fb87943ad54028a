"""What the catalog's tables hold, as they are, for the audit: pages of them, and no checks."""

from django.db.models import CharField, Max
from django.db.models.functions import Cast

from bazaar.core.types import OrderNo
from bazaar.protocol.messages import StockBody
from bazaar.protocol.rows import FoundBody, ListingBody, Row, RowsBody
from bazaar.runtime.search import find_rows
from catalog_app.models import Entry, Stock
from catalog_app.selectors import tidy

_ROW = ("order_no", "key_text", "stock_id", "trade_type", "quantity", "digest", "term", "version")
_STOCK = ("pk", "name", "price", "quantity", "opening", "issued", "trade_volume", "version")


def list_rows(*, after: OrderNo, limit: int) -> RowsBody:
    """Return up to `limit` rows of the ledger after an order, damaged ones too."""
    rows = (
        Entry.objects.annotate(key_text=Cast("key", CharField()))
        .filter(order_no__gt=after)
        .order_by("order_no")
        .values_list(*_ROW)[:limit]
    )
    return RowsBody(rows=tuple(Row(*row) for row in rows), last=_last())


def find(*, text: str, before: int, limit: int) -> FoundBody:
    """Return the newest rows before an order with a text in key or stock; see `find_rows`."""
    return find_rows(Entry.objects.all(), _ROW, text=text, before=before, limit=limit)


def list_stocks(*, after: int, limit: int) -> ListingBody:
    """
    Return up to `limit` stocks after one, by their places, and the ledger's end at that moment.

    Stocks and end are read in one statement: they belong to one committed state (I4).
    """
    newest = Entry.objects.order_by("-order_no").values("order_no")[:1]
    rows = list(
        Stock.objects.annotate(last=newest)
        .filter(pk__gt=after)
        .order_by("pk")
        .values_list(*_STOCK, "last")[:limit]
    )
    stocks = tuple(
        StockBody(
            name=name,
            price=tidy(price),
            quantity=quantity,
            opening=opening,
            issued=issued,
            trade_volume=trade_volume,
            version=version,
        )
        for _, name, price, quantity, opening, issued, trade_volume, version, _ in rows
    )
    if not rows:
        return ListingBody(stocks=(), end=after, last=_last())
    return ListingBody(stocks=stocks, end=rows[-1][0], last=rows[-1][-1] or 0)


def _last() -> OrderNo:
    return OrderNo(Entry.objects.aggregate(last=Max("order_no"))["last"] or 0)
