"""The project's own Python files, parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bazaar", "catalog_app", "dashboard", "fixtures", "frontend_app", "order_app", "tests")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path from the root, its lines and its tree."""

    path: str
    lines: int
    tree: ast.Module

    def functions(self) -> Iterator[FunctionNode]:
        """Yield every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, FunctionNode):
                yield node


@cache
def list_sources() -> tuple[Source, ...]:
    """Return every file, tests included, in the order of their paths."""
    found = [ROOT / "manage.py"]
    for package in PACKAGES:
        found += (ROOT / package).rglob("*.py")
    return tuple(map(_read, sorted(found)))


def list_product() -> list[Source]:
    """Return every file that is not a test."""
    return [source for source in list_sources() if not source.path.startswith("tests/")]


def _read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    return Source(name, text.count("\n"), ast.parse(text, name))
