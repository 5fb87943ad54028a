"""
Does a running API do what its description says? `python -m tests.cluster.conformance`.

schemathesis reads the description from a front end of a cluster of its own, and sends requests of
all dialects over HTTP, all checks on: right ones and wrong ones, and orders that are looked up
again. A round is a run of schemathesis with a seed; rounds go on until `--requests` were sent. It
prints how often each dialect was answered with each class of statuses. Exit status 1 when an answer
is not as described.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bazaar.cluster.ports import free_topology
from tests.cluster.conftest import LiveCluster
from tests.cluster.hostile import table

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_suffix(".toml")
HOOKS = "tests.cluster.conformance_hooks"
ROUND_TIMEOUT_S = 600
EXAMPLES = 60
"""Random requests of each operation in a round, besides those that follow from the description."""
CLASSES = ("2xx", "3xx", "4xx", "5xx")
Answers = Counter[tuple[str, str]]
"""How many answers there were, by tag of the operation and class of the status."""


class NotAsDescribedError(Exception):
    """The API does something else than its description says."""


def try_api(base_url: str, folder: Path, *, seed: int, examples: int = EXAMPLES) -> Answers:
    """
    Try every operation, and return what was answered. Raises NotAsDescribedError.

    folder: for what schemathesis writes. examples: random requests of each operation.
    """
    answers = folder / f"answers-{seed}.json"
    command: list[str | Path] = [SCHEMATHESIS, "--config-file", CONFIG, "run", "--no-color"]
    command += [f"{base_url}/api/schema", "--checks", "all"]
    command += ["--max-examples", str(examples), "--seed", str(seed)]
    environ = {"SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environ, "CONFORMANCE_ANSWERS": str(answers)},
        capture_output=True,
        text=True,
        timeout=ROUND_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise NotAsDescribedError(f"{done.stdout}{done.stderr}\nSeed {seed}: not as described.")
    counts = json.loads(answers.read_text("utf-8"))
    return Counter({(tag, statuses): count for tag, statuses, count in counts})


def show_answers(answers: Answers) -> str:
    """Return the answers as a table: a row for each tag, a column for each class of statuses."""
    rows = [
        [tag, *(f"{answers[tag, one]:,}" for one in CLASSES)]
        for tag in sorted({tag for tag, _ in answers})
    ]
    return table(("operations", *CLASSES), rows)


def main() -> int:
    """Start a cluster and try its API; return the status of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; then the next one")
    options = parser.parse_args()
    answers: Answers = Counter()
    seed = options.seed
    with tempfile.TemporaryDirectory() as name:
        live = LiveCluster(Path(name), nodes=free_topology())
        try:
            live.up()
            while answers.total() < options.requests:
                answers += try_api(live.base_url, Path(name), seed=seed)
                seed += 1
                sys.stdout.write(f"{answers.total():,} requests\n")
                sys.stdout.flush()
        except NotAsDescribedError as error:
            sys.stdout.write(f"{error}\n")
            return 1
        finally:
            live.end()
    sys.stdout.write(f"{show_answers(answers)}\n{answers.total():,} requests, ")
    sys.stdout.write(f"seeds {options.seed} to {seed - 1}: all as described\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
