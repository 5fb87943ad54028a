"""Violations that `linearizability` finds, as values and as sentences."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.stock_operations import StockOperation, StockOperationKind

_MS_WHOLE = 10
"""From here on milliseconds are written without decimals."""
_TRADES = {TradeType.BUY: "purchase", TradeType.SELL: "sale", None: "trade"}


class ViolationKind(StrEnum):
    """What can be wrong with two operations on one stock."""

    OLD_READ = "a read returned less than was known before it began"
    READ_AHEAD = "a read returned a version before the write that made it began"
    WRITE_ORDER = "a write began after another had ended, and made a smaller version"
    TWO_WRITES = "two writes made one version"
    TWO_STATES = "one version was seen in two states"
    WRONG_STEP = "a state does not follow from the one before"
    NO_WRITE = "no write made a version"


@dataclass(frozen=True, slots=True)
class Violation:
    """Two operations that contradict each other; for NO_WRITE it is one, given twice."""

    kind: ViolationKind
    earlier: StockOperation
    later: StockOperation
    field: str = ""
    """The part of the state that is wrong, for TWO_STATES and WRONG_STEP."""
    expected: Any = None
    """What it should be, for WRONG_STEP; the version that is missing, for NO_WRITE."""

    @property
    def gap_s(self) -> float:
        """The time from the end of one to the start of the other; 0: they overlap."""
        return max(0.0, self.later.start_s - self.earlier.end_s)

    @property
    def size(self) -> tuple[float, float]:
        """The order of violations: by the gap, then by time."""
        return self.gap_s, self.later.start_s

    def describe(self) -> str:
        """Return the violation as one sentence."""
        earlier, later, gap = self.earlier, self.later, _ms(self.gap_s)
        match self.kind:
            case ViolationKind.OLD_READ:
                read = f"client {later.client} read {_version(later)} at {_s(later.start_s)}"
                text = f"{read}, {self._contrast()}"
            case ViolationKind.READ_AHEAD:
                shown = f"client {earlier.client} was shown {_version(earlier)}"
                write = f"{_write(later)} that made version {later.version} began"
                text = f"{shown} at {_s(earlier.end_s)}, {gap} before {write}"
            case ViolationKind.WRITE_ORDER:
                write = f"{_write(later)} that made {_version(later)} began at {_s(later.start_s)}"
                text = f"{write}, {self._contrast()}"
            case ViolationKind.TWO_WRITES:
                first, second = (
                    _write(one) + ("" if _is_opening(one) else f" at {_s(one.start_s)}")
                    for one in (earlier, later)
                )
                text = f"{_version(later)} was made by {first} and by {second}"
            case ViolationKind.TWO_STATES:
                text = f"{self._state(earlier)} and {self._value(later)} for {_witness(later)}"
            case ViolationKind.WRONG_STEP:
                follows = f"{self.expected} follows from {self._value(earlier)}"
                witness = f"which was so for {_witness(earlier)}"
                text = (
                    f"{self._state(later)}, but {follows} in version {earlier.version}, {witness}"
                )
            case ViolationKind.NO_WRITE:
                made = "made" if later.is_write else "read"
                seen = f"client {later.client} {made} {_version(later)} at {_s(later.start_s)}"
                text = f"{seen}, but no write made version {self.expected}"
        return text

    def _contrast(self) -> str:
        """Return what the later operation contradicts."""
        if _is_opening(self.earlier):
            return f"but it opened with version {self.earlier.version}"
        return f"{_ms(self.gap_s)} after {_end(self.earlier)}"

    def _state(self, operation: StockOperation) -> str:
        name = self.field.replace("_", " ")
        seen = f"{_version(self.later)} had {name} {self._value(operation)}"
        return f"{seen} for {_witness(operation)}"

    def _value(self, operation: StockOperation) -> Any:
        return getattr(operation, self.field)


def _is_opening(operation: StockOperation) -> bool:
    return operation.kind is StockOperationKind.OPENING


def _version(operation: StockOperation) -> str:
    return f"version {operation.version} of {operation.stock_name}"


def _end(operation: StockOperation) -> str:
    """Return the end of an operation in words."""
    if operation.is_write:
        return f"{_write(operation)} that made version {operation.version} was acknowledged"
    return f"client {operation.client} was shown version {operation.version}"


def _write(operation: StockOperation) -> str:
    if _is_opening(operation):
        return "the opening"
    is_price = operation.kind is StockOperationKind.PRICE
    what = "price change" if is_price else _TRADES[operation.trade_type]
    return f"client {operation.client}'s {what}"


def _witness(operation: StockOperation) -> str:
    if _is_opening(operation):
        return "the opening"
    return f"client {operation.client} at {_s(operation.start_s)}"


def _s(time_s: float) -> str:
    return f"{time_s:.3f} s"


def _ms(gap_s: float) -> str:
    gap_ms = gap_s * 1000
    if math.isinf(gap_ms) or gap_ms >= _MS_WHOLE:
        return f"{gap_ms:,.0f} ms"
    return f"{gap_ms:.2g} ms"
