"""How a decision is written: few statements, plain SQL, inside the deciding transaction."""

from django.db import connection

from bazaar.core.digest import link
from bazaar.core.ledger import Book, Decision
from bazaar.core.types import Stock

_INSERT = (
    "INSERT INTO catalog_app_entry"
    " (order_no, key, stock_name, trade_type, quantity, term, digest)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
_UPDATE = (
    "UPDATE catalog_app_stock SET quantity = %s, trade_volume = %s, version = %s"
    " WHERE name = %s AND version = %s"
)


def write(book: Book, decision: Decision) -> None:
    """Append the orders to the ledger and change their stocks."""
    if not decision.orders:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            _INSERT,
            [
                (
                    order.order_no,
                    order.key.hex,
                    order.stock_name,
                    order.trade_type.value,
                    order.quantity,
                    book.term,
                    digest,
                )
                for order, digest in link(book.digest, decision.orders)
            ],
        )
        for stock in decision.stocks:
            before: Stock = book.stocks[stock.name]
            cursor.execute(
                _UPDATE,
                (stock.quantity, stock.trade_volume, stock.version, stock.name, before.version),
            )
            assert cursor.rowcount == 1, "only one writer changes a stock at a time"
