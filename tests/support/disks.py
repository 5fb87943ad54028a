"""
Disks that fail.

A small disk of its own, a tmpfs, can be full or read-only (Linux, root); the database of a test in
this process can refuse to be written.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from django.db import connection

_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of some bytes at a folder, for as long as a `with` block runs."""

    path: Path
    size: int

    def __enter__(self) -> Self:
        self.path.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0700", "tmpfs", str(self.path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Lazily: a process that is still at its end may have a file open.
        _run("umount", "--lazy", str(self.path))

    @property
    def _filling(self) -> Path:
        return self.path / "filling"

    def fill(self) -> None:
        """Take all the room that is left."""
        with self._filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(_BLOCK))

    def clear(self) -> None:
        """Give the room back."""
        self._filling.unlink()

    def lock(self) -> None:
        """Make it read-only; nothing may be open for writing."""
        _run("mount", "-o", "remount,ro", str(self.path))

    def unlock(self) -> None:
        """Make it writable again."""
        _run("mount", "-o", "remount,rw", str(self.path))


@contextlib.contextmanager
def refuse_writes() -> Iterator[None]:
    """Have this thread's database answer as one on a disk that became read-only."""
    refuse, take = {
        "sqlite": ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
        "postgresql": (
            "SET default_transaction_read_only = on",
            "SET default_transaction_read_only = off",
        ),
        "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(refuse)
        try:
            yield
        finally:
            cursor.execute(take)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=10.0, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
