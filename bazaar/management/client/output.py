"""What a person, or a program, gets to see of a client's questions."""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bazaar import clock
from bazaar.client.answers import (
    BadAnswer,
    ClientError,
    Indefinite,
    Order,
    Refused,
    Stock,
    Unreachable,
)

Answer = Stock | Order
_ERROR_KINDS: Mapping[type[ClientError], str] = {
    Refused: "refused",
    Indefinite: "indefinite",
    Unreachable: "unreachable",
    BadAnswer: "malformed",
}
_encoder = msgspec.json.Encoder(decimal_format="number")


class Teller:
    """Prints each answer with its running time and, at the end, the times in numbers."""

    def __init__(
        self, mode: str, write: Callable[[str], object], *, is_json: bool, is_quiet: bool
    ) -> None:
        """write: prints one line. is_quiet: print the end only."""
        self.mode, self._write = mode, write
        self._is_json, self._is_quiet = is_json, is_quiet
        self._since_s = clock.monotonic_s()
        self._answers: list[dict[str, Any]] = []
        self._took_s: dict[str, list[float]] = {}
        self._errors: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        """Failures that were to be expected."""
        self.facts: dict[str, Any] = {}
        """What else the JSON tells."""

    @property
    def errors(self) -> int:
        """How many questions failed."""
        return self._errors.total()

    @property
    def has_told(self) -> bool:
        """Whether any question was asked."""
        return bool(self._took_s)

    def took(self, kind: str, took_s: float) -> None:
        """Count a question of a kind (query, order, trade) and its running time."""
        self._took_s.setdefault(kind, []).append(took_s)

    def answer(self, kind: str, answer: Answer, took_s: float) -> None:
        """Tell an answer."""
        self.took(kind, took_s)
        if self._is_json:
            name = "stock" if isinstance(answer, Stock) else "order"
            self._note({name: answer}, took_s)
        else:
            self.say(_line(answer), took_s)

    def failure(
        self, kind: str, what: str, error: ClientError, took_s: float, *, is_expected: bool = False
    ) -> None:
        """Tell a failure of what was asked for; an expected one counts as an answer."""
        self.took(kind, took_s)
        counts = self._refused if is_expected else self._errors
        counts[kind] += 1
        if self._is_json:
            self._note({"asked": what, "error": show_error(error)}, took_s)
        else:
            self.say(f"{what}: {explain(error)}", took_s)

    def say(self, line: str, took_s: float | None = None) -> None:
        """Print a line for people, perhaps with a running time."""
        if not (self._is_json or self._is_quiet):
            self._write(line if took_s is None else f"{line}  [{1000 * took_s:.1f} ms]")

    def conclude(self, line: str) -> None:
        """Print a line for people even when quiet."""
        if not self._is_json:
            self._write(line)

    def end(self) -> None:
        """Print the times; in JSON, everything."""
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

    def _note(self, answer: dict[str, Any], took_s: float) -> None:
        if not self._is_quiet:
            self._answers.append({**answer, "took_ms": _ms(took_s)})

    def _times(self, kind: str) -> dict[str, Any]:
        took_s = sorted(self._took_s[kind])
        cuts = (
            statistics.quantiles(took_s, n=100, method="inclusive") if took_s[1:] else took_s * 99
        )
        return {
            "count": len(took_s),
            "refused": self._refused[kind],
            "failed": self._errors[kind],
            "min_ms": _ms(took_s[0]),
            "mean_ms": _ms(statistics.fmean(took_s)),
            "p50_ms": _ms(cuts[49]),
            "p90_ms": _ms(cuts[89]),
            "p99_ms": _ms(cuts[98]),
            "max_ms": _ms(took_s[-1]),
        }


_TIMES = ("min_ms", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms")


def show_error(error: ClientError) -> dict[str, Any]:
    """Return an error as JSON tells it."""
    return {
        "kind": _ERROR_KINDS[type(error)],
        "message": error.message,
        "status": error.status,
        "failure": error.failure or None,
        "is_definite": error.is_definite,
        "key": error.key or None,
    }


def explain(error: ClientError) -> str:
    """Return an error as a sentence, with the way out when it may have happened."""
    status = f" ({error.status})" if error.status else ""
    again = f" Repeat it with --key {error.key}" if error.key and not error.is_definite else ""
    return f"{error.message}{status}{again}"


def _line(answer: Answer) -> str:
    match answer:
        case Stock():
            old = ", may be old" if answer.is_stale else ""
            return (
                f"{answer.name}: {answer.quantity} shares at {answer.price}, "
                f"volume {answer.trade_volume}, version {answer.version} ({answer.cache}{old})"
            )
        case Order():
            return show_order(answer)


def show_order(order: Order) -> str:
    """Return an order in words."""
    return f"order {order.order_no}: {order.trade_type} {order.quantity} {order.stock_name}"


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
