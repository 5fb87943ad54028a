"""Sums of pages, frames of a log, and that both agree whatever is done to a database (I8)."""

import random
import sqlite3
from pathlib import Path

import pytest

from bazaar.runtime.page_sums import LogFrames, PageSums, make_sum
from tests.support.page_bench import CHANGE, PAGE_BYTES, ROWS, PageBench, connect

ACTS = 300
PACK_EACH = 100


class Storm:
    """Changes, growth, old readers, changes that are given up, and packing, by chance."""

    def __init__(self, bench: PageBench, chance: random.Random) -> None:
        self.bench, self.chance = bench, chance
        self.readers: list[sqlite3.Connection] = []
        self.rows = ROWS

    def run(self) -> None:
        acts = [*[self.change] * 6, self.add, self.read, self.end_read, self.give_up]
        for number in range(ACTS):
            self.chance.choice([*acts, self.bench.step, self.bench.step])()
            if number % PACK_EACH == PACK_EACH - 1:
                self.pack()
        while self.readers:
            self.end_read()

    def change(self) -> None:
        self.bench.change(*(self.chance.randint(1, ROWS) for _ in range(5)))

    def add(self) -> None:
        count = self.chance.randint(1, 200)
        self.bench.add(self.rows + 1, count)
        self.rows += count

    def read(self) -> None:
        """Begin a read, before whose frame a checkpoint ends."""
        self.readers.append(connect(self.bench.path))
        self.readers[-1].execute("BEGIN")
        self.readers[-1].execute("SELECT * FROM one LIMIT 1").fetchall()

    def end_read(self) -> None:
        if self.readers:
            self.readers.pop(self.chance.randrange(len(self.readers))).close()

    def give_up(self) -> None:
        """Write frames that are never committed."""
        writer = self.bench.writer
        writer.execute("PRAGMA cache_size = 2")
        writer.execute("BEGIN IMMEDIATE")
        writer.executemany(CHANGE, [[self.chance.randint(1, ROWS)] for _ in range(30)])
        writer.execute("ROLLBACK")

    def pack(self) -> None:
        self.bench.writer.execute("DELETE FROM one WHERE no > ?", [ROWS])
        self.bench.writer.execute("VACUUM")
        self.rows = ROWS


@pytest.mark.parametrize("seed", range(12))
def test_what_is_written_is_known_whatever_happens(bench: PageBench, seed: int) -> None:
    """Every page is as it was noted, and whichever bit flips then is found."""
    chance = random.Random(seed)
    Storm(bench, chance).run()
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


def test_frames_of_the_log_before_are_not_read(bench: PageBench) -> None:
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
