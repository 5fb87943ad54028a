"""
What a cache hit costs, side by side in one run: `make bench-cache`.

Three contestants answer the same stock with the same bytes under the same server: the hit path, a
bare WSGI callable, and the DRF view behind the hit path. wrk loads them in turns, several rounds;
the table shows medians, the spread, and the server's CPU time a request. Ratios within one run are
the result; single numbers are this machine's.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from bazaar.cluster.ports import free_ports
from bazaar.settings import env
from bench import processes
from tests.cluster.conftest import LiveCluster

STOCK = "GameStart"
OWN_HEADERS = ("date", "server", "connection", "transfer-encoding")
"""Headers that a server adds itself."""
START_TIMEOUT_S = 20.0
WARM_UP_CONNECTIONS = 32


@dataclass(slots=True)
class Contestant:
    """One way to the answer, and what was measured of it."""

    name: str
    url: str
    pid: int
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """The part of the CPU time that its busiest process took."""

    def run(self, seconds: int, connections: int) -> None:
        """Load it once."""
        before_s = cpu_s_by_pid(self.pid)
        load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", self.url]
        told = subprocess.run(load, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in told or "Socket errors" in told:
            raise SystemExit(f"{self.name} gave errors:\n{told}")
        requests = _number(r"(\d+) requests in", told)
        self.rates.append(_number(r"Requests/sec:\s+([\d.]+)", told))
        spent_s = [after_s - before_s[pid] for pid, after_s in cpu_s_by_pid(self.pid).items()]
        self.cpu_us.append(sum(spent_s) / requests * 1e6)
        self.shares.append(max(spent_s) / sum(spent_s))

    def warm_up(self) -> None:
        """Load it, and note nothing: each of its processes has the stock then."""
        Contestant(self.name, self.url, self.pid).run(1, WARM_UP_CONNECTIONS)


def cpu_s_by_pid(pid: int) -> dict[int, float]:
    """Return the CPU time of a process and of each it started, in seconds."""
    return {pid: sum(times) for pid, times in processes.used_by(pid).items()}


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and of all it started, in seconds."""
    return sum(cpu_s_by_pid(pid).values())


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cluster = LiveCluster(Path(folder))
        cluster.up()
        bare: subprocess.Popen[bytes] | None = None
        try:
            path = f"/stocks?{urlencode({'stock_name': STOCK})}"
            url = cluster.base_url + path
            ask(url)  # the first is a miss
            bare, bare_url = start_bare(*ask(url))
            pid = cluster.view("frontend-1").pid
            contestants = [
                Contestant("hit path", url, pid),
                Contestant("bare WSGI callable", bare_url + path, bare.pid),
                Contestant("DRF view", f"{url}&", pid),  # the hit path takes one parameter only
            ]
            for _ in range(options.rounds):
                for contestant in contestants:
                    contestant.run(options.seconds, options.connections)
        finally:
            if bare is not None:
                bare.terminate()
                bare.wait()
            cluster.end()
    show(contestants, options.connections)
    return 0


def start_bare(
    body: str, headers: Sequence[tuple[str, str]], *, work_us: int = 0, threads: int | None = None
) -> tuple[subprocess.Popen[bytes], str]:
    """
    Start the bare callable under granian.

    It answers every path, and has a session of its own as a cluster has: Linux shares the processor
    among sessions. work_us: CPU time that it spends on each answer. threads: those of a front end
    by default.
    """
    (port,) = free_ports(1)
    answer = json.dumps({"body": body, "headers": list(headers)})
    threads = threads or env.read_limits(os.environ).served_threads
    server = [
        *("granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--port", str(port)),
        *("--blocking-threads", str(threads), "--backlog", "1024", "--backpressure", "1024"),
        *("--no-access-log", "--log-level", "error", "bench.bare:application"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", *server],
        env={**os.environ, "BENCH_ANSWER": answer, "BENCH_WORK_US": str(work_us)},
        cwd=env.ROOT,
        start_new_session=True,
    )
    bare_url = f"http://127.0.0.1:{port}"
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            assert ask(bare_url)[0] == body, "the bare callable gives another answer"
        except OSError:
            if time.monotonic() > deadline_s:
                process.kill()
                raise
            time.sleep(0.05)
        else:
            return process, bare_url


def ask(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Return body and headers of an answer, without the server's own headers."""
    with urllib.request.urlopen(url, timeout=START_TIMEOUT_S) as answer:  # noqa: S310 - ours
        headers = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in OWN_HEADERS
        ]
        return answer.read().decode(), headers


def show(contestants: list[Contestant], connections: int) -> None:
    """Print medians with their spread, and each as a ratio to the hit path."""
    print(f"{'at ' + str(connections) + ' connections':24}requests/s (spread)      CPU us/request")  # noqa: T201
    for one in contestants:
        rate, cpu_us = statistics.median(one.rates), statistics.median(one.cpu_us)
        spread = f"({min(one.rates):,.0f} to {max(one.rates):,.0f})"
        print(f"{one.name:24}{rate:>10,.0f} {spread:22}{cpu_us:>10.1f}")  # noqa: T201
    hit, bare, view = (statistics.median(one.rates) for one in contestants)
    print(f"the hit path is {hit / bare:.2f} of the bare callable, {hit / view:.1f} of the view")  # noqa: T201


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise SystemExit(f"wrk said something unexpected:\n{text}")
    return float(found.group(1))


if __name__ == "__main__":
    sys.exit(main())
