"""What the catalog reads."""

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from bazaar.core import types
from bazaar.core.activity import ActiveCatalog, ActiveRecord, Heartbeat
from bazaar.core.election import Leadership
from bazaar.core.failures import UnknownStock
from bazaar.core.types import CatalogId, Epoch, ReplicaId, Term, Version, tidy
from bazaar.protocol.cache_messages import NamesBody
from bazaar.protocol.messages import StockBody, StocksBody
from bazaar.protocol.stored_rows import ListingBody
from bazaar.runtime.damage import damage
from bazaar.runtime.engines import Query, current, marks
from bazaar.runtime.row_copies import sound
from bazaar.runtime.sequence_rows import make_pattern
from bazaar.runtime.sequence_store import SequenceStore
from bazaar.runtime.transactions import read
from bazaar.runtime.verified_points import VerifiedPoints
from catalog_app.models import Entry, HolderRegistration, Identity, Stock

LEDGER = SequenceStore(
    "catalog_app_entry", "catalog_app_stockchange", "term", "version", "decided_ms"
)
POINTS = VerifiedPoints(LEDGER, "catalog_app_verifiedpoint")
_STOCK_COLUMNS = ("name", "price", "quantity", "opening", "issued", "trade_volume", "version")
_IS_STOCK_SOUND = sound(*_STOCK_COLUMNS)
_SELECT_STOCKS = f"SELECT {', '.join(_STOCK_COLUMNS)}, {_IS_STOCK_SOUND} FROM catalog_app_stock"  # noqa: S608 - our own names
_STOCKS = _SELECT_STOCKS + " WHERE name IN ({})"
_UNINDEXED = (
    f"SELECT name FROM catalog_app_stock{current().unindexed}"  # noqa: S608 - our own names
    " WHERE name IN ({}) LIMIT 1"
)
_ALL_STOCKS = _SELECT_STOCKS + " ORDER BY id"
IS_LEADERSHIP_SOUND = sound(
    *(f"leadership.{column}" for column in ("epoch", "active", "term", "leader", "in_sync")),
    *(f"leadership.{column}" for column in ("position", "digest", "decisions")),
)
_LEADERSHIP = (
    f"SELECT term, leader, in_sync, {IS_LEADERSHIP_SOUND}"  # noqa: S608 - our own names
    " FROM catalog_app_leadership leadership WHERE id = 1"
)
_ACTIVE = (
    f"SELECT epoch, active, proofs, decisions, {IS_LEADERSHIP_SOUND}"  # noqa: S608 - our own names
    " FROM catalog_app_leadership leadership WHERE id = 1"
)
_NAMES = (
    f"SELECT id, name, {_IS_STOCK_SOUND} FROM catalog_app_stock"  # noqa: S608 - our own names
    " WHERE id > ? ORDER BY id LIMIT ?"
)
NAMES_SEARCHED_MAX = 20_000
"""Names that one page of a search looks through."""
_END = (
    "SELECT MAX(name), COUNT(*) FROM (SELECT name FROM catalog_app_stock WHERE name > ?"
    " ORDER BY name LIMIT ?) AS names"
)
_SEARCH = (
    _SELECT_STOCKS + f" WHERE name > ? AND name <= ? AND name {current().like} ? ESCAPE '!'"
    " ORDER BY name LIMIT ?"
)
_COUNT = "SELECT COUNT(*) FROM catalog_app_stock"
_ADDRESSES = (
    "SELECT holder_id, host, control_port FROM catalog_app_holderregistration ORDER BY holder_id"
)
_LISTED = "SELECT MAX(id) FROM catalog_app_stock"


def get_leadership() -> Leadership:
    """Return the current term and its leader."""
    term, leader, _ = _read_leadership()
    return Leadership(Term(term), None if leader is None else ReplicaId(leader))


def get_active() -> ActiveRecord:
    """Return the epoch, which catalog is active in it, and its heartbeat."""
    for epoch, active, proofs, decisions, is_sound in read(_ACTIVE):
        if is_sound:
            catalog = None if active is None else CatalogId(active)
            return ActiveRecord(
                ActiveCatalog(Epoch(epoch), catalog), make_heartbeat(proofs, decisions)
            )
    raise damage.refuse("the leadership")


def make_heartbeat(proofs_us: int, decisions: int) -> Heartbeat:
    """Return what each write of the active changes, its time in seconds."""
    return proofs_us / 1e6, decisions


def list_in_sync() -> tuple[ReplicaId, ...]:
    """Return the replicas in sync, as the leader of the newest batch said."""
    *_, text = _read_leadership()
    return read_ids(text)


def _read_leadership() -> Any:
    """Read the one row: every replica does several times a second, so without the ORM."""
    for *row, is_sound in read(_LEADERSHIP):
        if is_sound:
            return row
    raise damage.refuse("the leadership")


def read_ids(text: str) -> tuple[ReplicaId, ...]:
    """Return the replicas that are written as ids with commas."""
    return tuple(ReplicaId(int(one)) for one in text.split(",") if one)


