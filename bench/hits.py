"""
Hits by one worker and by two, and what a hit costs: `make bench-hits`.

A front end of one worker, one of two, and a bare WSGI callable answer the same cached stock with
the same bytes; wrk loads them in turns. The generator shares the cores with them, so two workers
cannot show their rate when there are two cores. What they show is the processor time of an answer,
and how the connections fell to them: the busier worker of two takes `share` of the time. A worker
that had a core to itself would be full at 1 / (time x share) answers a second in all; that is the
rate each could give. Then the steps of a hit, measured in a process of its own.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from bench import hit_steps, processes
from bench.cache import STOCK, Contestant, ask, start_bare
from bench.clusters import OwnCluster, prepared, running
from bench.hit_steps import Steps
from bench.numbers import Spread, ratio
from tests.cluster.hostile import table

TARGET = 1.7
"""What two workers could give, to what one could."""
ONE, TWO, BARE = "one worker", "two workers", "bare WSGI callable"
HEADS = ("", "answers a second", "us an answer", "share of the busier", "could give a second")
WORDS = {
    "wait": "wait for events (epoll), its part of 32",
    "receive": "receive (recv)",
    "find": "find the head by its bytes",
    "environ": "make the environ",
    "answer": "read the query, ask lease and cache, count",
    "pack": "pack status line, headers, body",
    "send": "send (with the kernel's way to the receiver)",
}


def main() -> int:
    """Measure and print; return 1 when two workers could give too little."""
    options = _parse()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bazaar-hits-")))
        clusters = {
            ONE: stack.enter_context(running(prepared(folder / "one"))),
            TWO: stack.enter_context(running(prepared(folder / "two", "--workers", "2"))),
        }
        contestants = start(stack, clusters)
        for _ in range(options.rounds):
            for one in contestants:
                one.run(options.seconds, options.connections)
        steps = [hit_steps.run(clusters[ONE].environ, STOCK) for _ in range(options.rounds)]
    _say(table(HEADS, [row(one) for one in contestants]))
    for line in describe(steps, contestants):
        _say(line)
    grown = ratio(capacity(contestants[1]), capacity(contestants[0]))
    _say(
        f"two workers could give {grown.median:.2f} times what one could"
        f" ({grown.least:.2f} to {grown.most:.2f}); asked for are {TARGET}"
    )
    return int(grown.median < TARGET)


def start(stack: contextlib.ExitStack, clusters: dict[str, OwnCluster]) -> list[Contestant]:
    """Return the contestants, each with the stock in the memory of all its workers."""
    path = f"/stocks?{urlencode({'stock_name': STOCK})}"
    found = []
    for name, cluster in clusters.items():
        url = cluster.base_url + path
        found.append(Contestant(name, url, cluster.view("frontend-1").pid))
        found[-1].warm_up()
    bare, bare_url = start_bare(*ask(found[0].url))
    stack.callback(processes.end, bare)
    return [*found, Contestant(BARE, bare_url + path, bare.pid)]


def capacity(contestant: Contestant) -> Spread:
    """Return the answers a second that it could give if the generator ran elsewhere."""
    pairs = zip(contestant.cpu_us, contestant.shares, strict=True)
    return Spread(tuple(1e6 / (cpu_us * share) for cpu_us, share in pairs))


def row(contestant: Contestant) -> list[str]:
    """Return a contestant's line of the table: medians, with least and most."""
    texts = [contestant.name]
    for values, form in (
        (Spread(tuple(contestant.rates)), ",.0f"),
        (Spread(tuple(contestant.cpu_us)), ".1f"),
        (Spread(tuple(contestant.shares)), ".2f"),
        (capacity(contestant), ",.0f"),
    ):
        texts.append(f"{values.median:{form}} ({values.least:{form}} to {values.most:{form}})")
    return texts


def describe(steps: Sequence[Steps], contestants: Sequence[Contestant]) -> list[str]:
    """Return the steps of a hit in words, beside what an answer cost under load."""
    lines, known_us = ["", "a hit, by its steps, in microseconds of processor time:"], 0.0
    for name, words in WORDS.items():
        spent = Spread(tuple(getattr(one, name) for one in steps))
        known_us += spent.median
        lines.append(f"{spent.median:7.2f}  {words} ({spent.least:.2f} to {spent.most:.2f})")
    whole_us = statistics.median(one.whole for one in steps)
    lines.append(f"{whole_us - known_us:7.2f}  what joins them")
    lines.append(f"{whole_us:7.2f}  all of it, in one go")
    lines.extend(
        f"{statistics.median(one.cpu_us):7.2f}  an answer under load: {one.name}"
        for one in (contestants[0], contestants[-1])
    )
    return lines


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.hits", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
