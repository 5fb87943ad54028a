"""
Stocks as plain registers: histories that are right by construction, and a judge that tries it all.

Both know nothing of ranks: `Register` carries operations out one after the other, and
`is_linearizable` looks for any order of them that the clock allows and a register could have had.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from bazaar.core.types import TradeType
from bazaar.proof.stock_operations import StockOperation, StockOperationKind, make_opening

NAME = "MenhirCo"
SECONDS = 0.25
"""Times are multiples of this, so that ends and beginnings often coincide."""


@dataclass(slots=True)
class Register:
    """One stock that is read and written by one operation after the other."""

    chance: random.Random
    name: str = NAME
    now_s: float = 0.0
    shown: list[dict[str, Any]] = field(default_factory=list)
    """Every state so far, as a read shows it."""

    def open(self) -> StockOperation:
        """Begin somewhere."""
        first = make_opening(self.name, self.chance.randint(1, 3), 50, 0, Decimal("10.00"))
        self.shown.append(_state(first))
        return first

    def operate(self, client: int) -> StockOperation:
        """Do anything at one moment, which lies between the operation's start and its end."""
        self.now_s += SECONDS * self.chance.randint(0, 2)
        start_s = self.now_s - SECONDS * self.chance.randint(0, 6)
        end_s = self.now_s + SECONDS * self.chance.randint(0, 6)
        do = self.chance.choice((self._read, self._read, self._read_old, self._trade, self._price))
        return do(client, start_s, end_s)

    def _read(self, client: int, start_s: float, end_s: float) -> StockOperation:
        return StockOperation(
            client, StockOperationKind.READ, self.name, **_span(start_s, end_s), **self.shown[-1]
        )

    def _read_old(self, client: int, start_s: float, end_s: float) -> StockOperation:
        old = self.chance.choice(self.shown)
        span = _span(start_s, end_s)
        return StockOperation(
            client, StockOperationKind.READ, self.name, **span, **old, is_stale=True
        )

    def _trade(self, client: int, start_s: float, end_s: float) -> StockOperation:
        shares, state = self.chance.randint(1, 3), dict(self.shown[-1])
        trade_type = self.chance.choice((TradeType.BUY, TradeType.SELL))
        state["version"] += 1
        state["quantity"] += shares if trade_type is TradeType.SELL else -shares
        state["trade_volume"] += shares
        self.shown.append(state)
        return StockOperation(
            client,
            StockOperationKind.TRADE,
            self.name,
            state["version"],
            **self._answered(start_s, end_s),
            trade_type=trade_type,
            shares=shares,
        )

    def _price(self, client: int, start_s: float, end_s: float) -> StockOperation:
        price = Decimal(self.chance.randint(9, 11))
        state = self.shown[-1] | {"version": self.shown[-1]["version"] + 1, "price": price}
        self.shown.append(state)
        span = self._answered(start_s, end_s)
        return StockOperation(
            client, StockOperationKind.PRICE, self.name, state["version"], **span, price=price
        )

    def _answered(self, start_s: float, end_s: float) -> dict[str, Any]:
        """Return the span of a write, of which the answer may be lost."""
        return _span(start_s, self.chance.choice((end_s, end_s, end_s, math.inf)))


def _span(start_s: float, end_s: float) -> dict[str, Any]:
    return {"start_s": start_s, "end_s": end_s}


def _state(one: StockOperation) -> dict[str, Any]:
    names = ("version", "quantity", "trade_volume", "price")
    return {name: getattr(one, name) for name in names}


def run(chance: random.Random, operations: int, name: str = NAME) -> list[StockOperation]:
    """Return a linearizable history of one stock, with its opening, in any order."""
    register = Register(chance, name)
    history = [register.open(), *(register.operate(client) for client in range(operations))]
    chance.shuffle(history)
    return history


