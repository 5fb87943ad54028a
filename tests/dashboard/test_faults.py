"""The striker runs the real command, and tells what it refused."""

from pathlib import Path

import pytest

from bazaar.settings.env import ROOT
from dashboard.faults import VERBS, NotStruck, Striker


@pytest.mark.parametrize("action", VERBS)
def test_what_the_command_refuses_is_told_in_its_words(tmp_path: Path, action: str) -> None:
    """Every verb is one that the command knows: it gets as far as looking for the cluster."""
    with pytest.raises(NotStruck, match=f"There is no cluster in {tmp_path}"):
        Striker(ROOT, tmp_path).strike(action, "order-3")
