"""
A rolling restart under load, again and again: `python -m tests.cluster.rolling --times 10`.

Not part of the suite: it takes minutes. Eight clients that repeat nothing go on meanwhile; each
request that fails is printed, and there may be none. In the end the databases are held to the
promises (`proof`).
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bazaar import clock
from bazaar.cluster.ports import free_topology
from bazaar.cluster.rolling import RollingRestart
from tests.cluster.conftest import LiveCluster
from tests.cluster.plain_load import PlainLoad
from tests.cluster.proof import assert_proof


def main() -> int:
    """Run it; return 1 when a request has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--front-ends", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--server", default="granian")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        nodes = free_topology(front_ends=options.front_ends)
        more = ("--workers", str(options.workers), "--server", options.server)
        cluster = LiveCluster(Path(folder), *more, nodes=nodes)
        cluster.up()
        try:
            return _run(cluster, options)
        finally:
            cluster.end()


def _run(cluster: LiveCluster, options: argparse.Namespace) -> int:
    urls = [node.url for node in cluster.topology.front_ends]
    with PlainLoad(urls, options.clients, options.seed) as load:
        load.await_progress()
        for number in range(1, options.times + 1):
            began_s = clock.monotonic_s()
            for line in RollingRestart(cluster.cluster).run():
                _say(f"  {line}")
            load.await_progress()
            _say(
                f"{number}: {clock.monotonic_s() - began_s:.1f} s, {load.answered} answered, "
                f"{len(load.failures)} failed, longest answer {load.longest_s:.2f} s"
            )
    for failure in load.failures:
        _say(failure)
    assert_proof(cluster)
    _say("the proof holds")
    return 1 if load.failures else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
