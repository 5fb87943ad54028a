"""A fault as it is listed."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault, planted where its text stands: exactly once in the searched folders."""

    name: str
    """What is wrong once it is planted."""
    text: str
    replacement: str