def list_all_stocks() -> list[types.Stock]:
    """Return all stocks in the order of their listing."""
    return [make_stock(row) for row in read(_ALL_STOCKS)]


def get_stock(*, stock_name: str) -> types.Stock:
    """Return one stock as committed. Raises UnknownStock (definite)."""
    stocks = get_stocks(stock_names=[stock_name])
    if not stocks:
        raise UnknownStock
    return stocks[stock_name]


def get_stocks(*, stock_names: Collection[str]) -> dict[str, types.Stock]:
    """Return those of some stocks that exist, by name, all of one committed state."""
    names = list(stock_names)
    return make_stocks(names, read(*query_stocks(names)))


def list_stocks(*, after: int, limit: int) -> ListingBody:
    """
    Return stocks after a place, and the ledger's end at that moment.

    Stocks and end are read in one statement: they belong to one committed state (I4).
    """
    newest = Entry.objects.order_by("-order_no").values("order_no")[:1]
    stocks = list(Stock.objects.annotate(last=newest).filter(pk__gt=after).order_by("pk")[:limit])
    if not stocks:
        return ListingBody(stocks=(), end=after, last=LEDGER.head.order_no)
    bodies = tuple(
        StockBody(
            name=stock.name,
            price=tidy(stock.price),
            quantity=stock.quantity,
            opening=stock.opening,
            issued=stock.issued,
            trade_volume=stock.trade_volume,
            version=stock.version,
        )
        for stock in stocks
    )
    return ListingBody(stocks=bodies, end=stocks[-1].pk, last=stocks[-1].last or 0)


def search_stocks(*, text: str, after: str, limit: int) -> StocksBody:
    """
    Return stocks whose names contain a text, by name.

    text: in any case of ASCII letters. after: a name, or nothing. NAMES_SEARCHED_MAX names are
    looked through at most (I10), so a page may be short, or have none, and there are more.
    """
    ((end, count),) = read(_END, [after, NAMES_SEARCHED_MAX])
    rows = read(_SEARCH, [after, end, make_pattern(text), limit]) if count else []
    if len(rows) == limit:
        end = rows[-1][0]
    elif count < NAMES_SEARCHED_MAX:
        end = None
    stocks = tuple(make_stock(row) for row in rows)
    return StocksBody(stocks=tuple(map(StockBody.from_core, stocks)), end=end)


def list_names(*, after: int, limit: int) -> NamesBody:
    """Return the names of the stocks after a place in the listing."""
    rows = read(_NAMES, [after, limit])
    if not all(is_sound for _, _, is_sound in rows):
        raise damage.refuse("a stock")
    return NamesBody(names=tuple(name for _, name, _ in rows), end=rows[-1][0] if rows else after)


def get_listing_end() -> int:
    """Return the place of the newest stock in the listing; 0: there is none."""
    ((end,),) = read(_LISTED)
    return end or 0


def get_incarnation() -> UUID | None:
    """Return the identity of this database since it was made or put back."""
    found = Identity.objects.filter(pk=1).values_list("incarnation", flat=True)
    return found[0] if found else None


def list_holders() -> list[HolderRegistration]:
    """Return every registered holder, in the order of their ids."""
    return list(HolderRegistration.objects.order_by("holder_id"))


def list_addresses(*, holder_ids: Collection[str]) -> tuple[tuple[str, int], ...]:
    """
    Return host and control port of some holders, each process once.

    Without the ORM, as `count_stocks`: each status asks for it, a few times a second.
    """
    rows = read(_ADDRESSES)
    found = ((host, port) for key, host, port in rows if str(UUID(str(key))) in holder_ids)
    return tuple(dict.fromkeys(found))


def count_stocks() -> int:
    """Return how many stocks are listed."""
    return int(read(_COUNT)[0][0])


def query_stocks(names: Sequence[str]) -> Query:
    """Return the query for stocks by name; `make_stocks` takes its rows."""
    return _STOCKS.format(marks(len(names))), names


def make_stocks(
    stock_names: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    make_price: Callable[[Decimal], Decimal] = tidy,
) -> dict[str, types.Stock]:
    """
    Return stocks by name, of rows of `query_stocks`.

    stock_names: what was asked for. make_price: of the row's price, of the same value. Raises
    Unreachable (indefinite): one is damaged.
    """
    stocks = {row[0]: make_stock(row, make_price) for row in rows}
    missing = [name for name in stock_names if name not in stocks]
    is_checked = missing and current().unindexed
    if is_checked and read(_UNINDEXED.format(marks(len(missing))), missing):
        raise damage.refuse("the table catalog_app_stock")  # its index does not lead to it
    return stocks


def make_stock(
    row: tuple[Any, ...], make_price: Callable[[Decimal], Decimal] = tidy
) -> types.Stock:
    """Return the stock of such a row. Raises Unreachable (indefinite): it is damaged."""
    name, price, quantity, opening, issued, trade_volume, version, is_sound = row
    if not is_sound:
        raise damage.refuse(f"stock {name}")
    price = make_price(Decimal(str(price)))
    return types.Stock(name, price, quantity, opening, issued, trade_volume, Version(version))
