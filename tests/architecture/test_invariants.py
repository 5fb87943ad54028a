"""docs/INVARIANTS.md names every invariant with tests that exist."""

import ast
import re

import pytest

from tests.architecture.sources import ROOT, list_sources

NAMES = [f"I{number}" for number in range(1, 13)]
_HEADING = re.compile(r"^## (I\d+)\b")
_CITATION = re.compile(r"^\s*[-*] `?(tests/[\w/]+\.py)::(\w+(?:::\w+)?)")


def read_citations() -> dict[str, list[tuple[str, str]]]:
    """Return (path, test) for every test that is cited, by invariant."""
    cited: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in (ROOT / "docs" / "INVARIANTS.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = _HEADING.match(line)
            name = heading[1] if heading else ""
        elif name and (citation := _CITATION.match(line)):
            cited.setdefault(name, []).append((citation[1], citation[2]))
    return cited


def list_tests() -> set[tuple[str, str]]:
    """Return (path, test) for every test function there is."""
    return {
        (source.path, f"{prefix}{node.name}")
        for source in list_sources()
        if source.path.startswith("tests/")
        for prefix, body in _bodies(source.tree)
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def _bodies(tree: ast.Module) -> list[tuple[str, list[ast.stmt]]]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [("", tree.body), *((f"{node.name}::", node.body) for node in classes)]


@pytest.mark.parametrize("name", NAMES)
def test_every_invariant_has_tests(name: str) -> None:
    assert read_citations().get(name), f"docs/INVARIANTS.md cites no test of {name}"


def test_every_cited_test_exists() -> None:
    cited = {citation for some in read_citations().values() for citation in some}
    assert cited - list_tests() == set()


def test_no_invariant_is_cited_that_the_design_does_not_have() -> None:
    assert set(read_citations()) <= set(NAMES)
