"""Bits that flip in the file of a test's database, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from bazaar.runtime.transactions import read

FORGET = "PRAGMA shrink_memory"


@contextmanager
def flipped(text: str, *, copy: int = 0, keeps_memory: bool = False) -> Iterator[None]:
    """
    Flip one bit of one of the places where the database's file has a text, for a while.

    keeps_memory: this connection goes on with the pages that it has in memory.
    """
    read("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(connection.settings_dict["NAME"])
    whole = path.read_bytes()
    at = -1
    for _ in range(copy + 1):
        at = whole.index(text.encode(), at + 1)
    try:
        _write(path, at, whole[at] ^ 1)
        if not keeps_memory:
            read(FORGET)
        yield
    finally:
        _write(path, at, whole[at])
        read(FORGET)


def _write(path: Path, at: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))
