"""
How soon a flipped bit is found and mended: `python -m tests.cluster.flips`.

Under a load of eight clients it flips one random bit in a random page of some replica's file, again
and again, then of the catalog's; waits until that process has begun anew, and prints a line for
each. A bit that no read can see (a free page, the rest of a page) is told from one that was missed
by comparing all rows and SQLite's own check with and without it. In the end the result is held to
the promises (`proof`). It takes up to an hour; `test_flips` is a short form.
"""

import argparse
import random
import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bazaar import clock
from bazaar.clock import wait_until
from tests.cluster.conftest import LiveCluster
from tests.cluster.damage import aside_of, forget_repairs
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof

PAGE_BYTES = 4096
KIND_BYTES = {2: "inner index", 5: "inner table", 10: "index", 13: "table"}
"""What a page is, by its first byte (SQLite's file format)."""
FOUND_TIMEOUT_S = 60.0
MENDED_TIMEOUT_S = 90.0
CATALOG = "catalog"
TRIES = 4
"""Bits that are flipped for each that a read can see, at most."""
_TABLES = "SELECT name, sql FROM sqlite_master WHERE name <> 'sqlite_sequence' ORDER BY name"
"""The last numbers of `sqlite_sequence` are read by nobody: rows have the next one anyway."""

_UNSEEN = re.compile(r"Offset \d+ out of range|Fragmentation of \d|\*\*\* in database|b'ok'")
"""What SQLite's check says of bits that its readers mask, and of bytes that hold nothing."""


@dataclass(frozen=True, slots=True)
class Flip:
    """What came of one flipped bit."""

    name: str
    page: int
    kind: str
    found_s: float | None = None
    at: str = ""
    """Where the process said that it is damaged; why it was not found."""
    mended_s: float | None = None
    is_missed: bool = False

    def __str__(self) -> str:
        found, mended = _seconds(self.found_s), _seconds(self.mended_s)
        return f"{self.name:8} {self.page:6} {self.kind:12} {found:>8} {mended:>8}  {self.at}"


def _seconds(time_s: float | None) -> str:
    return "-" if time_s is None else f"{time_s:.1f} s"


HEADER = f"{'process':8} {'page':>6} {'kind':12} {'found':>8} {'mended':>8}  at"


def main() -> int:
    """Run it and print what was measured; 1: a bit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replica", type=int, default=50, help="bits found in replicas' files")
    parser.add_argument("--catalog", type=int, default=20, help="bits found in the catalog's file")
    parser.add_argument("--orders", type=int, default=2000, help="before the first one")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder))
        cluster.up()
        try:
            flips = run(cluster, options.replica, options.catalog, options.seed, options.orders)
        finally:
            cluster.end()
    _summarize(flips)
    return int(any(flip.is_missed for flip in flips))


def run(
    cluster: LiveCluster, replica: int, catalog: int, seed: int, orders: int = 200
) -> list[Flip]:
    """
    Flip bits under a load, and hold the cluster to its promises in the end.

    replica, catalog: how many bits are found; others come to it. orders: placed before the first.
    Raises AssertionError: a promise does not hold, or what was found was not mended.
    """
    draw, flips = random.Random(seed), list[Flip]()
    _say(HEADER)
    with Load([cluster.base_url]) as load:
        while len(load.acknowledged) < orders:
            load.await_progress(20)
        names = [view.name for view in cluster.look().replicas]
        for wanted, count in ((names, replica), ([CATALOG], catalog)):
            found = 0
            for _ in range(TRIES * count):
                flips.append(_try_one(cluster, draw.choice(wanted), draw))
                _say(str(flips[-1]))
                load.await_progress(1)
                found += flips[-1].found_s is not None
                if found == count:
                    break
    assert_proof(cluster, load)
    _say(f"{len(load.acknowledged)} orders, {len(load.errors)} repeated; every promise holds")
    return flips


def _try_one(cluster: LiveCluster, name: str, draw: random.Random) -> Flip:
    """Flip one bit of a file; return what came of it."""
    forget_repairs(cluster)
    path, log = cluster.data.root / f"{name}.sqlite3", cluster.data.log_path(name)
    aside, logged = aside_of(cluster, name), log.stat().st_size
    _checkpoint(path)
    at = draw.randrange(path.stat().st_size // PAGE_BYTES * PAGE_BYTES)
    whole, mask = path.read_bytes(), 1 << draw.randrange(8)
    flipped = whole[at] ^ mask
    _write(path, at, flipped)
    page = at // PAGE_BYTES
    kind = KIND_BYTES.get(whole[page * PAGE_BYTES], "free") if page else "first"
    if not _is_visible(whole, at, flipped):
        return Flip(name, page + 1, kind, at="no read can see it")
    began_s = clock.monotonic_s()
    found_s = _wait_s(aside.exists, FOUND_TIMEOUT_S, began_s)
    if found_s is None:
        _checkpoint(path)  # a newer page in the write-ahead log hides the bit until then
        if path.read_bytes()[at] != flipped:
            return Flip(name, page + 1, kind, at="written over by a newer page")
        return Flip(name, page + 1, kind, at="MISSED", is_missed=True)
    said = log.read_bytes()[logged:].decode(errors="replace")
    where = re.findall(r'damaged at=("[^"]*"|\S*)', said)
    mended_s = _wait_s(lambda: _is_back(cluster, name), MENDED_TIMEOUT_S, clock.monotonic_s())
    assert mended_s is not None, f"{name} page {page + 1}: not mended in {MENDED_TIMEOUT_S:g} s"
    return Flip(name, page + 1, kind, found_s, where[0].strip('"') if where else "", mended_s)


def _checkpoint(path: Path) -> None:
    """Write newer pages into the file, as SQLite does from time to time."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _write(path: Path, at: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))


