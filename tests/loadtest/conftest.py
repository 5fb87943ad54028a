"""Databases that kept every promise, anew for each test."""

from pathlib import Path

import pytest

from tests.proof.books import Books


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "data")
