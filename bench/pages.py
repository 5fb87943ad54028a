"""
What open pages of the dashboard cost the whole cluster: `make bench-pages`.

A real cluster at rest, then with one page open, then with a hundred, in turns: CPU time of all its
processes, and how often the catalog was asked for its status meanwhile. The difference to rest is
the result. Pages are asked for as the browser's script does; what a browser spends is not counted.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from bazaar.protocol.clients import CatalogClient
from tests.cluster.conftest import LiveCluster
from tests.cluster.pages import PATHS, DashboardUser, open_pages

ASK_TIMEOUT_S = 5.0


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--pages", type=int, nargs="+", default=[0, 1, 100])
    parser.add_argument("--path", help="of this page only, instead of all in turns")
    options = parser.parse_args()
    paths = (options.path,) if options.path else PATHS
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder))
        cluster.up()
        try:
            user = DashboardUser(cluster)
            rest = 0.0
            for count in options.pages:
                share, asked = measure(cluster, user, count, paths, options.seconds)
                rest = rest if count else share
                print(  # noqa: T201
                    f"{count:4} pages: {share:6.2%} of a core, {share - rest:+6.2%} to rest;"
                    f" the catalog told its status {asked:.2f} times a second"
                )
        finally:
            cluster.end()
    return 0


def measure(
    cluster: LiveCluster, user: DashboardUser, count: int, paths: Sequence[str], seconds: int
) -> tuple[float, float]:
    """Return the share of a core that the cluster took, and status answers a second."""
    node = cluster.topology.catalog
    catalog = CatalogClient.at(node, cluster.secret, ASK_TIMEOUT_S)
    with open_pages(user, count, paths) as pages:
        time.sleep(2)  # connections, first renderings
        before_s, told = cpu_s(cluster.members()), count_status(catalog)
        began_s, texts = time.monotonic(), sum(len(page.texts) for page in pages)
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        texts = sum(len(page.texts) for page in pages) - texts
        share = (cpu_s(cluster.members()) - before_s) / took_s
        asked = (count_status(catalog) - told) / took_s
        failures = sum(page.failures for page in pages)
    catalog.close()
    if count:
        print(f"each page was fed {texts / took_s / count:.2f} times a second, {failures} failures")  # noqa: T201
    return share, asked


def count_status(catalog: CatalogClient) -> int:
    """Return how often the catalog was asked for its status."""
    operations = catalog.status().operations
    return sum(one.count for one in operations if one.name.startswith("GET /status"))


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Return the CPU time of processes that go on, in seconds."""
    times = [process.cpu_times() for process in processes]
    return sum(spent.user + spent.system for spent in times)


if __name__ == "__main__":
    sys.exit(main())
