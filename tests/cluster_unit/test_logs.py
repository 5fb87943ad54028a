"""Logs: their end, and what comes after, over rotations."""

from collections.abc import Callable, Iterator
from pathlib import Path

from bazaar.cluster.logs import follow, size, tail


class Enough(Exception):  # noqa: N818 - it ends a test
    """Nothing more will come."""


def test_the_last_lines_are_returned(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\nthree\n")
    assert tail(path, 2) == ["two", "three"]
    assert tail(path, 9) == ["one", "two", "three"]
    assert tail(path, 9, after=4) == ["two", "three"]
    assert tail(path, 9, after=1000) == ["one", "two", "three"], "rotated since"


def test_no_log_is_no_lines(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log", 5) == []
    assert size(tmp_path / "none.log") == 0


def test_bytes_that_are_no_text_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\xff\xfe\n")
    assert len(tail(path, 1)) == 1


def test_following_yields_whole_new_lines_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    happenings: Iterator[Callable[[], object]] = iter(
        [
            lambda: path.write_text("old\nfirst\nhal"),
            lambda: path.write_text("old\nfirst\nhalf\n"),
            lambda: path.rename(path.with_suffix(".1")),
            lambda: path.write_text("new\n"),
        ]
    )

    def pause(_seconds: float) -> None:
        happen = next(happenings, None)
        if happen is None:
            raise Enough
        happen()

    lines = []
    try:
        for line in follow(path, pause):
            lines.append(line)  # noqa: PERF402 - the generator ends by raising
    except Enough:
        pass
    assert lines == ["first", "half", "new"]
