"""The unit tests of a copied tree: those that are most likely to fail first, then the others."""

import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

LEFT_OUT = ("tests/architecture", "tests/browser", "tests/cluster", "tests/mutants")
"""The first reads files, the next two start clusters: they would be slow, and find little more."""
TRIES = 3
"""A test that fails once, and not again, has caught nothing: the others go on to look."""
RUN_TIMEOUT_S = 1800.0
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)


class SuiteBroke(Exception):  # noqa: N818 - a fact about a run
    """The tests ended in another way than by passing or failing; the message says how."""


class Suite:
    """The unit tests of one tree."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def find_failure(self, path: str) -> tuple[str | None, float]:
        """
        Return the first test that fails with a fault in `path`, if one does, and the seconds taken.

        Raises SuiteBroke.
        """
        began_s = time.monotonic()
        failures = (self._confirm(*arguments) for arguments in self._stages(path))
        return next(filter(None, failures), None), time.monotonic() - began_s

    def check_pass(self, tests: Iterable[str]) -> None:
        """See that tests pass without any fault. Raises SuiteBroke: one does not."""
        chosen = sorted(set(tests))
        if chosen and (failed := self._confirm(*chosen)):
            raise SuiteBroke(f"{failed} fails without any fault, so it has caught none.")

    def _stages(self, path: str) -> Iterator[list[str]]:
        """
        Yield what pytest is given: the folder that mirrors the file's, the contract, the rest.

        The first two run in one process, so what catches a fault is the same each time.
        """
        *_, room, _ = path.split("/")
        folders = dict.fromkeys((f"tests/{room}", f"tests/{room}_unit", "tests/contract"))
        near = [one for one in folders if one not in LEFT_OUT and (self.tree / one).is_dir()]
        for folder in near:
            yield [folder]
        yield ["tests", *(f"--ignore={one}" for one in (*LEFT_OUT, *near)), "--numprocesses", "2"]

    def _confirm(self, *arguments: str) -> str | None:
        """Return a test that fails, and fails again when it runs alone."""
        for _ in range(TRIES):
            failed = self._run(*arguments)
            if failed is None or self._run(failed):
                return failed
        return None

    def _run(self, *arguments: str) -> str | None:
        """Return the first test that fails. Raises SuiteBroke."""
        command = [
            *(".venv/bin/python", "-m", "pytest", "-q", "-x", "-rfE", "--tb=no", "--no-header"),
            *("-p", "no:randomly", "-p", "no:cacheprovider", *arguments),
        ]
        done = subprocess.run(
            command,
            cwd=self.tree,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        if done.returncode == 0:
            return None
        if failed := _FAILED.search(done.stdout):
            return failed[1]
        raise SuiteBroke(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
