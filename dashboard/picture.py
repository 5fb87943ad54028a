"""The cluster as a picture: where each process stands, and which lines are well."""

from dataclasses import dataclass

from dashboard.findings import Finding
from dashboard.snapshot import Snapshot

STEP, BOX_WIDTH, BOX_HEIGHT = 160, 140, 52
TOP, MIDDLE, BOTTOM, HEIGHT = 40, 150, 260, 300


@dataclass(frozen=True, slots=True)
class Box:
    """One process; x and y are its middle."""

    name: str
    note: str
    state: str
    x: int
    y: int

    @property
    def left(self) -> int:
        """The left edge."""
        return self.x - BOX_WIDTH // 2

    @property
    def top(self) -> int:
        """The upper edge."""
        return self.y - BOX_HEIGHT // 2


@dataclass(frozen=True, slots=True)
class Line:
    """Who asks whom; `state` is good, warn (not in sync) or bad (one end is gone)."""

    x1: int
    y1: int
    x2: int
    y2: int
    state: str
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and lines in one frame."""

    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]
    box_width: int = BOX_WIDTH
    box_height: int = BOX_HEIGHT


def draw(snapshot: Snapshot) -> Picture:
    """Return the picture: front ends above, then leader and catalog, below them who follows."""
    rows = {
        TOP: [f for f in snapshot.findings if f.role == "frontend"],
        MIDDLE: [f for f in snapshot.findings if f.role == "catalog" or _leads(snapshot, f)],
        BOTTOM: [f for f in snapshot.replicas if not _leads(snapshot, f)],
    }
    width = STEP * max(*map(len, rows.values()), 2)
    boxes = {}
    for y, row in rows.items():
        # The catalog is told first; the leader stands to its left.
        for place, finding in enumerate(reversed(row) if y == MIDDLE else row):
            x = width * (2 * place + 1) // (2 * len(row))
            state, note = _state(snapshot, finding), _note(snapshot, finding)
            boxes[finding.name] = Box(finding.name, note, state, x, y)
    return Picture(width, HEIGHT, list(boxes.values()), _lines(snapshot, boxes))


def _leads(snapshot: Snapshot, finding: Finding) -> bool:
    return finding.role == "order" and finding.node.id == snapshot.leader


def _state(snapshot: Snapshot, finding: Finding) -> str:
    if finding.status is None:
        return "bad"
    if _leads(snapshot, finding):
        return "leader"
    return "good" if finding.status.is_ready else "warn"


def _note(snapshot: Snapshot, finding: Finding) -> str:
    if finding.status is None:
        return "no answer"
    if _leads(snapshot, finding):
        return f"leader, term {snapshot.term}"
    if finding.role == "frontend":
        return f"knows term {finding.status.term}"
    return f"order {finding.status.last}"


def _lines(snapshot: Snapshot, boxes: dict[str, Box]) -> list[Line]:
    leader = f"order-{snapshot.leader}"
    lines = []
    for finding in snapshot.findings:
        if finding.role == "frontend":
            lines.append(_line(boxes, finding.name, "catalog", "leases, stocks"))
            if leader in boxes:
                lines.append(_line(boxes, finding.name, leader, "trades"))
        if finding.name == leader:
            lines.append(_line(boxes, leader, "catalog", "trades"))
        elif finding.role == "order" and leader in boxes:
            in_sync = finding.node.id in snapshot.in_sync
            label = "in sync" if in_sync else "not in sync"
            lines.append(_line(boxes, leader, finding.name, label, is_well=in_sync))
    return lines


def _line(boxes: dict[str, Box], start: str, end: str, label: str, *, is_well: bool = True) -> Line:
    one, other = boxes[start], boxes[end]
    state = "good" if is_well else "warn"
    if "bad" in (one.state, other.state):
        state = "bad"
    return Line(one.x, one.y, other.x, other.y, state, label)
