"""The orders of a simulation: stored in a file, compared with the server's."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bazaar.client.answers import ClientError, OrderAnswer
from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.outputs import writing
from bazaar.management.client.session import ClientSession, format_order

FILE_NAME = "client-orders.jsonl"
"""In the data folder; one JSON object on each line."""
MATCH = "order info match with local!"
DIFFERENCES_MAX = 1000
"""Differences that the JSON lists; all are counted."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(OrderAnswer)


class OrderFile:
    """Appends each order at once, so an interrupted simulation loses none."""

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        """Open the file; is_new: delete what it holds. Raises CommandFailed (2)."""
        self.path, self.count = path, 0
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_new else 0)
        with writing("--orders", path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, how, 0o600)

    def append(self, order: OrderAnswer) -> None:
        """Append one order. Raises CommandFailed (1): the disk is full, for instance."""
        line = _encoder.encode(order) + b"\n"
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            message = f"{self.path} cannot be written ({error.strerror})."
            raise CommandFailed(message, exits.ERRORS) from error
        if written != len(line):
            raise CommandFailed(f"{self.path} has no room for another order.", exits.ERRORS)
        self.count += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_orders(path: Path) -> Iterator[OrderAnswer]:
    """Yield the stored orders. Raises CommandFailed (2), which names file and line."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _read(path, number, line)
    except FileNotFoundError as error:
        raise CommandFailed(
            f"There is no {path}; `client simulate` keeps its orders there."
        ) from error
    except OSError as error:
        raise CommandFailed(f"--orders: {path} cannot be read ({error.strerror}).") from error


def _read(path: Path, number: int, line: bytes) -> OrderAnswer:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(f"--orders: {path}, line {number} is no order: {error}.") from error


def is_same_order(kept: OrderAnswer, shown: OrderAnswer) -> bool:
    """Tell whether two answers are of one order; not all dialects show its key."""
    keys = {one.idempotency_key for one in (kept, shown)} - {None}
    return len(keys) <= 1 and _facts(kept) == _facts(shown)


def _facts(order: OrderAnswer) -> tuple[int, str, str, int]:
    return order.order_no, order.stock_name, order.trade_type, order.quantity


@dataclass
class OrderCheck:
    """One comparison of all stored orders with the server's."""

    session: ClientSession
    checked: int = 0
    differing: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    def run(self, orders: Iterable[OrderAnswer]) -> int:
        """Compare them all; return the exit status. Raises CommandFailed."""
        for order in orders:
            self.checked += 1
            self._check(order)
        errors = self.session.errors
        self.session.conclude(
            f"{self.checked} orders checked: {self.checked - errors - self.differing} match, "
            f"{self.differing} differ, {errors} could not be asked for"
        )
        if self.differing:
            return exits.INCONSISTENT
        return exits.ERRORS if errors else exits.OK

    def facts(self) -> dict[str, Any]:
        """Return the result for the JSON."""
        return {
            "checked": self.checked,
            "matching": self.checked - self.differing - self.session.errors,
            "differing": self.differing,
            "differences": self.differences,
        }

    def _check(self, order: OrderAnswer) -> None:
        session, what = self.session, f"order {order.order_no}"
        shown, took_s = session.measure(
            "order", lambda: session.client.order(order.order_no, is_fresh=True)
        )
        if isinstance(shown, ClientError) and shown.failure != "unknown_order":
            session.report_failure("order", what, shown, took_s)
        elif isinstance(shown, OrderAnswer) and is_same_order(order, shown):
            session.report(f"{what}: {MATCH}", took_s)
        else:
            there = None if isinstance(shown, ClientError) else shown
            self._note_difference(order, there)

    def _note_difference(self, order: OrderAnswer, shown: OrderAnswer | None) -> None:
        self.differing += 1
        there = format_order(shown) if shown else "nothing"
        self.session.conclude(
            f"order {order.order_no} differs: here {format_order(order)}, there {there}"
        )
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append({"kept": order, "shown": shown})
