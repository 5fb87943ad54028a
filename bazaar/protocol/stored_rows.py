"""
Rows of the databases as they are stored, for the audit (docs/PROTOCOL.md).

A page of the history (`messages.PageBody`) is checked before it is sent and while it is read. These
are not: keys, names and trade types are whatever text the row has.
"""

from msgspec import Struct

from bazaar.protocol.messages import Message, Place, StockBody

ROWS_MAX = 5000
"""Rows in one message."""
SEARCHED_MAX = 100_000
"""Orders that one search reads; the next search goes on before them."""


class StoredRow(Struct, frozen=True, array_like=True):
    """One order of a ledger or a log, with all that is stored beside it."""

    order_no: int
    key: str
    """A UUID; with or without hyphens, as the database stores it."""
    stock_name: str
    trade_type: str
    quantity: int
    placed_by: str | None
    """The name of a token; None: it came without one."""
    digest: str
    term: int | None = None
    """The term it was decided in; None in a replica's log, as is the version."""
    version: int | None = None
    """The version that the stock has from this order on."""
    decided_ms: int | None = None
    """When the catalog decided it, in ms since 1970; None in a log, and if taken from one."""


class StoredChange(Struct, frozen=True, array_like=True):
    """One stock change of a ledger or a log, as it is stored."""

    position: int
    change_no: int
    stock_name: str
    price: str
    opening: int
    issued: int
    version: int
    digest: str


class ChangesBody(Message, frozen=True, kw_only=True):
    """The stock changes right after a position."""

    changes: tuple[StoredChange, ...]
    last: Place
    """The newest entry in this database, of whatever kind."""


class RowsBody(Message, frozen=True, kw_only=True):
    """The rows right after an order, by their numbers."""

    rows: tuple[StoredRow, ...]
    last: Place
    """The newest order in this database."""


class FoundBody(Message, frozen=True, kw_only=True):
    """Rows with a text in their key or stock, the newest first."""

    rows: tuple[StoredRow, ...]
    first: Place
    """The oldest order that was searched; 1 when there are no more, 0 when there are none."""
    last: Place
    """The newest order in this database."""


class ListingBody(Message, frozen=True, kw_only=True):
    """Stocks in the order of their listing, all as of one order of the ledger."""

    stocks: tuple[StockBody, ...]
    end: Place
    """The place of the last stock, where the next page begins; unchanged at the end."""
    last: Place
    """The newest order in the ledger when the stocks were read."""
