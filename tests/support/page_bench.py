"""A database whose pages are verified, with a writer; and the clock of it."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

from bazaar.runtime.damage import damage
from bazaar.runtime.page_sums import LogFrames
from bazaar.runtime.page_verifier import CHECKPOINT_S, TURN_S, PageVerifier
from tests.support.waits import wait_until

LATE_S = 1.5 * CHECKPOINT_S
PAGE_BYTES = 4096
ROWS = 6000
TABLE = 13
KINDS = {2: "inner index", 5: "inner table", 10: "index", TABLE: "table", 0: "free"}
"""What a page is, by its first byte (SQLite's file format)."""
ADD = "INSERT INTO one (no, key, count) VALUES (?, ?, 0)"
CHANGE = "UPDATE one SET count = count + 3 WHERE no = ?"


class StillClock:
    """A clock that stands still."""

    s = 0.0


class PageBench:
    """A database with a writer, and what verifies its pages."""

    def __init__(self, path: Path, now: StillClock) -> None:
        self.path, self.now, self.looks, self.fault = path, now, 0, ""
        self.writer = connect(path)
        self.pages = PageVerifier(path, self.look)

    def look(self) -> str:
        self.looks += 1
        return self.fault

    def step(self, pause_s: float = LATE_S) -> None:
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

    def has_frames(self, count: int) -> bool:
        """Tell whether the log has so many frames."""
        with LogFrames(self.path, PAGE_BYTES) as frames:
            return frames.has(count)

    def await_new_logs(self, count: int, others: Sequence[Future[None]]) -> None:
        """
        Step until the log has begun again so often, or one of the others has ended.

        Raises AssertionError: there is damage, or it takes too long.
        """
        salts = set[bytes]()

        def is_done() -> bool:
            self.step()
            assert damage.where == ""
            with LogFrames(self.path, PAGE_BYTES) as frames:
                salts.add(frames.read_salts())
            return len(salts) > count or any(other.done() for other in others)

        wait_until(is_done)


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


def make_database(path: Path) -> None:
    """Make a database with pages of every kind, all of it in its file."""
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


def read_file(path: Path, number: int) -> int:
    """Return what the main file alone says of a row."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
        return int(database.execute("SELECT count FROM one WHERE no = ?", [number]).fetchone()[0])
