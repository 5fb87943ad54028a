"""Pages of a real file: what a checkpoint writes is known, what is flipped is found (I8)."""

import itertools
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from bazaar import clock
from bazaar.runtime.damage import damage
from bazaar.runtime.page_verifier import (
    BEGIN_AGAIN_FRAMES,
    FRAMES,
    LOCK_TRIES,
    PageVerifier,
)
from bazaar.runtime.write_gate import gate
from tests.support.page_bench import (
    CHANGE,
    KINDS,
    LATE_S,
    PAGE_BYTES,
    ROWS,
    PageBench,
    checkpoint,
    connect,
    read_file,
)
from tests.support.waits import WAIT_S, in_thread


@pytest.mark.parametrize("kind", ["first", *KINDS.values()])
def test_a_flipped_bit_of_any_page_is_found(bench: PageBench, kind: str) -> None:
    whole = bench.path.read_bytes()
    kinds = [KINDS.get(whole[at], "free") for at in range(0, len(whole), PAGE_BYTES)]
    page = 1 if kind == "first" else kinds.index(kind, 1) + 1
    assert bench.turn() == ""
    bench.flip(page, at=3000)
    assert bench.turn() == f"page {page} of the file"
    assert bench.looks == 0


def test_a_flipped_bit_that_is_written_again_with_something_else_is_found(bench: PageBench) -> None:
    """A page that changes every second never waits for its turn."""
    page = bench.find_page(7)
    bench.flip(page, at=PAGE_BYTES - 3)
    bench.change(7)
    whole = bench.path.read_bytes()
    bench.step()
    assert damage.where == f"page {page} of the file"
    assert bench.path.read_bytes() == whole, "nothing is written over it"


def test_what_a_checkpoint_writes_is_known(bench: PageBench) -> None:
    before = bench.path.read_bytes()
    bench.change(*range(1, ROWS, 50))
    bench.add(ROWS + 1, 3000)
    bench.step()
    after = bench.path.read_bytes()
    assert len(after) > len(before)
    assert after[: len(before)] != before
    assert bench.turn() == ""
    assert bench.looks == 0
    bench.flip(bench.count_pages())
    assert bench.turn() == f"page {bench.count_pages()} of the file"


def test_a_page_is_compared_with_what_was_meant_not_with_what_was_written(bench: PageBench) -> None:
    bench.change(7)
    bench.step()
    page = bench.find_page(7)
    bench.flip(page)
    assert bench.turn() == f"page {page} of the file"


def test_a_checkpoint_that_an_old_reader_stops_is_gone_on_with(bench: PageBench) -> None:
    bench.change(1, 3000)
    with closing(connect(bench.path)) as reader:
        begin_reading(reader)
        for number in range(1, ROWS, 100):
            bench.change(1, number)
            bench.step()
        assert bench.turn() == ""
        assert read_file(bench.path, 3000) == 3, "up to the reader's frame"
        assert read_file(bench.path, 5901) == 0
        reader.execute("COMMIT")
    bench.change(2)
    assert bench.turn() == ""
    assert (read_file(bench.path, 5901), bench.looks) == (3, 0)


@contextmanager
def others(
    bench: PageBench, *works: Callable[[sqlite3.Connection], object]
) -> Iterator[list[Future[None]]]:
    """Do each work again and again, in a thread with a connection of its own; raise its error."""
    is_over = threading.Event()

    def repeat(work: Callable[[sqlite3.Connection], object]) -> None:
        with closing(connect(bench.path)) as database:
            database.execute("PRAGMA busy_timeout = 5000")
            database.execute("PRAGMA synchronous = OFF")
            while not is_over.is_set():
                work(database)

    futures = [in_thread(partial(repeat, work)) for work in works]
    try:
        yield futures
    finally:
        is_over.set()
        wait(futures, WAIT_S)
    for future in futures:
        future.result(timeout=0)


def test_the_log_begins_again_while_others_write_all_the_time(bench: PageBench) -> None:
    numbers = itertools.cycle(range(1, ROWS, 61))
    with others(bench, lambda writer: writer.execute(CHANGE, [next(numbers)])) as threads:
        bench.await_new_logs(2, threads)
    assert bench.turn() == ""
    assert bench.looks == 0