def _is_visible(whole: bytes, at: int, flipped: int) -> bool:
    """Tell whether rows or SQLite's own check are others with the bit than without."""
    other = bytearray(whole)
    other[at] = flipped
    return _read_all(whole) != _read_all(bytes(other))


def _read_all(whole: bytes) -> list[str]:
    """Return all that can be read of a database's file, without its write-ahead log."""
    found = list[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.sqlite3"
        path.write_bytes(whole)
        with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
            database.text_factory = bytes
            text = "\n".join(_read(database, "PRAGMA integrity_check")).replace(r"\n", "\n")
            found += [line for line in text.splitlines() if not _UNSEEN.search(line)]
            tables = _read(database, _TABLES)
            found += tables
            for name in re.findall(r"^\(b'([a-z_]+)'", "\n".join(tables), re.MULTILINE):
                found += _read(database, f"SELECT * FROM {name}")
    return found


def _read(database: sqlite3.Connection, statement: str) -> list[str]:
    try:
        return [str(row) for row in database.execute(statement)]
    except (sqlite3.Error, UnicodeError) as error:
        return [str(error)]


def _is_back(cluster: LiveCluster, name: str) -> bool:
    snapshot = cluster.look()
    view = next(one for one in snapshot.processes if one.name == name)
    is_in = name == CATALOG or view.node.id in snapshot.in_sync
    return view.is_well and is_in and snapshot.leader is not None


def _wait_s(condition: Callable[[], bool], timeout_s: float, began_s: float) -> float | None:
    """Return after how many seconds since a time a condition held; None: not in time."""
    return clock.monotonic_s() - began_s if wait_until(condition, timeout_s) else None


def _summarize(flips: Iterable[Flip]) -> None:
    """Say how many were found, and how soon."""
    found = sorted(flip.found_s for flip in flips if flip.found_s is not None)
    mended = sorted(flip.mended_s for flip in flips if flip.mended_s is not None)
    if found:
        _say(f"found {len(found)}: median {found[len(found) // 2]:.1f} s, last {found[-1]:.1f} s")
        _say(f"mended: median {mended[len(mended) // 2]:.1f} s, last {mended[-1]:.1f} s")
    for reason in ("no read can see it", "written over by a newer page", "MISSED"):
        _say(f"{reason}: {sum(flip.at == reason for flip in flips)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
