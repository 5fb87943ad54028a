"""
A longer run of the crash tests, with times: `python -m tests.cluster.soak --seconds 60 --kills 20`.

Not part of the suite: it measures, and times belong in no test. It brings up a cluster of its own
on free ports with the S&P 500 catalog, trades with 8 clients, kills (or with --pause stops for a
while) the leader at random moments, and then holds every database to the promises (`proof`). Exit
status 1 when one does not hold or a client saw an error.
"""

import argparse
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bazaar.settings import env
from tests.cluster.conftest import LiveCluster
from tests.cluster.test_crashes import assert_proof
from tests.cluster.traders import Market


def main() -> int:
    """Run it and print what was measured."""
    options = _parse()
    stocks = json.loads((env.ROOT / "fixtures" / "sp500.json").read_text())
    names = [stock["fields"]["name"] for stock in stocks]
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder), "--stocks", "sp500", "--server", options.server)
        cluster.up()
        try:
            trading = Market(
                cluster.topology.front_ends[0].port, names, options.clients, options.seed
            )
            faults = _trade(cluster, trading, options)
            _report(trading, faults)
            assert_proof(cluster, trading)
        finally:
            cluster.end()
    print("proof: every log equals the ledger, nothing lost, doubled or misnumbered")  # noqa: T201
    return 1 if trading.errors else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0, help="stop the leader for this long")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server", default="granian")
    return parser.parse_args()


def _trade(cluster: LiveCluster, trading: Market, options: argparse.Namespace) -> list[float]:
    """Trade for the given time with faults at random moments; return when each fault was."""
    chance = random.Random(options.seed)
    faults: list[float] = []
    end_s = time.monotonic() + options.seconds
    with trading:
        for left in range(options.kills, 0, -1):
            span_s = max(0.0, (end_s - time.monotonic()) / left)
            time.sleep(span_s * chance.uniform(0.1, 0.6))
            victim = cluster.leader()
            if options.pause:
                cluster.pause(victim)
                faults.append(time.monotonic())
                time.sleep(options.pause)
                cluster.resume(victim)
            else:
                faults.append(time.monotonic())
                cluster.kill(victim)
                cluster.start(victim)
        time.sleep(max(0.0, end_s - time.monotonic()))
    return faults


def _report(trading: Market, faults: list[float]) -> None:
    times_ms = sorted((a.done_s - a.sent_s) * 1000 for a in trading.acknowledged)
    # Answers may still come that were decided before the fault; the gap is the longest wait after.
    gaps_s = [_longest_gap(trading, fault) for fault in faults]
    print(  # noqa: T201
        f"acknowledged {len(times_ms)}, errors {len(trading.errors)}, "
        f"p50 {times_ms[len(times_ms) // 2]:.1f} ms, "
        f"p99 {times_ms[len(times_ms) * 99 // 100]:.1f} ms, max {times_ms[-1]:.1f} ms"
    )
    for error in trading.errors[:5]:
        print(error)  # noqa: T201
    if gaps_s:
        print(  # noqa: T201
            f"{len(gaps_s)} faults, time to the next acknowledged trade: "
            f"median {statistics.median(gaps_s):.3f} s, worst {max(gaps_s):.3f} s"
        )


def _longest_gap(trading: Market, fault_s: float) -> float:
    """Return the longest silence that began within a second after a fault, in seconds."""
    done = [a.done_s for a in trading.acknowledged]
    moments = [fault_s, *(moment for moment in done if moment > fault_s)]
    pairs = [(a, b) for a, b in itertools.pairwise(moments) if a < fault_s + 1]
    return max((b - a for a, b in pairs), default=float("inf"))


if __name__ == "__main__":
    sys.exit(main())
