"""
How long trades stand still when a catalog takes over: `python -m tests.cluster.takeovers`.

Not part of the suite: it takes minutes. The active one of two catalogs is killed again and again,
then paused for some seconds each time, while traders go on. What counts is the longest time around
each fault in which no trade was acknowledged. The other one has stood by for a while then: one that
has just started leaves a silent active alone for PROTECTION_S. In the end the databases are held to
the promises.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bazaar import clock
from bazaar.core.activity import PROTECTION_S
from bazaar.loadtest.prove import audit
from tests.cluster.conftest import LiveCluster
from tests.cluster.two_catalogs import Load, await_standby, find_active, load, run_two, settle
from tests.support.database_servers import SERVERS

AROUND_S = 3.0
"""For how long after a fault its effect is looked for."""


def main() -> int:
    """Run it; return 1 when a trade was refused, or the proof does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pauses", type=int, default=10)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds")
    parser.add_argument("--engine", choices=SERVERS, default="postgresql")
    options = parser.parse_args()

    def pause(cluster: LiveCluster, made: Load, active: str) -> None:
        cluster.pause(active)
        clock.wait(options.pause)
        cluster.resume(active)

    def kill(cluster: LiveCluster, made: Load, active: str) -> None:
        cluster.kill(active)
        find_active(cluster, not_=active)
        made.await_trade()
        cluster.start(active)

    with (
        tempfile.TemporaryDirectory() as folder,
        run_two(Path(folder), options.engine) as cluster,
    ):
        settle(cluster)
        with load(cluster) as made:
            _measure("killed", options.kills, cluster, made, kill)
            _measure("paused", options.pauses, cluster, made, pause)
        settle(cluster)
        verdict = audit(None, data=cluster.data, is_offline=False)
    _say(f"{len(made.acknowledged)} trades acknowledged, {len(made.refused)} refused")
    for line in (*map(str, made.refused), *verdict.sentences, *verdict.gaps):
        _say(line)
    return 1 if made.refused or verdict.sentences or verdict.gaps else 0


def _measure(
    name: str,
    times: int,
    cluster: LiveCluster,
    made: Load,
    fault: Callable[[LiveCluster, Load, str], None],
) -> None:
    stood_s: list[float] = []
    for _ in range(times):
        active = find_active(cluster)
        made.await_trade()
        began_s = clock.monotonic_s()
        fault(cluster, made, active)
        await_standby(cluster, active)
        clock.wait(PROTECTION_S)
        stood_s.append(_longest_s(made.answered_s, began_s))
        _say(f"{active} {name}: {stood_s[-1]:.3f} s")
    if stood_s:
        _say(f"{name} {times} times: median {statistics.median(stood_s):.3f} s")
        _say(f"{name} {times} times: worst {max(stood_s):.3f} s")


def _longest_s(answered_s: list[float], began_s: float) -> float:
    """Return the longest time without an answer that ends within AROUND_S after a fault."""
    return max(
        later - earlier
        for earlier, later in pairwise(answered_s)
        if later >= began_s and earlier <= began_s + AROUND_S
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