def test_the_log_begins_again_whoever_writes_and_reads(
    bench: PageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers at the gate let a checkpoint through, beside readers."""
    numbers, close, is_closing = itertools.cycle(range(1, ROWS, 61)), gate.closed, threading.Event()

    @contextmanager
    def closed() -> Iterator[None]:
        with close():
            is_closing.set()
            yield

    def write(writer: sqlite3.Connection) -> None:
        gate.wait()
        writer.execute(CHANGE, [next(numbers)])
        gate.wait()
        writer.execute("BEGIN IMMEDIATE")
        if bench.has_frames(BEGIN_AGAIN_FRAMES):  # it keeps the lock until the gate is closed
            is_closing.wait(WAIT_S)
            is_closing.clear()
        writer.execute("COMMIT")

    def read(reader: sqlite3.Connection) -> None:
        reader.execute("SELECT SUM(count) FROM one").fetchall()

    monkeypatch.setattr(gate, "closed", closed)
    with others(bench, write, read, read) as threads:
        bench.await_new_logs(3, threads)
    assert bench.turn() == ""
    assert bench.looks == 0


def test_a_long_log_is_left_alone_while_another_process_keeps_the_lock_on_writing(
    bench: PageBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it writes meanwhile may be of a page that nobody has compared."""
    page, tries = bench.find_page(ROWS // 2), [0]
    bench.writer.execute("PRAGMA synchronous = OFF")
    for _ in range(BEGIN_AGAIN_FRAMES):
        bench.change(1)
    bench.flip(page, at=PAGE_BYTES - 3)
    bench.writer.execute("BEGIN IMMEDIATE")

    def write_on(pause_s: float) -> None:
        tries[0] += 1
        bench.writer.execute(CHANGE, [ROWS // 2])
        bench.writer.execute("COMMIT")
        bench.writer.execute("BEGIN IMMEDIATE")

    monkeypatch.setattr(clock, "wait", write_on)
    bench.step()
    bench.writer.execute("COMMIT")
    assert tries == [LOCK_TRIES]
    assert read_file(bench.path, ROWS // 2) == 0, "nothing is written over the page"
    bench.step()
    assert damage.where == f"page {page} of the file"


def test_a_log_that_grows_fast_does_not_wait_for_its_time(bench: PageBench) -> None:
    bench.change(1)
    bench.step()
    bench.change(2)
    bench.step(0.01)
    assert read_file(bench.path, 2) == 0
    bench.writer.execute("PRAGMA cache_size = 10")
    for number in range(BEGIN_AGAIN_FRAMES):
        bench.change(number + 1)
    bench.step(0.01)
    assert read_file(bench.path, BEGIN_AGAIN_FRAMES) > 0


def test_a_long_log_that_readers_keep_is_moved_now_and_then(bench: PageBench) -> None:
    """It cannot begin again, and not each step is a checkpoint."""
    bench.writer.execute("PRAGMA synchronous = OFF")
    for _ in range(BEGIN_AGAIN_FRAMES):
        bench.change(1)
    with closing(connect(bench.path)) as first, closing(connect(bench.path)) as second:
        begin_reading(first)
        bench.step(0.01)
        assert read_file(bench.path, 1) == 3 * BEGIN_AGAIN_FRAMES
        bench.change(3000)
        begin_reading(second)
        first.execute("COMMIT")
        bench.step(0.01)
        assert read_file(bench.path, 3000) == 0
        for _ in range(FRAMES):
            bench.change(1)
        bench.step(0.01)
        assert read_file(bench.path, 3000) == 3, "up to the reader's frame"
        second.execute("COMMIT")
    assert bench.turn() == ""
    assert bench.looks == 0


def begin_reading(reader: sqlite3.Connection) -> None:
    """Begin to read what is committed by now."""
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM one").fetchone()


def test_the_log_of_a_database_behind_a_link_is_found(bench: PageBench, tmp_path: Path) -> None:
    """It is beside the file, not beside the link."""
    link = tmp_path / "link.sqlite3"
    link.symlink_to(bench.path)
    pages = PageVerifier(link, bench.look)
    bench.change(2)
    bench.now.s += LATE_S
    pages.step()
    pages.close()
    assert read_file(bench.path, 2) > 0


def test_a_checkpoint_of_another_process_is_no_damage(bench: PageBench) -> None:
    bench.change(*range(1, ROWS, 100))
    checkpoint(bench.path)
    assert bench.turn() == ""
    bench.change(1)
    assert bench.turn() == ""
    assert bench.looks == 0, "the log explains all"
    page = bench.find_page(7)
    bench.flip(page)
    assert bench.turn() == f"page {page} of the file"


@pytest.mark.parametrize("mode", ["PASSIVE", "RESTART", "TRUNCATE"])
def test_a_log_that_began_again_behind_our_back_is_no_damage(bench: PageBench, mode: str) -> None:
    for round_no in range(1, 3):
        bench.change(*range(1, ROWS, 100))
        checkpoint(bench.path, mode)
        bench.change(5000)
        assert bench.turn() == ""
        assert bench.looks == round_no, "all rows are looked at, once"


@pytest.mark.parametrize("is_new", [False, True])
def test_a_file_that_was_packed_is_no_damage(bench: PageBench, *, is_new: bool) -> None:
    bench.writer.execute("DELETE FROM one WHERE no % 3 = 0")
    bench.step()
    before = bench.count_pages()
    with closing(connect(bench.path)) as other:
        other.execute("VACUUM")
        if is_new:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert bench.turn() == ""
    assert bench.count_pages() < before
    assert bench.looks == is_new
    bench.add(ROWS + 1, 4000)
    assert bench.turn() == ""
    assert bench.looks == is_new


def test_a_flipped_bit_beside_a_checkpoint_of_another_process_is_looked_for(
    bench: PageBench,
) -> None:
    bench.flip(bench.find_page(7))
    bench.change(*range(3000, ROWS, 100))
    checkpoint(bench.path, "TRUNCATE")
    bench.fault = "order 7"
    assert bench.turn().endswith("of the file: order 7")


def test_a_flipped_bit_that_is_written_again_as_it_is_is_looked_for(bench: PageBench) -> None:
    """The log has the page with the flipped bit, so it would pass for another's checkpoint."""
    bench.change(7)
    bench.step()
    page = bench.find_page(7)
    bench.flip(page)
    bench.writer.execute("BEGIN IMMEDIATE")
    bench.writer.execute(CHANGE, [7])
    bench.writer.execute("UPDATE one SET count = 3 WHERE no = 7")
    bench.writer.execute("COMMIT")
    bench.fault = "order 7"
    bench.step()
    assert damage.where == f"page {page} of the file: order 7"


def test_a_page_of_zeros_is_looked_at(bench: PageBench) -> None:
    bench.fault = "order 7"
    page = bench.find_page(7)
    with bench.path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))
    assert bench.turn() == f"page {page} of the file: order 7"


def test_a_lost_end_is_looked_at(bench: PageBench) -> None:
    bench.fault = "the file is too short"
    with bench.path.open("r+b") as file:
        file.truncate(20 * PAGE_BYTES)
    assert bench.turn() == "page 21 of the file: the file is too short"


@contextmanager
def file_size_max(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: writing there fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fails_in_the_middle_of_a_checkpoint_is_no_damage(bench: PageBench) -> None:
    before = bench.path.read_bytes()
    bench.change(*range(1, ROWS, 10))
    with file_size_max(40 * PAGE_BYTES + PAGE_BYTES // 2):  # the last page is written by half
        bench.step()
    assert bench.path.read_bytes() != before, "some pages were written"
    assert read_file(bench.path, 5991) == 0, "others were not"
    bench.change(1)
    assert bench.turn() == ""
    assert (read_file(bench.path, 5991), bench.looks) == (3, 0)


def test_a_disk_that_fails_while_the_log_begins_again_is_no_damage(bench: PageBench) -> None:
    """Somebody who is not at the gate has written just before."""
    before = bench.path.read_bytes()
    bench.change(*range(1, ROWS, 10))
    limit = file_size_max(40 * PAGE_BYTES + PAGE_BYTES // 2)
    with limit, pytest.raises(sqlite3.OperationalError):
        bench.pages._begin_again()
    assert bench.path.read_bytes() != before, "some pages were written"
    bench.change(1)
    assert bench.turn() == ""
    assert (read_file(bench.path, 5991), bench.looks) == (3, 0)


def test_a_start_after_a_crash_in_a_checkpoint_is_no_damage(
    bench: PageBench, tmp_path: Path
) -> None:
    """The log has what a page ought to be; the file may have half of it."""
    bench.change(*range(1, ROWS, 10))
    copy = tmp_path / "copy.sqlite3"
    shutil.copyfile(bench.path, copy)
    shutil.copyfile(f"{bench.path}-wal", f"{copy}-wal")
    with copy.open("r+b") as file:
        file.seek((bench.find_page(7) - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES // 2))
    again = PageBench(copy, bench.now)
    try:
        for _ in range(5):
            again.step()
        assert (damage.where, again.looks) == ("", 0)
        assert again.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert read_file(copy, 11) == 3
    finally:
        again.writer.close()
        again.pages.close()


def test_a_checkpoint_of_another_process_at_the_same_time_is_waited_for(bench: PageBench) -> None:
    """It holds the lock on checkpoints: ours does nothing, and is done later."""
    bench.change(1)
    with closing(connect(bench.path)) as other, closing(connect(bench.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM one").fetchone()
        bench.change(2)
        other.execute("PRAGMA busy_timeout = 2000")
        thread = threading.Thread(target=other.execute, args=["PRAGMA wal_checkpoint(RESTART)"])
        thread.start()
        for _ in range(5):
            bench.step()
        reader.execute("COMMIT")
        thread.join()
    assert bench.turn() == ""
