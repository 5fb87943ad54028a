"""What can be wrong with a history, as values, and in words (`linearizability` finds them)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.history import Kind, Operation

_MS_WHOLE = 10
"""From here on milliseconds are told without decimals."""


class Fault(StrEnum):
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
    """Two operations that cannot both be as they are; for NO_WRITE it is one, given twice."""

    fault: Fault
    earlier: Operation
    later: Operation
    field: str = ""
    """The part of the state that is wrong, for TWO_STATES and WRONG_STEP."""
    expected: Any = None
    """What it should be, for WRONG_STEP; the version that is missing, for NO_WRITE."""

    @property
    def gap_s(self) -> float:
        """The time from the end of the one to the beginning of the other; 0 when they overlap."""
        return max(0.0, self.later.start_s - self.earlier.end_s)

    @property
    def size(self) -> tuple[float, float]:
        """What the smallest violation has the least of: the gap, then the time when it was."""
        return self.gap_s, self.later.start_s

    def describe(self) -> str:
        """Say it in one sentence."""
        return _SENTENCES[self.fault](self)


def _old_read(violation: Violation) -> str:
    earlier, later = violation.earlier, violation.later
    told = f"client {later.client} read {_version(later)} at {_s(later.start_s)}"
    if earlier.kind is Kind.OPENING:
        return f"{told}, but it opened with version {earlier.version}"
    return f"{told}, {_ms(violation.gap_s)} after {_past(earlier)}"


def _read_ahead(violation: Violation) -> str:
    earlier, later = violation.earlier, violation.later
    return (
        f"client {earlier.client} was shown {_version(earlier)} at {_s(earlier.end_s)}, "
        f"{_ms(violation.gap_s)} before {_write(later)} that made version {later.version} began"
    )


def _write_order(violation: Violation) -> str:
    earlier, later = violation.earlier, violation.later
    told = f"{_write(later)} that made {_version(later)} began at {_s(later.start_s)}"
    if earlier.kind is Kind.OPENING:
        return f"{told}, but it opened with version {earlier.version}"
    return f"{told}, {_ms(violation.gap_s)} after {_past(earlier)}"


def _two_writes(violation: Violation) -> str:
    earlier, later = violation.earlier, violation.later
    first, second = (
        _write(one) if one.kind is Kind.OPENING else f"{_write(one)} at {_s(one.start_s)}"
        for one in (earlier, later)
    )
    return f"{_version(later)} was made by {first} and by {second}"


def _two_states(violation: Violation) -> str:
    name, earlier, later = violation.field, violation.earlier, violation.later
    return (
        f"{_version(later)} had {_field(name)} {getattr(earlier, name)} for {_witness(earlier)} "
        f"and {getattr(later, name)} for {_witness(later)}"
    )


def _wrong_step(violation: Violation) -> str:
    name, earlier, later = violation.field, violation.earlier, violation.later
    return (
        f"{_version(later)} had {_field(name)} {getattr(later, name)} for {_witness(later)}, but "
        f"{violation.expected} follows from {getattr(earlier, name)} in version {earlier.version}, "
        f"which was so for {_witness(earlier)}"
    )


def _no_write(violation: Violation) -> str:
    later = violation.later
    verb = "made" if later.is_write else "read"
    return (
        f"client {later.client} {verb} {_version(later)} at {_s(later.start_s)}, "
        f"but no write made version {violation.expected}"
    )


_SENTENCES: Mapping[Fault, Callable[[Violation], str]] = {
    Fault.OLD_READ: _old_read,
    Fault.READ_AHEAD: _read_ahead,
    Fault.WRITE_ORDER: _write_order,
    Fault.TWO_WRITES: _two_writes,
    Fault.TWO_STATES: _two_states,
    Fault.WRONG_STEP: _wrong_step,
    Fault.NO_WRITE: _no_write,
}
_TRADES = {TradeType.BUY: "purchase", TradeType.SELL: "sale", None: "trade"}


def _version(operation: Operation) -> str:
    return f"version {operation.version} of {operation.stock_name}"


def _past(operation: Operation) -> str:
    """Name the end of an operation, as what something else came after."""
    if operation.is_write:
        return f"{_write(operation)} that made version {operation.version} was acknowledged"
    return f"client {operation.client} was shown version {operation.version}"


def _write(operation: Operation) -> str:
    if operation.kind is Kind.OPENING:
        return "the opening"
    is_price = operation.kind is Kind.PRICE
    what = "price change" if is_price else _TRADES[operation.trade_type]
    return f"client {operation.client}'s {what}"


def _witness(operation: Operation) -> str:
    if operation.kind is Kind.OPENING:
        return "the opening"
    return f"client {operation.client} at {_s(operation.start_s)}"


def _field(name: str) -> str:
    return name.replace("_", " ")


def _s(time_s: float) -> str:
    return f"{time_s:.3f} s"


def _ms(gap_s: float) -> str:
    gap_ms = gap_s * 1000
    if math.isinf(gap_ms) or gap_ms >= _MS_WHOLE:
        return f"{gap_ms:,.0f} ms"
    return f"{gap_ms:.2g} ms"
