"""What the catalog reads."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from bazaar.core import types
from bazaar.core.digest import GENESIS
from bazaar.core.election import Leadership
from bazaar.core.failures import GapFound, UnknownStock
from bazaar.core.ledger import Page
from bazaar.core.types import Digest, Order, OrderNo, ReplicaId, Term, TradeType, Version
from bazaar.runtime.transactions import read
from catalog_app.models import Entry, HolderRegistration, Stock

_LEADERSHIP = "SELECT term, leader FROM catalog_app_leadership WHERE id = 1"
_STOCK = (
    "SELECT name, price, quantity, opening, issued, trade_volume, version"
    " FROM catalog_app_stock WHERE name = ?"
)
_ORDER = ("order_no", "key", "stock_id", "trade_type", "quantity")
_CENTS = Decimal("0.01")


def get_leadership() -> Leadership:
    """Return the current term and its leader."""
    ((term, leader),) = read(_LEADERSHIP)  # every replica asks several times a second: no ORM
    return Leadership(Term(term), None if leader is None else ReplicaId(leader))


def get_head() -> tuple[OrderNo, Digest]:
    """Return the newest order's number and digest; 0 and GENESIS for an empty ledger."""
    newest = Entry.objects.order_by("-order_no").values_list("order_no", "digest").first()
    return (OrderNo(newest[0]), Digest(newest[1])) if newest else (OrderNo(0), GENESIS)


def get_stock(*, stock_name: str) -> types.Stock:
    """Return one stock as committed. Raises UnknownStock (definite)."""
    rows = read(_STOCK, [stock_name])  # every miss of every front end comes here: no ORM
    if not rows:
        raise UnknownStock
    name, price, quantity, opening, issued, trade_volume, version = rows[0]
    price = tidy(Decimal(str(price)))
    return types.Stock(name, price, quantity, opening, issued, trade_volume, Version(version))


def get_page(*, after: OrderNo, limit: int) -> Page:
    """Return up to `limit` orders after one. Raises GapFound (definite): the ledger ends before."""
    last, digest = get_head()
    if after > last:
        raise GapFound(last)
    if after == last:
        return Page(after=after, previous=digest, orders=(), digest=digest, last=last)
    rows = list(
        Entry.objects.filter(order_no__gt=after)
        .order_by("order_no")
        .values_list(*_ORDER, "digest")[:limit]
    )
    previous = (
        Digest(Entry.objects.values_list("digest", flat=True).get(pk=after)) if after else GENESIS
    )
    return Page(
        after=after,
        previous=previous,
        orders=tuple(map(_order, rows)),
        digest=Digest(rows[-1][5]),
        last=last,
    )


def list_holders() -> list[HolderRegistration]:
    """Return every registered holder, in the order of their ids."""
    return list(HolderRegistration.objects.order_by("holder_id"))


def list_addresses(*, holder_ids: Collection[str]) -> tuple[tuple[str, int], ...]:
    """Return host and control port of some holders, in the order of their ids."""
    return tuple(
        (row.host, row.control_port) for row in list_holders() if str(row.holder_id) in holder_ids
    )


def count_stocks() -> int:
    """Return how many stocks are listed."""
    return Stock.objects.count()


def tidy(price: Decimal) -> Decimal:
    """Return a price with two decimals, or with as many as it needs."""
    cents = price.quantize(_CENTS)
    return cents if cents == price else price


def _order(row: tuple[Any, ...]) -> Order:
    order_no, key, stock_name, trade_type, quantity = row[:5]
    return Order(OrderNo(order_no), key, stock_name, TradeType(trade_type), quantity)
