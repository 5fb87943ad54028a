"""Pages of a real file: what a checkpoint writes is known, what is flipped is found (I8)."""

import random
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bazaar import clock
from bazaar.runtime.damage import damage
from bazaar.runtime.page_sums import LogFrames, PageSums, make_sum
from bazaar.runtime.page_verifier import BEGIN_AGAIN_FRAMES, FRAMES, TURN_S, PageVerifier

PAGE_BYTES = 4096
ROWS = 6000
TABLE = 13
KINDS = {2: "inner index", 5: "inner table", 10: "index", TABLE: "table", 0: "free"}
"""What a page is, by its first byte."""
ADD = "INSERT INTO one (no, key, count) VALUES (?, ?, 0)"
CHANGE = "UPDATE one SET count = count + 3 WHERE no = ?"


class Now:
    """A clock that stands still."""

    s = 0.0


class Bench:
    """A database with a writer, and what verifies its pages."""

    def __init__(self, path: Path, now: Now) -> None:
        self.path, self.now, self.looks, self.fault = path, now, 0, ""
        self.writer = connect(path)
        self.pages = PageVerifier(path, self.look)

    def look(self) -> str:
        self.looks += 1
        return self.fault

    def step(self, pause_s: float = 1.5) -> None:
        """Let one step come after a while; a checkpoint is due if there is something new."""
        self.now.s += pause_s
        self.pages.step()

    def turn(self) -> str:
        """Let all pages have their turn."""
        for _ in range(int(2 * TURN_S)):
            self.step()
        return damage.where

    def change(self, *numbers: int) -> None:
        self.writer.execute("BEGIN IMMEDIATE")
        self.writer.executemany(CHANGE, [[number] for number in numbers])
        self.writer.execute("COMMIT")

    def add(self, first: int, count: int) -> None:
        self.writer.execute("BEGIN IMMEDIATE")
        fill(self.writer, first, count)
        self.writer.execute("COMMIT")

    def flip(self, page: int, at: int = 100, mask: int = 1) -> None:
        """Change bits of one byte of a page in the main file, which the writer reads again."""
        place = (page - 1) * PAGE_BYTES + at
        with self.path.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ mask]))
        self.writer.execute("PRAGMA shrink_memory")

    def find_page(self, number: int) -> int:
        """Return the page of the table, in the main file, that has a row."""
        whole, key = self.path.read_bytes(), make_key(number).encode()
        pages = [whole[at : at + PAGE_BYTES] for at in range(0, len(whole), PAGE_BYTES)]
        return next(no for no, page in enumerate(pages, 1) if page[0] == TABLE and key in page)

    def count_pages(self) -> int:
        return self.path.stat().st_size // PAGE_BYTES


def connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    database.execute("PRAGMA wal_autocheckpoint = 0")
    return database


def make_key(number: int) -> str:
    return f"key-{number * 7919 % 1_000_003:016}"


def fill(database: sqlite3.Connection, first: int, count: int) -> None:
    database.executemany(ADD, [(no, make_key(no)) for no in range(first, first + count)])


def checkpoint(path: Path, mode: str = "PASSIVE") -> None:
    """Do a checkpoint as another process does."""
    with closing(connect(path)) as other:
        other.execute(f"PRAGMA wal_checkpoint({mode})")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "order-1.sqlite3"
    with closing(connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "CREATE TABLE one (no INTEGER PRIMARY KEY, key TEXT UNIQUE, count INTEGER)"
        )
        database.execute("CREATE TABLE gone AS SELECT hex(randomblob(9000)) AS text")
        database.execute("BEGIN")
        fill(database, 1, ROWS)
        database.execute("COMMIT")
        database.execute("DROP TABLE gone")
    return path


