"""
How soon a flipped bit is found and mended: `python -m tests.cluster.flips --times 50`.

Not part of the suite: it measures. Under a load it flips one random bit in a random page of some
replica's file, again and again, and waits until that replica has begun anew and is in sync. A bit
that nothing reads (a free page, the rest of a page) is found by nobody. In the end the result is
held to the promises (`proof`).
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bazaar import clock
from bazaar.clock import wait_until
from tests.cluster.conftest import LiveCluster
from tests.cluster.damage import forget_repairs
from tests.cluster.load import Load
from tests.cluster.proof import assert_proof

PAGE_BYTES = 4096
FOUND_TIMEOUT_S = 45.0
MENDED_TIMEOUT_S = 60.0


def main() -> int:
    """Run it and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder))
        cluster.up()
        try:
            with Load([cluster.base_url]) as load:
                load.await_progress(options.orders)
                for number in range(1, options.times + 1):
                    _say(f"{number}: {_try_one(cluster, draw)}")
            assert_proof(cluster, load)
            _say(f"{len(load.acknowledged)} trades, {len(load.errors)} errors; the proof holds")
        finally:
            cluster.end()
    return 0


def _try_one(cluster: LiveCluster, draw: random.Random) -> str:
    """Flip one bit; return what came of it."""
    forget_repairs(cluster)
    name = draw.choice([view.name for view in cluster.look().replicas])
    path = cluster.data.root / f"{name}.sqlite3"
    aside = path.with_name(f"{path.name}.damaged")
    page = draw.randrange(path.stat().st_size // PAGE_BYTES)
    at, bit = page * PAGE_BYTES + draw.randrange(PAGE_BYTES), draw.randrange(8)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
    place = f"{name} page {page + 1} byte {at % PAGE_BYTES} bit {bit}"
    found_s = _wait_s(aside.exists, FOUND_TIMEOUT_S)
    if found_s is None:
        return f"{place}: not found, nothing reads it"

    def is_back() -> bool:
        snapshot = cluster.look()
        view = next(one for one in snapshot.replicas if one.name == name)
        return view.is_well and view.node.id in snapshot.in_sync

    back_s = _wait_s(is_back, MENDED_TIMEOUT_S)
    assert back_s is not None, f"{place}: found, and not mended in {MENDED_TIMEOUT_S:g} s"
    return f"{place}: found and moved aside in {found_s:.1f} s, back {back_s:.1f} s later"


def _wait_s(condition: Callable[[], bool], timeout_s: float) -> float | None:
    """Return after how many seconds a condition held; None: not in time."""
    began_s = clock.monotonic_s()
    return clock.monotonic_s() - began_s if wait_until(condition, timeout_s) else None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
