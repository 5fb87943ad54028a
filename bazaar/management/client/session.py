"""Calls to front ends, each reported with its running time."""

import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from bazaar import clock
from bazaar.client.answers import (
    BadAnswer,
    ClientError,
    Indefinite,
    NoAnswer,
    OrderAnswer,
    Refused,
    StockAnswer,
)
from bazaar.client.client import PAGE_ITEMS_MAX, Client
from bazaar.cluster import exits
from bazaar.cluster.arguments import DENIED_HELP, REACH_HELP
from bazaar.cluster.exits import CommandFailed
from bazaar.core.types import TradeType
from bazaar.loadtest.summary import quantile
from bazaar.management.client.trace_picture import draw_trace
from bazaar.protocol.traces import TradeTrace

A = TypeVar("A", StockAnswer, OrderAnswer, TradeTrace)
T = TypeVar("T")
_ERROR_KINDS: Mapping[type[ClientError], str] = {
    Refused: "refused",
    Indefinite: "indefinite",
    NoAnswer: "unreachable",
    BadAnswer: "malformed",
}
_NAMES: Mapping[type, str] = {StockAnswer: "stock", OrderAnswer: "order", TradeTrace: "trace"}
"""What the JSON calls an answer."""
_TIMES = ("min_ms", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms")
_encoder = msgspec.json.Encoder(decimal_format="number")


class ClientSession:
    """One run of a mode: sends calls, prints results and, in the end, running times."""

    def __init__(
        self,
        client: Client,
        mode: str,
        write: Callable[[str], object],
        *,
        is_json: bool,
        is_quiet: bool,
    ) -> None:
        """write: prints one line. is_quiet: print the end only."""
        self.client, self.mode, self._write = client, mode, write
        self._is_json, self._is_quiet = is_json, is_quiet
        self._since_s = clock.monotonic_s()
        self._answers: list[dict[str, Any]] = []
        self._took_s: dict[str, list[float]] = {}
        self._errors: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        """Expected failures."""
        self.facts: dict[str, Any] = {}
        """What else the JSON contains."""

    @property
    def errors(self) -> int:
        """How many calls failed."""
        return self._errors.total()

    @property
    def has_called(self) -> bool:
        """Whether any call was sent."""
        return bool(self._took_s)

    # Calls

    def query(self, stock_name: str, *, is_fresh: bool = False) -> StockAnswer | None:
        """Query a stock; return None when that failed."""
        return self._call(
            "query", stock_name, lambda: self.client.query(stock_name, is_fresh=is_fresh)
        )

    def order(self, order_no: int, *, is_fresh: bool = False) -> OrderAnswer | None:
        """Look an order up; return None when that failed."""
        what = f"order {order_no}"
        return self._call("order", what, lambda: self.client.order(order_no, is_fresh=is_fresh))

    def trade(
        self,
        stock_name: str,
        trade_type: TradeType,
        quantity: int,
        key: UUID | None = None,
        expected: Collection[str] = (),
    ) -> OrderAnswer | None:
        """Place one trade; return None when it failed. expected: failures, no errors."""
        return self._call(
            "trade",
            f"{trade_type} {quantity} {stock_name}",
            lambda: self.client.trade(stock_name, trade_type, quantity, key),
            expected,
        )

    def trace(self, wanted: int | UUID) -> TradeTrace | None:
        """Follow a trade by order number or key; return None when that failed."""
        what = f"trace of {wanted}" if isinstance(wanted, UUID) else f"trace of order {wanted}"
        return self._call("trace", what, lambda: self.client.trace(wanted))

    def list_stocks(self, text: str, most: int) -> None:
        """List stocks by name, `most` at most. text: in their names."""
        limit = min(most, PAGE_ITEMS_MAX)
        self._list("stocks", self.client.stocks(text or None, limit), most)

    def list_orders(self, stock_name: str | None, trade_type: TradeType | None, most: int) -> None:
        """List orders, the newest first, `most` at most; of a stock, of a type."""
        limit = min(most, PAGE_ITEMS_MAX)
        self._list("orders", self.client.orders(stock_name, trade_type, limit), most)

    def measure(self, kind: str, send: Callable[[], T]) -> tuple[T | ClientError, float]:
        """
        Send a call of a kind; return its result and running time.

        Raises CommandFailed (4): no front end can be reached.
        """
        begin_s = clock.monotonic_s()
        result: T | ClientError
        try:
            result = send()
        except ClientError as error:
            _check_reached(error)
            result = error
        took_s = clock.monotonic_s() - begin_s
        self._took_s.setdefault(kind, []).append(took_s)
        return result, took_s

    def _call(
        self, kind: str, what: str, send: Callable[[], A], expected: Collection[str] = ()
    ) -> A | None:
        result, took_s = self.measure(kind, send)
        if isinstance(result, ClientError):
            self.report_failure(kind, what, result, took_s, expected)
            return None
        if self._is_json:
            self._add_answer(_name_answer(result), took_s)
        else:
            self.report(_format_answer(result), took_s)
        return result

    def _list(self, kind: str, items: Iterator[A], most: int) -> None:
        found, took_s = self.measure(kind, lambda: tuple(islice(items, most)))
        if isinstance(found, ClientError):
            self.report_failure(kind, kind, found, took_s)
            return
        if self._is_json:
            self._answers += [] if self._is_quiet else map(_name_answer, found)
            return
        for one in () if self._is_quiet else found:
            self._write(_format_answer(one))
        more = ", and there may be more (--limit)" if len(found) == most else ""
        self.conclude(f"{kind}: {len(found)} listed{more}  [{1000 * took_s:.1f} ms]")

    # Output

    def report_failure(
        self,
        kind: str,
        what: str,
        error: ClientError,
        took_s: float,
        expected: Collection[str] = (),
    ) -> None:
        """Count and print a failed call; an expected failure is no error."""
        counts = self._refused if error.failure in expected else self._errors
        counts[kind] += 1
        if self._is_json:
            self._add_answer({"asked": what, "error": _error_facts(error)}, took_s)
        else:
            self.report(f"{what}: {_explain(error)}", took_s)

    def report(self, line: str, took_s: float) -> None:
        """Print a line for people with a running time."""
        if not (self._is_json or self._is_quiet):
            self._write(f"{line}  [{1000 * took_s:.1f} ms]")

    def conclude(self, line: str) -> None:
        """Print a line for people even when quiet."""
        if not self._is_json:
            self._write(line)

    def end(self) -> None:
        """Print the running times; in JSON, everything."""
        took_s = clock.monotonic_s() - self._since_s
        times = {kind: self._times(kind) for kind in self._took_s}
        if self._is_json:
            whole = {
                "mode": self.mode,
                **self.facts,
                "answers": self._answers,
                "times": times,
                "took_s": round(took_s, 6),
            }
            self._write(msgspec.json.format(_encoder.encode(whole), indent=2).decode())
            return
        for kind, found in times.items():
            if found["count"] > 1:
                ms = ", ".join(f"{name[:-3]} {found[name]:.1f}" for name in _TIMES)
                counts = ", ".join(f"{found[name]} {name}" for name in ("refused", "failed"))
                self._write(f"{kind}: {found['count']} times, {counts}; ms: {ms}")

    def _add_answer(self, answer: dict[str, Any], took_s: float) -> None:
        if not self._is_quiet:
            self._answers.append({**answer, "took_ms": _ms(took_s)})

    def _times(self, kind: str) -> dict[str, Any]:
        took_s = self._took_s[kind]
        counts = Counter(took_s)
        return {
            "count": len(took_s),
            "refused": self._refused[kind],
            "failed": self._errors[kind],
            "min_ms": _ms(min(took_s)),
            "mean_ms": _ms(statistics.fmean(took_s)),
            "p50_ms": _ms(quantile(counts, 0.50)),
            "p90_ms": _ms(quantile(counts, 0.90)),
            "p99_ms": _ms(quantile(counts, 0.99)),
            "max_ms": _ms(max(took_s)),
        }


def _check_reached(error: ClientError) -> None:
    """Raise CommandFailed (4) when an error means that no front end can be reached."""
    if isinstance(error, NoAnswer) and error.status is None:
        raise CommandFailed(f"{error.message} {REACH_HELP}", exits.UNREACHABLE) from error


def _explain(error: ClientError) -> str:
    """Return an error as a sentence, with what to do if the trade may have happened."""
    status = f" ({error.status})" if error.status else ""
    again = f" Repeat it with --key {error.key}" if error.key and not error.is_definite else ""
    if not again and error.retry_s is not None:
        again = f" Try again in {error.retry_s:g} s."
    more = f" See {error.problem}" if error.problem else ""
    token = f" {DENIED_HELP}" if error.status == HTTPStatus.UNAUTHORIZED else ""
    return f"{error.message}{status}{token}{again}{more}"


def format_order(order: OrderAnswer) -> str:
    """Return an order in words."""
    return f"{order.trade_type} {order.quantity} {order.stock_name}"


def _format_answer(answer: StockAnswer | OrderAnswer | TradeTrace) -> str:
    if isinstance(answer, TradeTrace):
        return "\n".join([*draw_trace(answer), "", "asked all processes"])
    if isinstance(answer, OrderAnswer):
        by = f", placed by {answer.placed_by}" if answer.placed_by else ""
        return f"order {answer.order_no}: {format_order(answer)}{by}"
    old = ", may be old" if answer.is_stale else ""
    volume = "" if answer.trade_volume is None else f"volume {answer.trade_volume}, "
    return (
        f"{answer.name}: {answer.quantity} shares at {answer.price}, "
        f"{volume}version {answer.version} ({answer.cache}{old})"
    )


def _name_answer(answer: StockAnswer | OrderAnswer | TradeTrace) -> dict[str, Any]:
    """Return an answer as the JSON has it."""
    return {_NAMES[type(answer)]: answer}


def _error_facts(error: ClientError) -> dict[str, Any]:
    """Return an error as the JSON has it."""
    return {
        "kind": _ERROR_KINDS[type(error)],
        "message": error.message,
        "status": error.status,
        "failure": error.failure or None,
        "problem": error.problem or None,
        "is_definite": error.is_definite,
        "key": error.key or None,
    }


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