def mutate(chance: random.Random, history: Sequence[StockOperation]) -> list[StockOperation]:
    """Return a history with one thing changed in one operation; it may still be linearizable."""
    place = chance.randrange(len(history))
    one = history[place]
    changes: list[dict[str, Any]] = [
        {"version": max(1, (one.version or 1) + chance.choice((-2, -1, 1, 2)))},
        {"version": chance.choice(history).version or one.version},
    ]
    if one.kind is not StockOperationKind.OPENING:
        later_s = SECONDS * chance.randint(-8, 8)
        changes += [{"start_s": one.start_s + later_s, "end_s": one.end_s + later_s}] * 2
    if one.quantity is not None and one.trade_volume is not None:
        changes += [{"quantity": one.quantity + 1}, {"trade_volume": None}]
    if one.price is not None:
        changes += [{"price": one.price + 1}]
    if one.shares is not None:
        changes += [{"shares": one.shares + 1}, {"shares": None, "trade_type": None}]
    if one.kind in (StockOperationKind.TRADE, StockOperationKind.PRICE):
        changes += [{"version": None, "end_s": math.inf}]
    changed = [*history]
    changed[place] = replace(one, **chance.choice(changes))
    return changed


def drop(chance: random.Random, history: Sequence[StockOperation]) -> list[StockOperation]:
    """Return a history without one of its operations, perhaps the opening."""
    place = chance.randrange(len(history))
    return [*history[:place], *history[place + 1 :]]


# The judge


@dataclass(frozen=True, slots=True)
class _Now:
    """What the register holds; None where an unknown write has been."""

    version: int
    quantity: int | None = None
    trade_volume: int | None = None
    price: Decimal | None = None


def is_linearizable(history: Sequence[StockOperation]) -> bool:
    """Tell whether any order of one stock's operations is right; try them all."""
    return _Judge(history).can_finish(tuple(range(len(history))), None)


class _Judge:
    def __init__(self, history: Sequence[StockOperation]) -> None:
        self.history = history
        self.is_complete = any(one.kind is StockOperationKind.OPENING for one in history)
        self.written = {one.version for one in history if one.is_write}

    def can_finish(self, left: tuple[int, ...], now: _Now | None) -> bool:
        """Tell whether the operations that are left can all be carried out, in some order."""
        if not left:
            return True
        soonest_s = min(self.history[place].end_s for place in left)
        for place in left:
            one = self.history[place]
            start_s = -math.inf if one.is_stale else one.start_s
            if start_s > soonest_s:
                continue
            rest = tuple(other for other in left if other != place)
            if any(self.can_finish(rest, after) for after in self._after(one, now)):
                return True
        return False

    def _after(self, one: StockOperation, now: _Now | None) -> list[_Now | None]:
        """Return what the register can hold after an operation; nothing when it cannot be now."""
        if one.version is None:
            happened = [_Now(now.version + 1)] if now else []
            return [now, *happened]
        if one.kind is StockOperationKind.OPENING:
            made = None if now else _Now(one.version)
        elif one.kind is StockOperationKind.READ:
            made = self._unseen(one.version, now)
        else:
            made = self._unseen(one.version - 1, now)
            made = made and _written(made, one)
        shown = made and _shown(made, one)
        return [shown] if shown else []

    def _unseen(self, version: int, now: _Now | None) -> _Now | None:
        """Return the register at a version, reached by writes that nobody recorded."""
        if now and now.version == version:
            return now
        if self.is_complete or (now and now.version > version):
            return None
        first = now.version + 1 if now else version
        return None if self.written & set(range(first, version + 1)) else _Now(version)


def _written(now: _Now, one: StockOperation) -> _Now:
    """Carry a write out; what it does not tell is unknown afterwards."""
    now = replace(now, version=now.version + 1)
    if one.kind is StockOperationKind.PRICE:
        return replace(now, price=None)
    if one.shares is None:
        return replace(now, quantity=None, trade_volume=None)
    more = one.shares if one.trade_type is TradeType.SELL else -one.shares
    return replace(
        now,
        quantity=None if now.quantity is None else now.quantity + more,
        trade_volume=None if now.trade_volume is None else now.trade_volume + one.shares,
    )


def _shown(now: _Now, one: StockOperation) -> _Now | None:
    """Return the register with what an operation showed of it; None when that was not so."""
    for name in ("quantity", "trade_volume", "price"):
        told, held = getattr(one, name), getattr(now, name)
        if None not in (told, held) and told != held:
            return None
        now = replace(now, **{name: held if told is None else told})
    return now
