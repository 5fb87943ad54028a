"""Replay: `python -m tests.sim SEED` shows the history of one, `BEGIN END` tries many."""

import logging
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")
django.setup()
logging.disable(logging.CRITICAL)

from tests.sim.cluster import SimCluster, run_seed  # noqa: E402 - the shells need settings

LINES_MAX = 400


def main(arguments: list[str]) -> int:
    """Run one seed and show its history, or run all from the first up to the second."""
    begin, *rest = map(int, arguments)
    if not rest:
        replay(begin)
        return 0
    failed = [seed for seed in range(begin, rest[0]) if has_failed(seed)]
    return 1 if failed else 0


def has_failed(seed: int) -> bool:
    """Run a seed; say how it fails, if it does."""
    try:
        run_seed(seed)
    except (AssertionError, LookupError) as failure:
        sys.stdout.write(f"seed {seed}: {failure!r}\n")
        return True
    return False


def replay(seed: int) -> None:
    """Run a seed with its history written down, and show the end of it."""
    cluster = SimCluster(seed, has_trace=True)
    try:
        cluster.run()
    finally:
        sys.stdout.write("\n".join(cluster.trace[-LINES_MAX:]) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
