"""Commits write over bytes that are there, and room costs nothing that was written (I8)."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.runtime.log_room import FREE_TIMES, ROOM_FRAMES
from bazaar.runtime.page_sums import LogFrames
from bazaar.runtime.page_verifier import BEGIN_AGAIN_FRAMES
from bazaar.settings.base import JOURNAL_BYTES_MAX
from tests.support.page_bench import PAGE_BYTES, ROWS, PageBench, connect

FRAME_BYTES = PAGE_BYTES + 24


def log_of(bench: PageBench) -> Path:
    return Path(f"{bench.path}-wal")


def log_bytes(bench: PageBench) -> int:
    return log_of(bench).stat().st_size


def count_frames(bench: PageBench) -> int:
    with LogFrames(bench.path, PAGE_BYTES) as frames:
        return len(frames.read(0))


def test_a_commit_finds_room_in_the_log(bench: PageBench) -> None:
    bench.change(1)
    bench.step()
    size = log_bytes(bench)
    assert size >= (count_frames(bench) + ROOM_FRAMES) * FRAME_BYTES
    bench.change(*range(1, ROWS, 100))
    assert log_bytes(bench) == size
    assert bench.turn() == ""
    assert bench.looks == 0


def test_a_log_gets_no_longer_than_sqlite_leaves_it(bench: PageBench) -> None:
    """SQLite cuts the file of a longer one whenever it begins again."""
    with closing(connect(bench.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM one LIMIT 1").fetchall()
        while count_frames(bench) < BEGIN_AGAIN_FRAMES:
            bench.change(*range(1, ROWS, 20))
            bench.step(pause_s=0)
    bench.step(pause_s=0)
    assert BEGIN_AGAIN_FRAMES * FRAME_BYTES < log_bytes(bench) <= JOURNAL_BYTES_MAX


def test_room_made_in_the_middle_of_a_transaction_takes_nothing_from_it(bench: PageBench) -> None:
    """Some of its frames are written by then."""
    bench.writer.execute("PRAGMA cache_size = 2")
    bench.writer.execute("BEGIN IMMEDIATE")
    bench.writer.execute("UPDATE one SET count = 3 WHERE no > 100")
    size = log_bytes(bench)
    bench.step()
    assert log_bytes(bench) > size
    bench.writer.execute("UPDATE one SET count = 3 WHERE no <= 100")
    bench.writer.execute("COMMIT")
    assert bench.turn() == ""
    assert bench.writer.execute("SELECT SUM(count) FROM one").fetchone() == (3 * ROWS,)


def test_a_log_with_room_is_whole_after_a_crash(bench: PageBench, tmp_path: Path) -> None:
    bench.change(1)
    bench.step()
    bench.change(2)
    copy = tmp_path / "copy.sqlite3"
    shutil.copyfile(bench.path, copy)
    shutil.copyfile(log_of(bench), f"{copy}-wal")
    with closing(connect(copy)) as database:
        assert database.execute("SELECT SUM(count) FROM one").fetchone() == (6,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_is_nearly_full_is_left_to_what_is_decided(
    bench: PageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = FREE_TIMES * ROOM_FRAMES * FRAME_BYTES - 1
    disk = os.statvfs_result((1, 1, free, free, free, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: disk)
    bench.change(1)
    size = log_bytes(bench)
    bench.step()
    assert log_bytes(bench) == size
