"""
Audit sources: a catalog's ledger and stocks, and the replicas' logs.

A row of an order is a plain tuple: order_no, key (32 hex digits), stock_name, trade_type, quantity,
placed_by, digest; the ledger's have term and version after that. A row of a stock change: position,
change_no, stock_name, price, opening, issued, version, digest. Nothing is checked or converted on
the way, because the audit must see damage as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

CHUNK_ROWS = 5000
"""Rows that are compared together."""
Row = tuple[Any, ...]
ORDER_COLUMNS = 7
LEDGER_COLUMNS = 9


class SourceError(Exception):
    """A source cannot be read; the message is one sentence that names it."""


class DamagedError(SourceError):
    """A database exists and is broken."""


@dataclass(frozen=True, slots=True)
class KnownTerm:
    """The newest term that a process knows, and its leader."""

    term: int
    leader: int | None
    is_leading: bool = False
    """Whether a replica's own state is that it leads."""


class LogSource(Protocol):
    """The orders of one database, as of one moment. All may raise SourceError."""

    name: str
    """Of the process, such as order-2."""

    @property
    def last(self) -> int:
        """The newest order at that moment; 0 when there is none."""

    def chunks(self) -> Iterator[list[Row]]:
        """Yield all rows by their numbers, up to CHUNK_ROWS at a time; none is empty."""

    def changes(self) -> list[Row]:
        """Return the stock changes by their positions, up to that moment."""

    @property
    def known_term(self) -> KnownTerm:
        """The newest term that it knew at that moment."""


class LedgerSource(LogSource, Protocol):
    """A catalog's database."""

    def stocks(self) -> Iterator[Row]:
        """
        Yield the stocks as rows.

        name, price, quantity, opening, issued, trade_volume, version, and the last order in them.
        """


def tidy_key(key: Any) -> str:
    """Return a key as 32 hex digits when it is a UUID in any form, else as it is."""
    return str(key).replace("-", "").lower()


def key_text(key: str) -> str:
    """Return a key as a UUID is written; what is none stays as it is."""
    if len(key) != 32:  # noqa: PLR2004 - hex digits of a UUID
        return key
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"
