"""What a replica's log holds, as it is, for the audit: damaged or not, serving or not."""

from django.db.models import CharField, Max
from django.db.models.functions import Cast

from bazaar.core.types import OrderNo
from bazaar.protocol.rows import FoundBody, Row, RowsBody
from bazaar.runtime.search import find_rows
from order_app.models import LogEntry

_ROW = ("order_no", "key_text", "stock_name", "trade_type", "quantity", "digest")


def list_rows(*, after: OrderNo, limit: int) -> RowsBody:
    """Return up to `limit` rows of the log after an order."""
    rows = (
        LogEntry.objects.annotate(key_text=Cast("key", CharField()))
        .filter(order_no__gt=after)
        .order_by("order_no")
        .values_list(*_ROW)[:limit]
    )
    last = LogEntry.objects.aggregate(last=Max("order_no"))["last"] or 0
    return RowsBody(rows=tuple(Row(*row) for row in rows), last=last)


def find(*, text: str, before: int, limit: int) -> FoundBody:
    """Return the newest rows before an order with a text in key or stock; see `find_rows`."""
    return find_rows(LogEntry.objects.all(), _ROW, text=text, before=before, limit=limit)
