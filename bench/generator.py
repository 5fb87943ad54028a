"""
`make bench-generator`: whether the load generator measures the server or itself.

wrk and one process of `bazaar.loadtest` load the same bare WSGI callable in turns, at the same
number of connections. With work to do for each answer the server is the limit, and both should tell
the same: rates within 10 %, p50 and p99 within 20 %. Without work it shows how much more than that
one process can send. Ratios within one run are the result; single numbers are this machine's.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bazaar.loadtest.plan import Plan
from bazaar.loadtest.processes import Processes
from bazaar.loadtest.profiles import Weighted
from bazaar.loadtest.totals import RunTotals
from bench import wrk
from bench.cache import start_bare
from bench.wrk import Measured

STOCK = "GameStart"
BODY = '{"stock_name":"GameStart","price":15.99,"trade_volume":0,"quantity":500}'
HEADERS = (
    ("Content-Type", "application/json"),
    ("Vary", "Accept"),
    ("Allow", "GET, HEAD, OPTIONS"),
    ("ETag", '"1"'),
    ("Cache-Status", "bazaar; hit"),
    ("Content-Length", str(len(BODY))),
    ("Age", "1"),
)
WARMUP_S = 0.5
THREADS = 1
"""Of the server: with more, it is up to the interpreter's lock which request is answered next."""
RATE_APART = 0.10
LATENCY_APART = 0.20
RATE_LEAST = 2500.0


def run_wrk(url: str, connections: int, seconds: int) -> Measured:
    """Load with wrk."""
    subprocess.run(["wrk", "-t1", f"-c{connections}", "-d1", url], capture_output=True, check=True)
    return wrk.run(url, connections, seconds)


def run_own(url: str, connections: int, seconds: int) -> Measured:
    """Load with one process of ours, which notes every operation as for a proof."""
    plan = Plan(
        urls=(url.rstrip("/"),),
        profile="bench",
        stocks=(Weighted(STOCK, 1.0),),
        clients=connections,
        duration_s=float(seconds),
        warmup_s=WARMUP_S,
        deadline_s=10.0,
    )
    totals = RunTotals()
    processes = Processes(plan, totals.add, lambda line: None)
    try:
        processes.begin()
        while not processes.is_over():
            time.sleep(0.05)
    finally:
        processes.close()
    one = totals.operations(float(seconds))["query"]
    if one.errors or processes.failures:
        raise SystemExit(f"ours met errors: {one.errors} {processes.failures}")
    return Measured(one.rate_per_s, one.p50_ms, one.p99_ms)


Tool = Callable[[str, int, int], Measured]
TOOLS: dict[str, Tool] = {"wrk": run_wrk, "ours": run_own}


def main() -> int:
    """Measure and print; return 1 when ours differs from wrk too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--work-us", type=int, default=250, help="CPU time for one answer")
    options = parser.parse_args()
    is_right = True
    for work_us in (0, options.work_us):
        process, url = start_bare(BODY, HEADERS, work_us=work_us, threads=THREADS)
        try:
            for connections in options.connections:
                found = _measure(f"{url}/", connections, options)
                is_right &= _show(work_us, connections, found)
        finally:
            process.terminate()
            process.wait()
    return 0 if is_right else 1


def _measure(url: str, connections: int, options: argparse.Namespace) -> dict[str, Measured]:
    """Let the tools take turns; return their medians."""
    rounds: dict[str, list[Measured]] = {name: [] for name in TOOLS}
    for _ in range(options.rounds):
        for name, tool in TOOLS.items():
            rounds[name].append(tool(url, connections, options.seconds))
    return {name: _median(found) for name, found in rounds.items()}


def _median(found: list[Measured]) -> Measured:
    return Measured(
        statistics.median(one.rate for one in found),
        statistics.median(one.p50 for one in found),
        statistics.median(one.p99 for one in found),
    )


def _show(work_us: int, connections: int, found: dict[str, Measured]) -> bool:
    """Print one comparison; tell whether it is as it should be."""
    work = f"{work_us} us of work" if work_us else "no work"
    _say(f"\n{connections} connections, {work:14} requests/s       p50       p99")
    for name, one in found.items():
        _say(f"  {name:34}{one.rate:>12,.0f}{one.p50:>7.2f} ms{one.p99:>7.2f} ms")
    wrk, ours = found["wrk"], found["ours"]
    ratios = (ours.rate / wrk.rate, ours.p50 / wrk.p50, ours.p99 / wrk.p99)
    _say(f"  {'ours / wrk':34}{ratios[0]:>12.2f}{ratios[1]:>10.2f}{ratios[2]:>10.2f}")
    if not work_us:
        return ours.rate >= RATE_LEAST
    return abs(ratios[0] - 1) <= RATE_APART and all(
        abs(ratio - 1) <= LATENCY_APART for ratio in ratios[1:]
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
