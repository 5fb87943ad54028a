"""
The trace of a trade as a picture for a terminal.

A column is a process, and time goes downwards. A line of the picture is one moment; between two
moments time is not to scale, the numbers are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bazaar.client.reading import one_line
from bazaar.protocol.traces import TraceStep, TradeTrace

GAP_MS = 10.0
"""A longer time in which nothing begins or ends is said in a line of its own."""
_LANE_MIN = 12
_NO_STEPS = "Nobody remembers any of its steps."
_BEGIN = "┏"
_FORGOTTEN = "answered; nobody remembers what it did"
_IDLE, _BUSY, _DURABLE, _MOMENT, _LOST, _UNKNOWN = "│", "┃", "■", "●", "✗", "?"
_LEGEND = (
    f"{_BEGIN} begins  {_BUSY} at work  ├▶ message  {_MOMENT} moment  {_DURABLE} on disk"
    f"  {_LOST} failed  {_UNKNOWN} not remembered"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One moment: a mark on a lane, or an arrow from one lane to another."""

    at_ms: float
    process: str
    text: str = ""
    mark: str = ""
    to: str = ""


def draw_trace(trace: TradeTrace) -> list[str]:
    """Return the lines of the picture, with what there is to say above it."""
    picture = [*_Picture(trace).draw(), "", _LEGEND] if trace.steps else [_NO_STEPS]
    return [*_describe(trace), "", *picture]


def _describe(trace: TradeTrace) -> Iterator[str]:
    order = f"order {trace.order_no}" if trace.order_no else "no order"
    yield f"{order}: {trace.outcome} after {trace.took_ms:.1f} ms, key {trace.idempotency_key}"
    for process in trace.processes:
        if process.reason:
            yield f"{process.name} could not be asked: {one_line(process.reason)}"
        if process.offset_ms:
            how = "ahead of" if process.offset_ms > 0 else "behind"
            yield (
                f"{process.name}: its clock is {abs(process.offset_ms):.3f} ms {how} the first one;"
                " that is taken out"
            )


class _Picture:
    """The lanes of one trace, and how they are drawn."""

    def __init__(self, trace: TradeTrace) -> None:
        self._steps = trace.steps
        drawn = {name for step in trace.steps for name in (step.process, step.to)}
        self._names = [one.name for one in trace.processes if one.name in drawn]
        self._lane = max([_LANE_MIN, *(len(name) + 2 for name in self._names)])

    def draw(self) -> Iterator[str]:
        """Yield its lines."""
        yield f"{'ms':>9}  " + "".join(name.ljust(self._lane) for name in self._names)
        before_ms = 0.0
        for line in sorted(self._list_lines(), key=lambda line: line.at_ms):
            if line.at_ms - before_ms > GAP_MS:
                yield f"{'':>9}  " + self._lanes(line.at_ms - GAP_MS / 2) + "  ..."
            before_ms = line.at_ms
            marks = {line.process: line.mark}
            lanes = self._arrow(line) if line.to else self._lanes(line.at_ms, marks)
            yield f"{line.at_ms:9.2f}  {lanes}  {line.text}".rstrip()

    def _list_lines(self) -> Iterator[_Line]:
        for step in self._steps:
            failed = f": {one_line(step.error)}" if step.error else ""
            if step.kind == "message" and step.to:
                yield from self._list_message_lines(step, failed)
            elif step.kind == "moment":
                disk = " (on disk)" if step.is_durable else ""
                mark = _DURABLE if step.is_durable else _MOMENT
                yield _Line(step.at_ms, step.process, step.text + disk + failed, mark)
            else:
                took = f", {step.end_ms - step.at_ms:.2f} ms"
                yield _Line(step.at_ms, step.process, step.text + took + failed, _BEGIN)

    def _list_message_lines(self, step: TraceStep, failed: str) -> Iterator[_Line]:
        """Yield when a message was sent, and when its answer was taken, or that there was none."""
        yield _Line(step.at_ms, step.process, step.text, to=step.to)
        if step.received_ms is None:
            text, mark = (failed, _LOST) if failed else (f" {_FORGOTTEN}", _UNKNOWN)
            yield _Line(step.end_ms, step.process, step.to + text, mark)
        else:
            text = f"answered after {step.end_ms - step.at_ms:.2f} ms{failed}"
            yield _Line(step.end_ms, step.to, text, to=step.process)

    def _lanes(self, at_ms: float, marks: Mapping[str, str] | None = None) -> str:
        """Return all lanes at a moment; marks: what happens on some."""
        busy = {
            one.process
            for one in self._steps
            if one.kind in ("request", "work", "election") and one.at_ms <= at_ms <= one.end_ms
        }
        found = {name: _BUSY if name in busy else _IDLE for name in self._names}
        found |= marks or {}
        return "".join(found[name].ljust(self._lane) for name in self._names)

    def _arrow(self, line: _Line) -> str:
        """Return all lanes with an arrow from one to another."""
        start, end = self._names.index(line.process), self._names.index(line.to)
        low, high = sorted((start * self._lane, end * self._lane))
        lanes = list(self._lanes(line.at_ms))
        lanes[low + 1 : high] = "─" * (high - low - 1)
        lanes[low], lanes[high] = ("├", "▶") if start < end else ("◀", "┤")
        return "".join(lanes)
