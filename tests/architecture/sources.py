"""The project's own Python files, read and parsed once."""

import ast
import gc
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bazaar.topology import Role

ROOT = Path(__file__).resolve().parents[2]
ROOMS = tuple(role.app for role in Role)
PACKAGES = ("bazaar", "fixtures", "tests", *ROOMS)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path from the root, its text, its tree, and every node of that."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @classmethod
    def of(cls, path: str, text: str) -> "Source":
        """Parse a file."""
        tree = ast.parse(text, path)
        return cls(path, text, tree, tuple(ast.walk(tree)))

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")

    def functions(self) -> Iterator[FunctionNode]:
        """Yield every function and method, nested ones too."""
        for node in self.nodes:
            if isinstance(node, FunctionNode):
                yield node

    def names(self) -> Iterator[str]:
        """Yield what the file is called and what it defines."""
        yield self.path
        for node in self.nodes:
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield name
                case ast.ClassDef(name=name) | ast.arg(arg=name) | ast.alias(asname=str() as name):
                    yield name
                case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                    yield name


@cache
def list_sources() -> tuple[Source, ...]:
    """Return every file, tests included, in the order of their paths."""
    found = [ROOT / "manage.py"]
    for package in PACKAGES:
        found += (ROOT / package).rglob("*.py")
    gc.disable()  # all of it stays; looking through it again and again takes most of the time
    try:
        return tuple(map(_read, sorted(found)))
    finally:
        gc.enable()


@cache
def list_product() -> tuple[Source, ...]:
    """Return every file that is not a test."""
    return tuple(source for source in list_sources() if not source.path.startswith("tests/"))


@cache
def split_words(name: str) -> frozenset[str]:
    """Return the words of a name, in lower case: LeaseTable, lease_table, lease/table."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return frozenset(word.lower() for word in re.split(r"[^A-Za-z]+", apart))


def _read(path: Path) -> Source:
    return Source.of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
