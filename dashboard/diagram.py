"""The cluster as a drawing: the processes, and which links between them are well."""

from collections.abc import Iterator
from dataclasses import dataclass

from dashboard.cluster_view import READY, SILENT, ClusterView, PollResult

STEP = 160
TOP, MIDDLE, BOTTOM, HEIGHT = 40, 150, 260, 300
NOT_IN_SYNC = "not in sync"


@dataclass(frozen=True, slots=True)
class DiagramBox:
    """One process; x and y are its middle."""

    name: str
    note: str
    state: str
    """leader, good, warn (not ready), silent or bad (not running)."""
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class DiagramLine:
    """A link; `state` is good, warn (not in sync) or bad (one end does not answer)."""

    x1: int
    y1: int
    x2: int
    y2: int
    state: str
    label: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes and lines in one frame."""

    width: int
    height: int
    boxes: list[DiagramBox]
    lines: list[DiagramLine]


def draw(view: ClusterView) -> Diagram:
    """
    Return the diagram of a view.

    Front ends are above, leader and catalog in the middle, followers below.
    """
    rows = {
        TOP: [one for one in view.results if one.role == "frontend"],
        # The leader is to the left of the catalog, which comes first in the results.
        MIDDLE: [one for one in view.results if one.role == "catalog" or _leads(view, one)][::-1],
        BOTTOM: [one for one in view.replicas if not _leads(view, one)],
    }
    width = STEP * max(*map(len, rows.values()), 2)
    boxes = {}
    for y, row in rows.items():
        for place, one in enumerate(row):
            x = width * (2 * place + 1) // (2 * len(row))
            boxes[one.name] = DiagramBox(one.name, *_describe(view, one), x, y)
    return Diagram(width, HEIGHT, list(boxes.values()), list(_lines(view, boxes)))


def _leads(view: ClusterView, result: PollResult) -> bool:
    return result.role == "order" and result.node.id == view.leader


def _describe(view: ClusterView, result: PollResult) -> tuple[str, str]:
    """Return note and state of a box."""
    if result.status is None:
        return result.state, "silent" if result.state == SILENT else "bad"
    if _leads(view, result):
        return f"leader, term {view.term}", "leader"
    status = result.status
    if not status.is_ready:
        return result.state, "warn"
    if result.role == "frontend":
        return f"follows term {status.term}", "good"
    if result.state != READY and result.role == "catalog":
        return result.state, "good"
    return f"order {status.last:,}", "good"


def _lines(view: ClusterView, boxes: dict[str, DiagramBox]) -> Iterator[DiagramLine]:
    for start, end, label in _links(view):
        if start not in boxes or end not in boxes:
            continue
        one, other = boxes[start], boxes[end]
        state = "warn" if label == NOT_IN_SYNC else "good"
        if {"bad", "silent"} & {one.state, other.state}:
            state = "bad"
        yield DiagramLine(one.x, one.y, other.x, other.y, state, label)


def _links(view: ClusterView) -> Iterator[tuple[str, str, str]]:
    """Yield start, end and label of each link; there may be no leader to link to."""
    leader = f"order-{view.leader}"
    for one in view.results:
        if one.role == "frontend":
            yield one.name, view.catalog, "leases, stocks"
            yield one.name, leader, "trades"
        elif one.name == leader:
            yield leader, view.catalog, "trades"
        elif one.role == "order":
            yield leader, one.name, "in sync" if one.node.id in view.in_sync else NOT_IN_SYNC
