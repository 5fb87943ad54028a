"""
What clients did to stocks and what they were shown: a history, one operation a line of JSON.

A line holds the fields of `Operation` by name; what is None or at its default is left out, prices
are strings, and a missing `end_s` means that no answer ever came. Reading and writing are streams:
a history need not fit into memory. Standard library only.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from bazaar.core.types import TradeType


class HistoryError(ValueError):
    """A line is not an operation; the message names the line and what is wrong with it."""


class Kind(StrEnum):
    """What an operation is; all but a read make the version that they carry."""

    OPENING = "opening"
    READ = "read"
    TRADE = "trade"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One operation on one stock, from the moment it was sent to the moment its answer was there.

    Times are seconds on one clock for all clients. An *opening* is the state before everything
    else; with it the history claims to hold every write to its stock.
    """

    client: int
    kind: Kind
    stock_name: str
    version: int | None
    """The version read or made; None for a write of which nobody knows whether it happened."""
    start_s: float
    end_s: float = math.inf
    """Infinite for a write that was never answered."""
    is_stale: bool = False
    """The read was answered with a warning that it may be old."""
    quantity: int | None = None
    """Shares in the catalog at this version, where known; so the next two."""
    trade_volume: int | None = None
    price: Decimal | None = None
    order_no: int | None = None
    trade_type: TradeType | None = None
    shares: int | None = None
    """How many a trade moved."""

    def __post_init__(self) -> None:
        """Raise ValueError when the fields do not fit together."""
        for fault in _faults(self):
            raise ValueError(fault)

    @property
    def is_write(self) -> bool:
        """Whether it made the version that it carries."""
        return self.kind is not Kind.READ


def opening(
    stock_name: str, version: int, quantity: int, trade_volume: int, price: Decimal
) -> Operation:
    """Return the state of a stock before the first operation of a history."""
    return Operation(
        client=0,
        kind=Kind.OPENING,
        stock_name=stock_name,
        version=version,
        start_s=-math.inf,
        end_s=-math.inf,
        quantity=quantity,
        trade_volume=trade_volume,
        price=price,
    )


def _faults(one: Operation) -> Iterator[str]:
    """Yield why an operation cannot be."""
    if not one.start_s <= one.end_s:
        yield f"it ends ({one.end_s}) before it begins ({one.start_s})"
    if one.version is None and one.kind in (Kind.READ, Kind.OPENING):
        yield f"a {one.kind} needs a version"
    if one.version is not None and one.version < 1:
        yield f"version {one.version} is less than 1"
    if one.end_s == math.inf and one.kind is Kind.READ:
        yield "a read without an answer has read nothing"
    if one.is_stale and one.kind is not Kind.READ:
        yield f"a {one.kind} cannot be stale"
    if (one.trade_type is None) != (one.shares is None):
        yield "trade_type and shares go together"
    if one.shares is not None and (one.kind is not Kind.TRADE or one.shares < 1):
        yield f"{one.shares} shares in a {one.kind}"


# Lines


def write_operations(operations: Iterable[Operation]) -> Iterator[str]:
    """Yield one line for each operation, without the newline."""
    for operation in operations:
        yield json.dumps(_to_json(operation), separators=(",", ":"))


def read_operations(lines: Iterable[str]) -> Iterator[Operation]:
    """Yield the operation of each line that is not blank. Raises HistoryError."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _from_json(_decode(line))
        except (ValueError, RecursionError) as error:
            raise HistoryError(f"line {number}: {error}") from error


_FIELDS = {field.name: field for field in fields(Operation)}
_NEEDED = ("client", "kind", "stock_name")
_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "stock_name": (str,),
    "start_s": (int, float),
    "end_s": (int, float),
    "is_stale": (bool,),
    "price": (str,),
    "trade_type": (str,),
}
"""What JSON may hold for a field; whole numbers for all others."""


def _to_json(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        value = getattr(operation, name)
        if value is None or value == field.default or value in (math.inf, -math.inf):
            continue
        found[name] = str(value) if isinstance(value, Decimal) else value
    return found


def _decode(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number in JSON")


def _from_json(found: dict[str, Any]) -> Operation:
    for name, value in found.items():
        _check_field(name, value)
    for name in _NEEDED if found.get("kind") == Kind.OPENING else (*_NEEDED, "start_s"):
        if name not in found:
            raise ValueError(f"{name} is missing")
    read: dict[str, Any] = {"version": None, **found, "price": _price(found.get("price"))}
    read["kind"] = _choose(Kind, "kind", found["kind"])
    if "trade_type" in found:
        read["trade_type"] = _choose(TradeType, "trade_type", found["trade_type"])
    if read["kind"] is Kind.OPENING:
        read["start_s"] = read["end_s"] = -math.inf
    return Operation(**read)


def _check_field(name: str, value: Any) -> None:
    if name not in _FIELDS:
        raise ValueError(f"{name[:80]!r} is not a field of an operation")
    if type(value) not in _TYPES.get(name, (int,)):
        raise ValueError(f"{name}: {json.dumps(value)[:80]} is of the wrong type")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: {value} is out of range")


def _choose(words: type[StrEnum], name: str, text: str) -> Any:
    if text not in list(words):
        raise ValueError(f"{name}: {text[:80]!r} is none of {', '.join(words)}")
    return words(text)


def _price(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite():
        raise ValueError(f"price: {text[:80]!r} is not a number")
    return price
