"""Replay seeds: `python -m tests.sim SEED [END]`; the history of the first failing one is shown."""

import sys

from tests.sim.cluster import SimCluster, run_seed

LINES_MAX = 400


def main(arguments: list[str]) -> int:
    """Run the seeds from the first argument up to, not including, the second."""
    begin = int(arguments[0])
    end = int(arguments[1]) if len(arguments) > 1 else begin + 1
    for seed in range(begin, end):
        try:
            run_seed(seed)
        except (AssertionError, KeyError, IndexError) as failure:
            sys.stdout.write(f"seed {seed}: {failure!r}\n")
            if len(arguments) == 1:
                replay(seed)
    return 0


def replay(seed: int) -> None:
    """Run a seed again and show the end of its history."""
    cluster = SimCluster(seed, has_trace=True)
    try:
        cluster.run()
    finally:
        sys.stdout.write("\n".join(cluster.trace[-LINES_MAX:]) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
