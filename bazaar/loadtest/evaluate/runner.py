"""
Measure every step on a throw-away cluster, by the public command.

Each step is a `manage.py loadtest` in a process of its own: what it writes is all that is read.
"""

import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from bazaar import clock
from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed
from bazaar.cluster.operations import Cluster
from bazaar.cluster.temporary import run_healthy
from bazaar.loadtest.evaluate.results import (
    Evaluation,
    Look,
    Machine,
    Outcome,
    find_recoveries,
    split_by_cache,
)
from bazaar.loadtest.evaluate.sampler import Watch
from bazaar.loadtest.evaluate.steps import SMALL_CACHE, Effort, Step, list_steps, warm_up
from bazaar.loadtest.profiles import Weighted, read_profile
from bazaar.loadtest.summary import Summary
from bazaar.proof.records import read_history
from bazaar.settings import env

EXTRA_TIMEOUT_S = 240.0
"""For a step beyond its own time: start, last answers, healing and proof."""
_PACKAGES = ("django", "djangorestframework", "granian", "msgspec")
Say = Callable[[str], None]


def evaluate(effort: Effort, environ: Mapping[str, str], say: Say) -> Evaluation:
    """
    Measure everything.

    Raises ClusterError, CommandFailed: a cluster or a step could not be run.
    """
    begun_s, started = clock.monotonic_s(), datetime.fromtimestamp(clock.wall_s(), UTC)
    stocks = read_profile("sp500")
    steps = list_steps(effort)
    outcomes: list[Outcome] = []
    for is_small in (False, True):
        settings = {"BAZAAR_CACHE_STOCKS_MAX": str(SMALL_CACHE)} if is_small else {}
        say("starting a cluster" + (f" with room for {SMALL_CACHE} stocks" if is_small else ""))
        with run_healthy({**environ, **settings}, "--stocks", "sp500") as cluster:
            run = Runner(cluster, stocks)
            run.measure(warm_up(effort))
            for step in (one for one in steps if one.is_small is is_small):
                outcomes.append(run.measure(step))
                say(f"{len(outcomes):2} of {len(steps)}: {in_words(outcomes[-1])}")
    return Evaluation(
        machine=describe_machine(),
        started=started.isoformat(timespec="seconds"),
        took_s=round(clock.monotonic_s() - begun_s, 1),
        effort=effort,
        stocks=len(stocks),
        best_share=share_of_most_popular(stocks, SMALL_CACHE),
        outcomes=tuple(outcomes),
    )


def share_of_most_popular(stocks: Iterable[Weighted], most: int) -> float:
    """Return which part of all look-ups goes to so many of the most popular stocks."""
    weights = sorted((one.weight for one in stocks), reverse=True)
    return round(sum(weights[:most]) / sum(weights), 4)


def in_words(outcome: Outcome) -> str:
    """Return a step's result in one line."""
    kinds = outcome.summary.operations.items()
    medians = ", ".join(f"{kind} {one.p50_ms:.2f} ms" for kind, one in kinds)
    errors = outcome.summary.error_count
    return f"{outcome.step.title}: {medians}" + (f"; {errors} errors" if errors else "")


class Runner:
    """Runs steps on one cluster."""

    def __init__(self, cluster: Cluster, stocks: Iterable[Weighted]) -> None:
        """stocks: of the profile, the most popular first."""
        self._cluster = cluster
        self._node = cluster.topology.front_ends[0]
        self._ranks = {one.stock_name: rank for rank, one in enumerate(stocks, start=1)}

    def measure(self, step: Step) -> Outcome:
        """Run one step. Raises CommandFailed: it left no result."""
        with tempfile.TemporaryDirectory(prefix="bazaar-step-") as folder:
            history, found = Path(folder) / "history.jsonl", Path(folder) / "summary.json"
            kept = ("--history", str(history), "--json", str(found), "--quiet")
            looks: list[Look] = []
            if step.is_small:
                with Watch(self._node, env.read_secret(self._cluster.environ), self._ranks) as seen:
                    self._load(step, kept)
                looks = seen.looks()
            else:
                self._load(step, kept)
            return Outcome(
                step=step,
                command=shlex.join(("manage.py", "loadtest", *step.options)),
                summary=msgspec.json.decode(found.read_bytes(), type=Summary),
                by_cache=split_by_cache(read_history(history)),
                recoveries=tuple(find_recoveries(read_history(history))),
                looks=tuple(looks),
            )

    def _load(self, step: Step, kept: tuple[str, ...]) -> None:
        host, port = self._node.address
        line = [
            *(sys.executable, str(env.ROOT / "manage.py"), "loadtest", *step.options),
            *("--url", f"http://{host}:{port}", *kept),
        ]
        timeout_s = step.seconds + EXTRA_TIMEOUT_S
        try:
            done = subprocess.run(
                line,
                env=dict(self._cluster.environ),
                cwd=env.ROOT,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"{step.title}: loadtest took longer than {timeout_s:g} s."
            raise CommandFailed(message, exits.ERRORS) from error
        # Too many errors, or a broken promise, are results: they are written down and told.
        if done.returncode not in (exits.OK, exits.ERRORS, exits.INCONSISTENT, exits.UNREACHABLE):
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            message = f"{step.title}: loadtest ended with {done.returncode}: {last}"
            raise CommandFailed(message, exits.ERRORS)


def describe_machine() -> Machine:
    """Return what this is measured on."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: version(name) for name in _PACKAGES},
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
