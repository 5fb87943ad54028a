"""A copy of the tree, and faults that stand in it for as long as a `with` block runs."""

import ast
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

SEARCHED = (
    *("bazaar/core", "bazaar/protocol", "bazaar/runtime", "bazaar/web"),
    "bazaar/cluster",
    *("catalog_app", "frontend_app", "order_app"),
)
"""Folders that may hold the texts: a file is found by its text, so it may move."""


class Misplaced(Exception):  # noqa: N818 - a fact about the list of faults
    """A text is not found exactly once; the message names all of these."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault and the file that it belongs into, from the root of the tree."""

    mutant: Mutant
    tree: Path
    path: str

    @contextmanager
    def stand(self) -> Iterator[None]:
        """Plant the fault while the block runs."""
        file = self.tree / self.path
        whole = file.read_text(encoding="utf-8")
        self._write(whole.replace(self.mutant.text, self.mutant.replacement))
        try:
            yield
        finally:
            self._write(whole)

    def _write(self, text: str) -> None:
        ast.parse(text, self.path)
        file = self.tree / self.path
        file.write_text(text, encoding="utf-8")
        # Python compares second and size with those of the compiled file: both may be the same.
        for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            compiled.unlink()


def copy_tree(root: Path, tree: Path) -> Path:
    """Copy what git knows or does not ignore, and link the virtual environment; return `tree`."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, tree / name)
    (tree / ".venv").symlink_to((root / ".venv").resolve())
    return tree


def find_all(tree: Path, mutants: Iterable[Mutant]) -> list[Planted]:
    """Return where each fault goes. Raises Misplaced."""
    texts = {
        path.relative_to(tree).as_posix(): path.read_text(encoding="utf-8")
        for folder in SEARCHED
        for path in sorted((tree / folder).rglob("*.py"))
    }
    found = {
        one: [path for path in texts for _ in range(texts[path].count(one.text))] for one in mutants
    }
    wrong = [_describe(one, paths) for one, paths in found.items() if len(paths) != 1]
    if wrong:
        raise Misplaced(f"Each text must be found exactly once, but {'; '.join(wrong)}.")
    return [Planted(one, tree, path) for one, (path,) in found.items()]


def _places(text: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield each file that has the text, as often as it has it."""
    for path, whole in texts.items():
        yield from [path] * whole.count(text)


def _describe(mutant: Mutant, paths: Sequence[str]) -> str:
    where = f"is in {', '.join(paths)}" if paths else "is nowhere"
    return f"that of '{mutant.name}' ({mutant.text!r}) {where}"
