"""Faults are planted where their texts stand, once, and are gone afterwards."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.faults import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.planting import Misplaced, find_all

FAULT = Mutant("an old term counts", "if term < current:", "if term > current:")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "bazaar" / "core"
    folder.mkdir(parents=True)
    (folder / "election.py").write_text(f"{FAULT.text}\n    term\n")
    return tmp_path


def test_every_fault_has_its_place() -> None:
    """When one has not, the code has changed: give `faults.py` the text as it is now."""
    assert len(find_all(ROOT, MUTANTS)) == len({one.name for one in MUTANTS}) == 122


def test_a_fault_stands_while_the_block_runs(tree: Path) -> None:
    (planted,) = find_all(tree, [FAULT])
    assert planted.path == "bazaar/core/election.py"
    file = tree / planted.path
    before = file.read_text()
    with planted.stand():
        assert file.read_text() == before.replace("<", ">")
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("if term == current:", "is nowhere"),
        ("term", "is in bazaar/core/election.py, bazaar/core/e"),
    ],
)
def test_a_text_that_is_not_there_once_is_refused(tree: Path, text: str, where: str) -> None:
    with pytest.raises(Misplaced, match=f"that of 'a fault' .* {where}") as caught:
        find_all(tree, [FAULT, Mutant("a fault", text, "")])
    assert "\n" not in str(caught.value)
