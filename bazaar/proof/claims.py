"""What the clients of a load run claim, put into the scratch database: one row an operation."""

from collections.abc import Iterable, Iterator
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.history import HistoryError
from bazaar.proof.records import Done, Header, Record
from bazaar.proof.scratch import Scratch
from bazaar.proof.sources import tidy_key
from bazaar.proof.verdict import Notes

BUFFER_ROWS = 5000
_TABLES = {"query": "read", "trade": "trade", "order": "sight"}
_COUNTED = {"query": "queries", "trade": "trades", "order": "orders looked up"}


def read_claims(records: Iterable[Record], scratch: Scratch, notes: Notes) -> Header | None:
    """
    Read a history to its end; return its header, if it has one.

    Raises HistoryError: an operation lacks what its kind needs.
    """
    header = None
    buffers: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES.values()}
    for record in records:
        if isinstance(record, Header):
            header = record
        elif isinstance(record, Done):
            buffer = buffers[_TABLES[record.kind]]
            buffer.append(_row(record))
            notes.counts[f"{_COUNTED[record.kind]} in the history"] += 1
            if len(buffer) >= BUFFER_ROWS:
                scratch.insert(_TABLES[record.kind], buffer)
                buffer.clear()
    for table, buffer in buffers.items():
        scratch.insert(table, buffer)
    if header:
        scratch.insert("opening", map(_opening, header.openings))
    scratch.index_history()
    return header


def _opening(one: Any) -> tuple[Any, ...]:
    return one.stock_name, one.version, one.quantity, one.trade_volume, one.price


def _row(done: Done) -> tuple[Any, ...]:
    """Return an operation as a row of its table. Raises HistoryError."""
    for fault in _faults(done):
        raise HistoryError(f"A {done.kind} of client {done.client} at {done.sent_s} s {fault}.")
    span = (done.sent_s, done.done_s)
    match done.kind:
        case "query":
            shown = (done.version, done.quantity, done.trade_volume, done.price, done.is_stale)
            return done.client, done.stock_name, done.outcome, *shown, *span
        case "trade":
            wish = (tidy_key(done.key), done.stock_name, done.trade_type, done.shares)
            return done.client, *wish, done.order_no, done.outcome, done.status, *span
        case "order":
            shown_order = (done.stock_name, done.trade_type, done.shares)
            return done.client, done.order_no, done.outcome, *shown_order, *span


def _faults(done: Done) -> Iterator[str]:
    """Yield what an operation lacks to be judged."""
    is_ok = done.outcome == "ok"
    needed = {
        "query": ("stock_name", *(("version", "done_s") if is_ok else ())),
        "trade": ("key", "stock_name", "trade_type", "shares", *(("order_no",) if is_ok else ())),
        "order": ("order_no", *(("stock_name", "trade_type", "shares") if is_ok else ())),
    }[done.kind]
    for name in needed:
        if getattr(done, name) is None:
            yield f"has no {name}"
    if done.trade_type not in (None, *TradeType):
        yield f"has the trade_type {done.trade_type!r}"
    if done.done_s is not None and done.done_s < done.sent_s:
        yield f"ends ({done.done_s}) before it begins"
    for name in ("version", "shares", "order_no"):
        if (number := getattr(done, name)) is not None and number < 1:
            yield f"has the {name} {number}"
