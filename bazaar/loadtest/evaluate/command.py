"""`manage.py loadtest evaluate`: its options and its exit code."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.evaluate import steps
from bazaar.loadtest.evaluate.results import Evaluation
from bazaar.loadtest.evaluate.runner import Say, evaluate
from bazaar.loadtest.evaluate.steps import Effort
from bazaar.settings import env

FOLDER = Path("docs") / "evaluation"
RATE_MAX, CLIENTS_MAX = 5000, 1000


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", metavar="DIR", help=f"where it is written ({FOLDER})")
    parser.add_argument(
        "--seconds", type=float, default=steps.SECONDS_DEFAULT, help="of each step (%(default)g)"
    )
    parser.add_argument(
        "--rate", type=int, default=steps.RATE_DEFAULT, help="operations a second (%(default)s)"
    )
    parser.add_argument(
        "--clients", type=int, default=steps.CLIENTS_DEFAULT, help="clients (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")
    parser.add_argument(
        "--redraw", action="store_true", help="measure nothing: draw and write the numbers again"
    )


def run(options: Mapping[str, Any], environ: Mapping[str, str], say: Say) -> int:
    """Measure, or read what was measured; write page and plots; return the exit code."""
    from bazaar.loadtest.evaluate import folder  # noqa: PLC0415 - imports matplotlib

    out = Path(options["out"]) if options["out"] else env.ROOT / FOLDER
    if options["redraw"]:
        evaluation = folder.read(out)
    else:
        effort = read_effort(options)
        folder.prepare(out)
        evaluation = evaluate(effort, environ, say)
    for path in folder.write(evaluation, out):
        say(f"wrote {path}")
    for line in complaints(evaluation):
        say(line)
    return status_of(evaluation)


def read_effort(options: Mapping[str, Any]) -> Effort:
    """Return how much is to be measured. Raises CommandFailed."""
    _check("--seconds", options["seconds"], steps.SECONDS_MIN, steps.SECONDS_MAX)
    _check("--rate", options["rate"], 1, RATE_MAX)
    _check("--clients", options["clients"], 1, CLIENTS_MAX)
    return Effort(
        seconds=options["seconds"],
        rate=options["rate"],
        clients=options["clients"],
        seed=options["seed"],
    )


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise CommandFailed(f"{name} must be from {least:g} to {most:g}, not {value:g}.")


def complaints(evaluation: Evaluation) -> list[str]:
    """Return expectations that were not met, a sentence each."""
    broken = [
        f"{one.step.title}: {finding}"
        for one in evaluation.outcomes
        for finding in one.summary.proof or ()
    ]
    slow = [
        f"p = {p:g}: the median hit is no faster than the median miss."
        for p in evaluation.slow_hits()
    ]
    return broken + slow


def status_of(evaluation: Evaluation) -> int:
    """Return the exit code: a broken promise is worse than a slow cache."""
    if any(one.summary.proof for one in evaluation.outcomes):
        return exits.INCONSISTENT
    return exits.ERRORS if evaluation.slow_hits() else exits.OK
