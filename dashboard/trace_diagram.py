"""
A trade as a space-time diagram.

Each process is a line, time goes downwards, and messages are arrows. The order of all moments is
kept and each has its place; long times in between are shortened, and say how long they were.
Everything is in pixels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log2

from bazaar.protocol.traces import TraceStep, TradeTrace

AXIS, LANE = 58, 70
TOP, BOTTOM = 44, 16
STEP_GAP, GAP_MIN, GAP_MAX = 20, 6, 46
"""From a moment to the next one: where a step begins, at least, and at most."""
SCALE = 7
LONG_MS = 5.0
"""A time that is said in the diagram when it is shortened."""
FAILED, UNKNOWN = "✗", "?"
"""How a message ends that failed, or that was answered by a process that is gone."""
BAR, HEAD, NUMBER = 5, 6, 15
"""Half the width of a bar; how long the head of an arrow is; from a line to a step's number."""


@dataclass(frozen=True, slots=True)
class TraceLane:
    """The line of one process."""

    name: str
    x: int
    reason: str
    """Why it could not be asked; empty: it was."""


@dataclass(frozen=True, slots=True)
class TraceArrow:
    """A message or its answer."""

    x1: int
    y1: int
    x2: int
    y2: int
    head: str
    """The points of its head."""
    is_answer: bool = False
    end: str = ""
    """What is drawn instead of a head: that it failed, or that nobody remembers its end."""


@dataclass(frozen=True, slots=True)
class TraceMark:
    """One step as it is drawn: its number, and a bar, a moment or two arrows."""

    step: TraceStep
    x: int
    y: int
    end_y: int
    number_x: int
    arrows: tuple[TraceArrow, ...] = ()

    @property
    def height(self) -> int:
        """The height of its bar."""
        return max(self.end_y - self.y, 2)

    @property
    def took_ms(self) -> float:
        """How long it took, in milliseconds."""
        return self.step.end_ms - self.step.at_ms

    @property
    def is_forgotten(self) -> bool:
        """Whether it is a message that was answered, and nobody knows when it came."""
        step = self.step
        return step.kind == "message" and step.received_ms is None and not step.error

    @property
    def label(self) -> str:
        """What is read out for it."""
        step = self.step
        where = f"{step.process} to {step.to}" if step.to else step.process
        return f"{step.no}. {step.at_ms:.2f} ms, {where}: {step.text}"


@dataclass(frozen=True, slots=True)
class TraceTick:
    """A time on the axis; or how much time a shortened stretch stands for."""

    y: int
    text: str


@dataclass(frozen=True, slots=True)
class TraceDiagram:
    """All of it, in one frame."""

    width: int
    height: int
    lanes: list[TraceLane]
    marks: list[TraceMark]
    ticks: list[TraceTick]
    gaps: list[TraceTick]

    @property
    def bottom(self) -> int:
        """Where the lines of the processes end."""
        return self.height - BOTTOM


def draw(trace: TradeTrace) -> TraceDiagram:
    """Return the diagram of a trace."""
    lanes = [
        TraceLane(process.name, AXIS + LANE * place + LANE // 2, process.reason)
        for place, process in enumerate(trace.list_drawn())
    ]
    scale = _Scale(trace.steps)
    pen = _Pen({lane.name: lane.x for lane in lanes}, scale)
    return TraceDiagram(
        width=AXIS + LANE * len(lanes),
        height=scale.bottom + BOTTOM,
        lanes=lanes,
        marks=[pen.draw(step) for step in trace.steps],
        ticks=[TraceTick(scale.begins[step.no], f"{step.at_ms:.2f}") for step in trace.steps],
        gaps=scale.gaps,
    )


class _Scale:
    """Gives each moment its height."""

    def __init__(self, steps: Iterable[TraceStep]) -> None:
        self.begins: dict[int, int] = {}
        """Where each step begins, by its number."""
        self.gaps: list[TraceTick] = []
        self._places: dict[float, int] = {}
        moments = sorted(_list_moments(steps))
        y, before_ms = TOP, moments[0][0] if moments else 0.0  # an election may be under way at 0
        for at_ms, no in moments:
            gap_ms = at_ms - before_ms
            least = (
                (STEP_GAP if self.begins else 0) if no else GAP_MIN * (at_ms not in self._places)
            )
            grown = min(int(SCALE * log2(1 + 2 * gap_ms)), GAP_MAX)
            if gap_ms > LONG_MS:
                grown = max(grown, 2 * STEP_GAP)
                self.gaps.append(TraceTick(y + grown // 2, f"{gap_ms:.0f} ms"))
            y, before_ms = y + max(least, grown), at_ms
            if no:
                self.begins[no] = y
            self._places[at_ms] = y
        self.bottom = y + STEP_GAP

    def y(self, at_ms: float) -> int:
        """Return the height of a moment that something begins or ends at."""
        return self._places[at_ms]


def _list_moments(steps: Iterable[TraceStep]) -> Iterator[tuple[float, int]]:
    """Yield every moment, with the number of the step that begins then, or 0."""
    for step in steps:
        yield step.at_ms, step.no
        for at_ms in (step.received_ms, step.answered_ms, step.end_ms):
            if at_ms is not None:
                yield at_ms, 0


class _Pen:
    """Draws steps."""

    def __init__(self, lanes: dict[str, int], scale: _Scale) -> None:
        self._lanes, self._scale = lanes, scale

    def draw(self, step: TraceStep) -> TraceMark:
        """Return a step as it is drawn."""
        x, y = self._lanes[step.process], self._scale.begins[step.no]
        to_x = self._lanes.get(step.to, x)
        side = 1 if to_x < x or step.kind == "wait" else -1
        number_x = x + side * NUMBER
        end_y = max(self._scale.y(step.end_ms), y)
        return TraceMark(step, x, y, end_y, number_x, tuple(self._list_arrows(step, x, y, to_x)))

    def _list_arrows(self, step: TraceStep, x: int, y: int, to_x: int) -> Iterator[TraceArrow]:
        if to_x == x:
            return
        if step.received_ms is None or step.answered_ms is None:
            end = FAILED if step.error else UNKNOWN
            yield _point(x, y, to_x, max(self._scale.y(step.end_ms), y), end=end)
            return
        received_y = max(self._scale.y(step.received_ms), y)
        answered_y = max(self._scale.y(step.answered_ms), received_y)
        yield _point(x, y, to_x, received_y)
        end_y = max(self._scale.y(step.end_ms), answered_y)
        yield _point(to_x, answered_y, x, end_y, is_answer=True)


def _point(
    x1: int, y1: int, x2: int, y2: int, *, is_answer: bool = False, end: str = ""
) -> TraceArrow:
    """Return an arrow; one with another end than a head ends before it is there."""
    way = 1 if x2 > x1 else -1
    tip = x2 - way * (BAR + (HEAD if end else 0))
    slope = (y2 - y1) / (tip - x1)
    back = HEAD * way
    points = [
        (tip, y2),
        (tip - back, y2 - back * slope - HEAD / 2),
        (tip - back, y2 - back * slope + HEAD / 2),
    ]
    head = " ".join(f"{x:g},{y:.1f}" for x, y in points)
    return TraceArrow(x1, y1, tip, y2, head, is_answer, end)
