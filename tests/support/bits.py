"""Bits that flip in the file of a test's database, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from bazaar.runtime.transactions import read


@contextmanager
def flipped(text: str, *, copy: int = 0) -> Iterator[None]:
    """Flip one bit of one of the places where the database's file has a text, for a while."""
    read("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(connection.settings_dict["NAME"])
    whole = path.read_bytes()
    at = -1
    for _ in range(copy + 1):
        at = whole.index(text.encode(), at + 1)
    try:
        _write(path, at, whole[at] ^ 1)
        yield
    finally:
        _write(path, at, whole[at])


def _write(path: Path, at: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))
    read("PRAGMA shrink_memory")
