"""
Replay: `python -m tests.sim SEED` shows the history of one, `BEGIN END` tries many.

With `--losses` first, of a cluster whose databases are lost, put back and damaged; with `--shared`,
of one with several catalogs on one database.
"""

import logging
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Protocol

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")
django.setup()
logging.disable(logging.CRITICAL)

from tests.sim import cluster, shared_cluster, stored_cluster  # noqa: E402 - the shells need settings
from tests.sim.disk import make_template  # noqa: E402

LINES_MAX = 400
LOSSES, SHARED = "--losses", "--shared"


class RunSeed(Protocol):
    """Runs one seed to its end; writes its history down if there is a list for it."""

    def __call__(self, seed: int, *, trace: list[str] | None = None) -> object:
        """Run it. Raises AssertionError, LookupError."""


def main(arguments: list[str]) -> int:
    """Run one seed and show its history, or run all from the first up to the second."""
    with tempfile.TemporaryDirectory(prefix="bazaar-sim-") as folder:
        run: RunSeed = cluster.run_seed
        if arguments[0] == LOSSES:
            run = partial(stored_cluster.run_seed, template=make_template(Path(folder)))
        if arguments[0] == SHARED:
            run = shared_cluster.run_seed
        begin, *rest = (int(one) for one in arguments if one not in (LOSSES, SHARED))
        if not rest:
            replay(run, begin)
            return 0
        failed = [seed for seed in range(begin, rest[0]) if has_failed(run, seed)]
    return 1 if failed else 0


def has_failed(run: RunSeed, seed: int) -> bool:
    """Run a seed; say how it fails, if it does."""
    try:
        run(seed)
    except (AssertionError, LookupError) as failure:
        sys.stdout.write(f"seed {seed}: {failure!r}\n")
        return True
    return False


def replay(run: RunSeed, seed: int) -> None:
    """Run a seed with its history written down, and show the end of it."""
    trace: list[str] = []
    try:
        run(seed, trace=trace)
    finally:
        sys.stdout.write("\n".join(trace[-LINES_MAX:]) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
