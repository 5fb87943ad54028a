"""
The running API against its description: schemathesis over HTTP, all checks on.

`python -m tests.cluster.conformance --requests 20000` starts a cluster and sends as many requests
of all dialects, with another seed each round; it ends with 1 at the first round with a failure.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bazaar.cluster.ports import free_topology
from tests.cluster.conftest import LiveCluster

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_suffix(".toml")
HOOKS = "tests.cluster.conformance_hooks"
ROUND_TIMEOUT_S = 600
EXAMPLES = 60
_SENT = re.compile(r"^\s*(\d+) generated", re.MULTILINE)


class ConformanceError(Exception):
    """The API does something else than its description says."""


def try_api(base_url: str, folder: Path, *, seed: int, examples: int = EXAMPLES) -> int:
    """
    Try every operation, and return the number of requests. Raises ConformanceError.

    folder: for reports. examples: random requests of each operation, besides the fixed ones.
    """
    command: list[str | Path] = [SCHEMATHESIS, "--config-file", CONFIG, "--no-color", "run"]
    command += [f"{base_url}/api/schema/", "--checks", "all"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)]
    command += ["--seed", str(seed), "--generation-database", "none"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=ROUND_TIMEOUT_S,
        check=False,
    )
    sent = _SENT.search(done.stdout)
    if done.returncode or sent is None:
        raise ConformanceError(done.stdout + done.stderr)
    return int(sent[1])


def main() -> int:
    """Start a cluster and try its API; return the status of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sent, seed = 0, options.seed
    with tempfile.TemporaryDirectory() as name:
        live = LiveCluster(Path(name), nodes=free_topology())
        try:
            live.up()
            while sent < options.requests:
                sent += try_api(live.base_url, Path(name), seed=seed)
                seed += 1
        except ConformanceError as error:
            sys.stdout.write(f"{error}\nseed {seed}: it is not as described\n")
            return 1
        finally:
            live.end()
    sys.stdout.write(f"{sent} requests, seeds {options.seed} to {seed - 1}: all as described\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
