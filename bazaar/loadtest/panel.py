"""What the terminal shows during a run, and at its end."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bazaar.cluster.arguments import DENIED_HELP
from bazaar.loadtest.summary import TIMES, OperationSummary, Summary
from bazaar.loadtest.totals import RunTotals, count_errors
from bazaar.proof.records import OPERATION_KINDS, Mark, Sample

REFRESH_S = 0.25
MARKS_SHOWN = 5
WHOLE_MS = 100.0
"""From here on fractions of a millisecond are not shown."""


class Panel:
    """Shows a run while it lasts; this one shows nothing."""

    def begin(self) -> None:
        """Begin."""

    def update(self, now_s: float) -> None:
        """Show how it is at a time of the run."""

    def end(self) -> None:
        """Show no more."""


class LivePanel(Panel):
    """A panel on a terminal."""

    def __init__(self, console: Console, totals: RunTotals, length: str) -> None:
        """length: of the run, in words."""
        self._totals, self._length = totals, length
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def begin(self) -> None:
        """Take the lower end of the terminal."""
        self._live.start()

    def update(self, now_s: float) -> None:
        """Draw anew."""
        self._live.update(self._draw(now_s), refresh=True)

    def end(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _draw(self, now_s: float) -> RenderableType:
        table = _table("", "per second", "p50", "p95", "p99", "ended", "errors")
        totals, seconds = self._totals.totals(), self._totals.last_second(now_s)
        for kind in OPERATION_KINDS:
            if kind not in totals and kind not in seconds:
                continue
            one, counts = seconds.get(kind), totals.get(kind)
            table.add_row(
                kind,
                f"{one.count:,}" if one else "0",
                *((_ms(one.p50_ms), _ms(one.p95_ms), _ms(one.p99_ms)) if one else "---"),
                f"{counts.total():,}" if counts else "warming up",
                f"{count_errors(counts):,}" if counts else "0",
            )
        head = Text(
            f"{max(0.0, now_s):.0f} s of {self._length}   {_leadership(self._totals.samples)}"
        )
        return Group(head, table, *map(Text, _last_marks(self._totals.marks)))


class PlainLines(Panel):
    """A line a second, and one for each mark."""

    def __init__(self, console: Console, totals: RunTotals) -> None:
        self._console, self._totals = console, totals
        self._second = 0
        self._marks_told = 0

    def update(self, now_s: float) -> None:
        """Print what is new."""
        marks = list(self._totals.marks)
        for mark in marks[self._marks_told :]:
            self._say(_mark_line(mark))
        self._marks_told = len(marks)
        if int(now_s) > self._second:
            self._second = int(now_s)
            self._say(self._line(now_s))

    def _line(self, now_s: float) -> str:
        parts = [f"{int(now_s):4} s"]
        for kind, one in sorted(self._totals.last_second(now_s).items()):
            shown = f"p50 {_ms(one.p50_ms)}, p95 {_ms(one.p95_ms)}, p99 {_ms(one.p99_ms)}"
            errors = f", {one.errors} errors" if one.errors else ""
            parts.append(f"{kind} {one.count:,}/s ({shown}{errors})")
        return "  ".join((*parts, _leadership(self._totals.samples)))

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_summary(console: Console, summary: Summary) -> None:
    """Print the summary of a run."""
    if summary.operations:
        table = _table("", "ended", "errors", "ok/s", *TIMES)
        for kind, one in summary.operations.items():
            table.add_row(kind, *_row(one))
        console.print(table)
    for line in describe(summary):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _row(one: OperationSummary) -> Iterable[str]:
    yield f"{one.count:,}"
    yield f"{one.failed:,}"
    yield f"{one.rate_per_s:,.1f}"
    yield from (_ms(one.time_ms(name)) if one.ok else "-" for name in TIMES)


def describe(summary: Summary) -> Iterable[str]:
    """Yield all but the table, a sentence a line."""
    yield (
        f"{summary.count:,} operations in {summary.duration_s:.1f} s: "
        f"{summary.rate_per_s:,.1f} a second, {summary.error_count:,} errors "
        f"({summary.error_rate:.2%})"
    )
    for kind, one in summary.operations.items():
        if one.errors:
            told = ", ".join(f"{count:,} {outcome}" for outcome, count in one.errors.items())
            yield f"{kind}: {told}"
    if any("denied" in one.errors for one in summary.operations.values()):
        yield f"denied: `manage.py token create NAME` makes a token. {DENIED_HELP}"
    if summary.longest_gap_s is not None:
        yield f"longest time between two successful trades: {summary.longest_gap_s * 1000:,.0f} ms"
    yield f"failovers seen: {summary.failovers}"
    if summary.hit_ratio is not None:
        yield f"queries answered from memory: {summary.hit_ratio:.1%}"
    if summary.unsent:
        yield f"{summary.unsent:,} operations were due and not begun: all clients were busy"
    yield from _list_faults(summary.marks)
    for result in summary.thresholds:
        measured = "nothing was measured" if result.measured is None else f"{result.measured:g}"
        yield f"threshold {result.text}: {'met' if result.is_met else 'MISSED'} ({measured})"
    yield from _describe_proof(summary)
    yield from summary.notes
    yield summary.verdict


def _list_faults(marks: Iterable[Mark]) -> Iterable[str]:
    counts: dict[str, int] = {}
    for mark in marks:
        counts[mark.what] = counts.get(mark.what, 0) + 1
    if counts:
        yield f"marks: {', '.join(f'{count} x {what}' for what, count in counts.items())}"


def _describe_proof(summary: Summary) -> Iterable[str]:
    if summary.proof is None:
        yield "proof: none was made"
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in summary.proof_counts.items())
    held = "every promise held" if not summary.proof_gaps else "no fault was found"
    held = f"{len(summary.proof)} findings" if summary.proof else held
    yield f"proof: {held} ({counts})" if counts else f"proof: {held}"
    yield from (f"  {finding}" for finding in summary.proof)
    yield from (f"  not checked: {gap}" for gap in summary.proof_gaps)


def _leadership(samples: list[Sample]) -> str:
    last = samples[-1] if samples else None
    if last is None:
        return ""
    leader = f"order-{last.leader} leads" if last.leader else "nobody leads"
    term = f", term {last.term}" if last.term else ""
    hits = "" if last.hit_ratio is None else f", hits {last.hit_ratio:.0%}"
    behind = max(last.lag_orders.values(), default=0)
    return leader + term + hits + (f", {behind} orders behind" if behind else "")


def _last_marks(marks: list[Mark]) -> Iterable[str]:
    return map(_mark_line, marks[-MARKS_SHOWN:])


def _mark_line(mark: Mark) -> str:
    term = f" (term {mark.term})" if mark.term else ""
    return f"{mark.at_s:6.1f} s  {mark.what} {mark.target}{term}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        sideways: Any = "right" if column else "left"
        table.add_column(column, no_wrap=True, justify=sideways)
    return table


def _ms(took_ms: float) -> str:
    return f"{took_ms:,.0f} ms" if took_ms >= WHOLE_MS else f"{took_ms:.2f} ms"
