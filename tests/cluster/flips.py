"""
How soon a flipped bit is found and mended: `python -m tests.cluster.flips`.

Under a load of eight clients it flips one random bit in a random page of some replica's file, again
and again, then of the catalog's; waits until that process has begun anew, and prints a line for
each, with the number of orders that there were. Any bit is found, also one that no row has. A page
may be written anew just when one of its bits is flipped: then there is nothing to be found. In the
end the result is held to the promises (`proof`). It takes up to an hour; `test_flips` is a short
form.
"""

import argparse
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bazaar import clock
from bazaar.clock import wait_until
from tests.cluster.conftest import LiveCluster
from tests.cluster.damage import aside_of, forget_repairs
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof
from tests.support.page_bench import KINDS, PAGE_BYTES

FOUND_S = 30.0
"""How soon each is to be found."""
FOUND_TIMEOUT_S = 60.0
MENDED_TIMEOUT_S = 90.0
CATALOG = "catalog"
TRIES = 4
"""Bits that are flipped for each that is found, at most."""
WRITTEN_OVER = "written over by a newer page"


@dataclass(frozen=True, slots=True)
class Flip:
    """What came of one flipped bit."""

    name: str
    page: int
    kind: str
    orders: int
    """Acknowledged before it."""
    found_s: float | None = None
    at: str = ""
    """Where the process said that it is damaged; why it was not found."""
    mended_s: float | None = None
    is_missed: bool = False

    def __str__(self) -> str:
        found, mended = _seconds(self.found_s), _seconds(self.mended_s)
        where = f"{self.name:8} {self.page:6} {self.kind:12} {self.orders:7}"
        return f"{where} {found:>8} {mended:>8}  {self.at}"

    @property
    def is_late(self) -> bool:
        """Whether it was found later than it should, or not at all."""
        return self.is_missed or (self.found_s or 0.0) > FOUND_S


def _seconds(time_s: float | None) -> str:
    return "-" if time_s is None else f"{time_s:.1f} s"


HEADER = f"{'process':8} {'page':>6} {'kind':12} {'orders':>7} {'found':>8} {'mended':>8}  at"


def main() -> int:
    """Run it and print what was measured; 1: a bit was missed, or found late."""
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
            full = Load([cluster.base_url], is_full=True)
            flips = run(
                cluster, full, (options.replica, options.catalog), options.seed, options.orders
            )
        finally:
            cluster.end()
    _summarize(flips)
    return int(any(flip.is_late for flip in flips))


def run(
    cluster: LiveCluster, clients: Load, counts: tuple[int, int], seed: int, orders: int = 100
) -> list[Flip]:
    """
    Flip bits under a load, and hold the cluster to its promises in the end.

    clients: which do not run yet. counts: how many bits are found in replicas' files, and in the
    catalog's; others come to it. orders: placed before the first.
    Raises AssertionError: a promise does not hold, or what was found was not mended.
    """
    draw, flips = random.Random(seed), list[Flip]()
    _say(HEADER)
    with clients as load:
        while len(load.acknowledged) < orders:
            load.await_progress(20)
        names = [view.name for view in cluster.look().replicas]
        for wanted, count in zip((names, [CATALOG]), counts, strict=True):
            found = 0
            for _ in range(TRIES * count):
                flips.append(_try_one(cluster, load, draw.choice(wanted), draw))
                _say(str(flips[-1]))
                load.await_progress(1)
                found += flips[-1].found_s is not None
                if found == count:
                    break
    assert_proof(cluster, load)
    _say(f"{len(load.acknowledged)} orders, {len(load.errors)} repeated; every promise holds")
    return flips


def _try_one(cluster: LiveCluster, load: Load, name: str, draw: random.Random) -> Flip:
    """Flip one bit of a file; return what came of it."""
    forget_repairs(cluster)
    path, log = cluster.data.root / f"{name}.sqlite3", cluster.data.log_path(name)
    aside, logged = aside_of(cluster, name), log.stat().st_size
    at = draw.randrange(path.stat().st_size // PAGE_BYTES * PAGE_BYTES)
    whole, mask = path.read_bytes(), 1 << draw.randrange(8)
    flipped, orders = whole[at] ^ mask, len(load.acknowledged)
    _write(path, at, flipped)
    page = at // PAGE_BYTES
    kind = KINDS.get(whole[page * PAGE_BYTES], "free") if page else "first"
    found_s = _wait_s(aside.exists, FOUND_TIMEOUT_S, clock.monotonic_s())
    if found_s is None:
        is_there = path.read_bytes()[at] == flipped
        reason = "MISSED" if is_there else WRITTEN_OVER
        return Flip(name, page + 1, kind, orders, at=reason, is_missed=is_there)
    said = log.read_bytes()[logged:].decode(errors="replace")
    where = re.findall(r'damaged at=("[^"]*"|\S*)', said)
    mended_s = _wait_s(lambda: _is_back(cluster, name), MENDED_TIMEOUT_S, clock.monotonic_s())
    assert mended_s is not None, f"{name} page {page + 1}: not mended in {MENDED_TIMEOUT_S:g} s"
    at_text = where[0].strip('"') if where else ""
    return Flip(name, page + 1, kind, orders, found_s, at_text, mended_s)


def _write(path: Path, at: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))


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
    for reason in (WRITTEN_OVER, "MISSED"):
        _say(f"{reason}: {sum(flip.at == reason for flip in flips)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
