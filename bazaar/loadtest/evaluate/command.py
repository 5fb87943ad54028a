"""`manage.py loadtest evaluate`: its options and its exit code."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bazaar.cluster import exits
from bazaar.cluster.arguments import read_number, read_whole
from bazaar.loadtest.evaluate import steps
from bazaar.loadtest.evaluate.results import Evaluation
from bazaar.loadtest.evaluate.runner import Say, evaluate
from bazaar.loadtest.evaluate.steps import Effort
from bazaar.loadtest.options import SEED_MAX
from bazaar.loadtest.outputs import prepare_folder
from bazaar.settings import env

FOLDER = Path("docs") / "evaluation"
RATE_MAX, CLIENTS_MAX = 5000, 1000


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--out", metavar="DIR", help=f"where it is written ({FOLDER})")
    add("--seconds", default=f"{steps.SECONDS_DEFAULT:g}", help="of each step (%(default)s)")
    add("--rate", default=str(steps.RATE_DEFAULT), help="operations a second (%(default)s)")
    add("--clients", default=str(steps.CLIENTS_DEFAULT), help="clients (%(default)s)")
    add("--seed", default="1", help="of all chance (%(default)s)")
    add("--redraw", action="store_true", help="measure nothing: draw and write the numbers again")


def run(options: Mapping[str, Any], environ: Mapping[str, str], say: Say) -> int:
    """Measure, or read what was measured; write page and plots; return the exit code."""
    from bazaar.loadtest.evaluate import folder  # noqa: PLC0415 - imports matplotlib

    out = Path(options["out"]) if options["out"] else env.ROOT / FOLDER
    if options["redraw"]:
        evaluation = folder.read(out)
    else:
        effort = read_effort(options)
        prepare_folder("--out", out)
        evaluation = evaluate(effort, environ, say)
    for path in folder.write(evaluation, out):
        say(f"wrote {path}")
    for line in complaints(evaluation):
        say(line)
    return status_of(evaluation)


def read_effort(options: Mapping[str, Any]) -> Effort:
    """Return how much is to be measured. Raises CommandFailed."""
    return Effort(
        seconds=read_number("--seconds", options["seconds"], steps.SECONDS_MIN, steps.SECONDS_MAX),
        rate=read_whole("--rate", options["rate"], 1, RATE_MAX),
        clients=read_whole("--clients", options["clients"], 1, CLIENTS_MAX),
        seed=read_whole("--seed", options["seed"], 0, SEED_MAX),
    )


def complaints(evaluation: Evaluation) -> list[str]:
    """Return expectations that were not met, a sentence each."""
    slow = [
        f"p = {p:g}: the median hit is no faster than the median miss."
        for p in evaluation.slow_hits()
    ]
    return evaluation.findings() + slow


def status_of(evaluation: Evaluation) -> int:
    """Return the exit code: a broken promise is worse than a slow cache."""
    if evaluation.findings():
        return exits.INCONSISTENT
    return exits.ERRORS if evaluation.slow_hits() else exits.OK
