"""
`python -m tests.mutants [NAME ...]`: plant each fault in a copy of the tree and run the unit tests.

NAME: a part of the names of the faults to plant; all of them without one. Exit status 0: every
fault was caught. 1: one survived. 2: a text is not found exactly once, or the tests fail without
any fault.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.faults import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.planting import Misplaced, Planted, copy_tree, find_all
from tests.mutants.suite import Suite, SuiteBroke

ROOT = Path(__file__).resolve().parents[2]
_ROW = "{:<60} {:<34} {:>5}  {}"


def main(parts: Sequence[str], mutants: Sequence[Mutant] = MUTANTS, root: Path = ROOT) -> int:
    """Plant the chosen faults, print a row for each, and return the exit status."""
    chosen = [one for one in mutants if not parts or any(part in one.name for part in parts)]
    try:
        with tempfile.TemporaryDirectory(prefix="bazaar-mutants-") as folder:
            tree = copy_tree(root, Path(folder) / "tree")
            return _run(find_all(tree, chosen), Suite(tree))
    except (Misplaced, SuiteBroke) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2


def _run(planted: Sequence[Planted], suite: Suite) -> int:
    _say(_ROW.format("mutant", "file", "s", "caught by"))
    caught: list[str] = []
    survived = 0
    for one in planted:
        with one.stand():
            test, took_s = suite.find_failure(one.path)
        _say(_ROW.format(one.mutant.name, one.path, round(took_s), test or "SURVIVED"))
        caught += [test] if test else []
        survived += test is None
    suite.check_pass(caught)
    _say(f"{len(planted)} mutants, {survived} survived")
    return 1 if survived else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
