"""The log of one process: its last lines, and the lines that follow."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from bazaar.clock import Pause

FOLLOW_S = 0.2
LINES_MAX = 100_000


def tail(path: Path, lines: int, after: int = 0) -> list[str]:
    """
    Return the last lines of a log; none when there is no log.

    after: leave out what comes before this byte, unless the log was rotated since.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size >= after:
                file.seek(after)
            return [_text(line) for line in deque(file, maxlen=lines)]
    except FileNotFoundError:
        return []


def size(path: Path) -> int:
    """Return the length of a log in bytes."""
    return path.stat().st_size if path.exists() else 0


def follow(path: Path, pause: Pause) -> Iterator[str]:
    """Yield the lines written from now on, across rotations, until `pause` raises."""
    position = size(path)
    while True:
        if size(path) < position:  # rotated
            position = 0
        if size(path) > position:
            with path.open("rb") as file:
                file.seek(position)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    position += len(line)
                    yield _text(line)
        pause(FOLLOW_S)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r\n")
