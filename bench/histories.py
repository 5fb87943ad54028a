"""
What a long history costs: `make bench-histories`.

Clusters with so many orders are made in bulk. They start in turns, then run side by side, and every
round measures all of them: a trade, the look-up of an order at random that no front end has in
memory, and a page of the list from its newest end, from its middle and from its oldest end. Then
the memory of every process, and an audit. The last column is the longest history to the shortest:
it should be flat, except where the reason is given.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bazaar import clock
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from bench import starts, trading, wrk
from bench.clusters import OwnCluster, running
from bench.measures import MEMORY, Found, Measure, are_met, show, weigh
from bench.trading import Spec

UP_TIMEOUT_S = 180.0
ASKED = 200
"""Orders or pages that are asked for in turn."""
PAGE = 50
ORDERS_PATH = "/api/v1/orders"


START = Measure("start of all until healthy, s", ".2f")
TRADE = Measure("trade, 1 client, p50 ms", ".2f")
LOOK_UP = Measure("look-up of any order, p50 ms", ".3f")
NEWEST = Measure("page of the newest, p50 ms", ".3f")
MIDDLE = Measure("page from the middle, p50 ms", ".3f")
OLDEST = Measure("page of the oldest, p50 ms", ".3f")
AUDIT = Measure("audit, s", ".1f", reason="reads and hashes every order of every database")
EACH_ROUND = (TRADE, LOOK_UP, NEWEST, MIDDLE, OLDEST)


@dataclass(slots=True)
class History:
    """A cluster that has so many orders, and what was measured of it."""

    orders: int
    cluster: OwnCluster
    found: Found = field(default_factory=Found)

    def start(self) -> None:
        """Note how long a start takes; the cluster is stopped again."""
        began_s = clock.monotonic_s()
        with running(self.cluster):
            self.wait()
            self.found.note(START, clock.monotonic_s() - began_s)

    def wait(self) -> None:
        """Wait until all is well."""
        self.cluster.wait_for(lambda found: found.health is Health.HEALTHY, UP_TIMEOUT_S)

    def measure(self, seconds: int) -> None:
        """Measure one round."""
        spec = Spec(url=self.cluster.base_url, clients=1, seconds=seconds)
        self.found.note(TRADE, trading.run(spec).quantile_ms(0.5))
        for measure, paths in paths_of(self.orders, random.Random(self.orders)).items():  # noqa: S311
            told = wrk.run(self.cluster.base_url, 1, seconds, header=wrk.FRESH, paths=paths)
            self.found.note(measure, told.p50)

    def audit(self) -> None:
        """Note how long an audit takes. Raises SystemExit: it finds something."""
        began_s = clock.monotonic_s()
        command = [sys.executable, str(env.ROOT / "manage.py"), "audit"]
        done = subprocess.run(
            command,
            env={**os.environ, **self.cluster.environ},
            cwd=env.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"The audit says:\n{done.stdout}{done.stderr}")
        self.found.note(AUDIT, clock.monotonic_s() - began_s)


def paths_of(orders: int, chance: random.Random) -> dict[Measure, list[str]]:
    """Return what is asked for in a history of so many orders, by what it measures."""

    def pages(first: int, last: int) -> list[str]:
        cursors = (chance.randint(first, last) for _ in range(ASKED))
        return [f"{ORDERS_PATH}?limit={PAGE}&cursor={cursor}" for cursor in cursors]

    end = PAGE + 1 + orders // 100
    return {
        LOOK_UP: [f"/orders?order_no={chance.randint(1, orders)}" for _ in range(ASKED)],
        NEWEST: [f"{ORDERS_PATH}?limit={PAGE}"],
        MIDDLE: pages(orders // 3, 2 * orders // 3),
        OLDEST: pages(PAGE + 1, end),
    }


def main() -> int:
    """Measure, print, and return 1 when something is not flat without a reason."""
    options = _parse()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        histories = []
        for orders in sorted(options.orders):
            _say(f"a cluster with {orders:,} orders")
            histories.append(History(orders, starts.make(folder, orders)))
        measures = observe(histories, options)
    _say(show(measures, {f"{one.orders:,} orders": one.found for one in histories}))
    return int(not are_met(measures, [one.found for one in histories]))


def observe(histories: Sequence[History], options: argparse.Namespace) -> list[Measure]:
    """Measure everything of all histories; return what was measured."""
    for number in range(options.starts):
        _say(f"start {number + 1}")
        for history in histories:
            history.start()
    with contextlib.ExitStack() as stack:
        for history in histories:
            stack.enter_context(running(history.cluster))
        for history in histories:
            history.wait()
        for number in range(options.rounds):
            _say(f"round {number + 1}")
            for history in histories:
                history.measure(options.seconds)
        for history in histories:
            weigh(history.cluster, history.found)
        audited = [AUDIT] if options.audit else []
        for history in histories if audited else ():
            _say(f"audit of {history.orders:,} orders")
            history.audit()
    return [*([START] if options.starts else []), *EACH_ROUND, *MEMORY, *audited]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.histories", description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[10**3, 10**5, 10**7])
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--no-audit", dest="audit", action="store_false")
    parser.add_argument(
        "--folder", type=Path, help="keep the databases here, and use them again; 10 GB"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
