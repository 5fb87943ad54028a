"""`make bench`: measure, print the tables, write the page and the plots."""

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bazaar import clock
from bazaar.loadtest.evaluate.runner import describe_machine
from bazaar.settings import env
from bench import effort, growth, paused, queries, sizes, tables, trades
from bench.effort import Effort
from bench.field import contestants
from bench.results import CACHED, LOOK_UP, TRADE, UNCACHED, Results

PARTS = ("queries", "trades", "paused", "growth", "stocks", "replicas")
DOCS = env.ROOT / "docs"


@dataclass
class Run:
    """One run of some parts."""

    effort: Effort
    parts: Sequence[str]
    folder: Path
    begun_s: float = field(default_factory=clock.monotonic_s)
    found: dict[str, Any] = field(default_factory=dict)

    def say(self, line: str) -> None:
        """Tell what is being measured."""
        sys.stderr.write(f"{clock.monotonic_s() - self.begun_s:5.0f} s  {line}\n")

    def measure(self) -> None:
        """Measure every part that was asked for."""
        if {"queries", "trades"} & set(self.parts):
            self._measure_field()
        if "paused" in self.parts:
            self.found["paused"] = paused.measure(self.effort, self.folder, self.say)
        steps: dict[str, Callable[..., Any]] = {
            "growth": growth.measure,
            "stocks": sizes.measure_stocks,
            "replicas": sizes.measure_replicas,
        }
        for part, step in steps.items():
            if part in self.parts:
                name = "lengths" if part == "growth" else part
                self.found[name] = tuple(step(self.effort, self.folder, self.say))

    def _measure_field(self) -> None:
        self.say("starting the contestants")
        with contestants(self.folder) as rivals:
            cells = []
            if "queries" in self.parts:
                cells += queries.measure(rivals, self.effort, self.say)
            if "trades" in self.parts:
                cells += trades.measure(rivals, self.effort, self.folder, self.say)
            self.found["cells"] = tuple(cells)
            self.found["memory_mb"] = rivals.cluster.memory_mb()


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0, however the verdicts are."""
    options = _read(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = datetime.fromtimestamp(clock.wall_s(), UTC)
    with tempfile.TemporaryDirectory(prefix="bazaar-bench-", dir=_disk()) as folder:
        wished = effort.QUICK if options.quick else effort.FULL
        run = Run(wished, options.only, Path(folder))
        run.measure()
    results = Results(
        started=started.isoformat(timespec="seconds"),
        took_s=round(clock.monotonic_s() - run.begun_s, 1),
        command=shlex.join(("make", "bench", *_as_make(arguments))),
        machine=machine(),
        **run.found,
    )
    for line in lines_of(results):
        sys.stdout.write(f"{line}\n")
    out = options.out or (None if options.quick or set(options.only) != set(PARTS) else DOCS)
    if out:
        from bench import page  # noqa: PLC0415 - matplotlib takes seconds to import

        for path in page.write(results, out):
            sys.stdout.write(f"wrote {path}\n")
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, to see that all works")
    parser.add_argument(
        "--only", type=_parts, default=PARTS, help=f"some of {','.join(PARTS)}; writes nothing"
    )
    parser.add_argument("--out", type=Path, help="write page and plots there (docs)")
    return parser.parse_args(arguments)


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there is no such part")
    return names


def _as_make(arguments: Sequence[str]) -> Sequence[str]:
    return (f"ARGS={shlex.join(arguments)}",) if arguments else ()


def _disk() -> Path | None:
    """Return the folder for data; None for the usual place, if that is a disk."""
    usual = Path(tempfile.gettempdir()).resolve()
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    nearest = next((mounts[one] for one in (usual, *usual.parents) if one in mounts), "")
    if nearest != "tmpfs":
        return None
    (env.ROOT / "var").mkdir(exist_ok=True)
    return env.ROOT / "var"


def machine() -> dict[str, str]:
    """Return what this is measured on."""
    found = describe_machine()
    software = ", ".join(f"{name} {number}" for name, number in found.packages.items())
    return {
        "processor": f"{found.processor}, {found.cores} cores, {found.memory_gib} GiB of memory",
        "system": found.system,
        "software": f"Python {found.python}, {software}",
    }


def lines_of(results: Results) -> Iterator[str]:
    """Yield all tables as text."""
    for task in (CACHED, UNCACHED, LOOK_UP, TRADE):
        if any(cell.task == task for cell in results.cells):
            yield from ("", f"{task.upper()}", *tables.plain(tables.cell_table(results, task)))
    if results.paused:
        yield from ("", "ONE FOLLOWER PAUSED", *tables.plain(tables.paused_table(results.paused)))
    if results.lengths:
        yield from ("", "GROWTH", *tables.plain(tables.length_table(results.lengths)))
    if results.memory_mb or results.lengths:
        yield from ("", "MEMORY", *tables.plain(tables.memory_table(results)))
    if results.stocks:
        yield from ("", "STOCKS", *tables.plain(tables.size_table(results.stocks, "stocks")))
    if results.replicas:
        yield from ("", "REPLICAS", *tables.plain(tables.size_table(results.replicas, "replicas")))
    yield from ("", "VERDICTS", *tables.plain(tables.verdict_table(results)), "")