@pytest.fixture
def bench(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    path = tmp_path / "order-1.sqlite3"
    shutil.copyfile(template, path)
    now = Now()
    monkeypatch.setattr(clock, "monotonic_s", lambda: now.s)
    monkeypatch.setattr(clock, "thread_s", lambda: 0.0)
    bench = Bench(path, now)
    bench.step()
    bench.step()
    yield bench
    bench.writer.close()
    bench.pages.close()


@pytest.mark.parametrize("kind", ["first", *KINDS.values()])
def test_a_flipped_bit_of_any_page_is_found(bench: Bench, kind: str) -> None:
    whole = bench.path.read_bytes()
    kinds = [KINDS.get(whole[at], "free") for at in range(0, len(whole), PAGE_BYTES)]
    page = 1 if kind == "first" else kinds.index(kind, 1) + 1
    assert bench.turn() == ""
    bench.flip(page, at=3000)
    assert bench.turn() == f"page {page} of the file"
    assert bench.looks == 0


def test_a_flipped_bit_that_is_written_again_with_something_else_is_found(bench: Bench) -> None:
    """A page that changes every second never waits for its turn."""
    page = bench.find_page(7)
    bench.flip(page, at=PAGE_BYTES - 3)
    bench.change(7)
    whole = bench.path.read_bytes()
    bench.step()
    assert damage.where == f"page {page} of the file"
    assert bench.path.read_bytes() == whole, "nothing is written over it"


def test_what_a_checkpoint_writes_is_known(bench: Bench) -> None:
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


def test_a_page_is_compared_with_what_was_meant_not_with_what_was_written(bench: Bench) -> None:
    bench.change(7)
    bench.step()
    page = bench.find_page(7)
    bench.flip(page)
    assert bench.turn() == f"page {page} of the file"


def test_a_checkpoint_that_an_old_reader_stops_is_gone_on_with(bench: Bench) -> None:
    bench.change(1, 3000)
    with closing(connect(bench.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM one").fetchone()
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


def read_file(path: Path, number: int) -> int:
    """Return what the main file alone says of a row."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
        return int(database.execute("SELECT count FROM one WHERE no = ?", [number]).fetchone()[0])


def test_the_log_begins_again_while_others_write_all_the_time(bench: Bench) -> None:
    written, is_over = [0], threading.Event()

    def write() -> None:
        with closing(connect(bench.path)) as writer:
            writer.execute("PRAGMA busy_timeout = 5000")
            while not is_over.is_set():
                number = written[0] * 61 % ROWS + 1
                writer.execute(CHANGE, [number])
                written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while written[0] < 4 * BEGIN_AGAIN_FRAMES:
            bench.step()
            assert damage.where == ""
    finally:
        is_over.set()
        thread.join()
    assert bench.turn() == ""
    assert bench.looks == 0
    log_bytes = Path(f"{bench.path}-wal").stat().st_size
    assert log_bytes < written[0] * PAGE_BYTES / 2, "it has begun again"


def test_a_log_that_grows_fast_does_not_wait_for_a_second(bench: Bench) -> None:
    bench.change(1)
    bench.step()
    bench.change(2)
    bench.step(0.01)
    assert read_file(bench.path, 2) == 0
    bench.writer.execute("PRAGMA cache_size = 10")
    for number in range(FRAMES):
        bench.change(number + 1)
    bench.step(0.01)
    assert read_file(bench.path, FRAMES) > 0


def test_a_checkpoint_of_another_process_is_no_damage(bench: Bench) -> None:
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
def test_a_log_that_began_again_behind_our_back_is_no_damage(bench: Bench, mode: str) -> None:
    for round_no in range(1, 3):
        bench.change(*range(1, ROWS, 100))
        checkpoint(bench.path, mode)
        bench.change(5000)
        assert bench.turn() == ""
        assert bench.looks == round_no, "all rows are looked at, once"


@pytest.mark.parametrize("is_new", [False, True])
def test_a_file_that_was_packed_is_no_damage(bench: Bench, *, is_new: bool) -> None:
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


def test_a_flipped_bit_beside_a_checkpoint_of_another_process_is_looked_for(bench: Bench) -> None:
    bench.flip(bench.find_page(7))
    bench.change(*range(3000, ROWS, 100))
    checkpoint(bench.path, "TRUNCATE")
    bench.fault = "order 7"
    assert bench.turn().endswith("of the file: order 7")


def test_a_flipped_bit_that_is_written_again_as_it_is_is_looked_for(bench: Bench) -> None:
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


def test_a_page_of_zeros_is_looked_at(bench: Bench) -> None:
    bench.fault = "order 7"
    page = bench.find_page(7)
    with bench.path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))
    assert bench.turn() == f"page {page} of the file: order 7"


def test_a_lost_end_is_looked_at(bench: Bench) -> None:
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


def test_a_disk_that_fails_in_the_middle_of_a_checkpoint_is_no_damage(bench: Bench) -> None:
    before = bench.path.read_bytes()
    bench.change(*range(1, ROWS, 10))
    with file_size_max(40 * PAGE_BYTES + PAGE_BYTES // 2):  # the last page is written by half
        bench.step()
    assert bench.path.read_bytes() != before, "some pages were written"
    assert read_file(bench.path, 5991) == 0, "others were not"
    bench.change(1)
    assert bench.turn() == ""
    assert (read_file(bench.path, 5991), bench.looks) == (3, 0)


def test_a_start_after_a_crash_in_a_checkpoint_is_no_damage(bench: Bench, tmp_path: Path) -> None:
    """The log has what a page ought to be; the file may have half of it."""
    bench.change(*range(1, ROWS, 10))
    copy = tmp_path / "copy.sqlite3"
    shutil.copyfile(bench.path, copy)
    shutil.copyfile(f"{bench.path}-wal", f"{copy}-wal")
    with copy.open("r+b") as file:
        file.seek((bench.find_page(7) - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES // 2))
    again = Bench(copy, bench.now)
    try:
        for _ in range(5):
            again.step()
        assert (damage.where, again.looks) == ("", 0)
        assert again.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert read_file(copy, 11) == 3
    finally:
        again.writer.close()
        again.pages.close()


def test_a_checkpoint_of_another_process_at_the_same_time_is_waited_for(bench: Bench) -> None:
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


@pytest.mark.parametrize("seed", range(12))
def test_what_is_written_is_known_whatever_happens(bench: Bench, seed: int) -> None:
    """Changes, growth, old readers, rolled-back changes and packing: no page is unexplained."""
    chance = random.Random(seed)
    readers: list[sqlite3.Connection] = []
    rows = [ROWS]

    def read() -> None:
        readers.append(connect(bench.path))
        readers[-1].execute("BEGIN")
        readers[-1].execute("SELECT * FROM one LIMIT 1").fetchall()

    def end() -> None:
        if readers:
            readers.pop(chance.randrange(len(readers))).close()

    def add() -> None:
        count = chance.randint(1, 200)
        bench.add(rows[0] + 1, count)
        rows[0] += count

    def give_up() -> None:
        bench.writer.execute("PRAGMA cache_size = 2")  # so frames of it are written
        bench.writer.execute("BEGIN IMMEDIATE")
        bench.writer.executemany(CHANGE, [[chance.randint(1, ROWS)] for _ in range(30)])
        bench.writer.execute("ROLLBACK")

    def pack() -> None:
        bench.writer.execute("DELETE FROM one WHERE no > ?", [ROWS])
        bench.writer.execute("VACUUM")
        rows[0] = ROWS

    acts: list[Callable[[], None]] = [
        *[lambda: bench.change(*(chance.randint(1, ROWS) for _ in range(5)))] * 6,
        *(add, read, end, give_up, bench.step, bench.step),
    ]
    for number in range(300):
        chance.choice(acts)()
        if number % 100 == 99:
            pack()
    for reader in readers:
        reader.close()
    bench.change(1)
    assert bench.turn() == ""
    assert bench.looks == 0
    page = chance.randint(1, bench.count_pages())
    bench.flip(page, chance.randrange(PAGE_BYTES), 1 << chance.randrange(8))
    assert bench.turn() == f"page {page} of the file"


def test_one_other_bit_is_told_from_two(tmp_path: Path) -> None:
    path, chance = tmp_path / "file", random.Random(1)
    page = chance.randbytes(PAGE_BYTES)
    path.write_bytes(page)
    sums = PageSums(path, PAGE_BYTES)
    sums.count()
    assert sums.find_wrong([1]) == {}
    for at in [0, 1, 8 * PAGE_BYTES - 1, *(chance.randrange(8 * PAGE_BYTES) for _ in range(20))]:
        other = bytearray(page)
        other[at // 8] ^= 1 << at % 8
        assert sums.list_flipped({1: make_sum(bytes(other))}) == [1]
        other[(at // 8 + 100) % PAGE_BYTES] ^= 1
        assert sums.list_flipped({1: make_sum(bytes(other))}) == []
    sums.close()


def test_frames_of_the_log_before_are_not_read(bench: Bench) -> None:
    bench.change(*range(1, ROWS, 100))
    bench.step()
    with LogFrames(bench.path, PAGE_BYTES) as frames:
        many, salts = len(frames.read(0)), frames.read_salts()
    bench.change(1)
    with LogFrames(bench.path, PAGE_BYTES) as frames:
        assert frames.read_salts() != salts
        assert 0 < len(frames.read(0)) < many
        assert not frames.has(many)
    assert bench.turn() == ""
