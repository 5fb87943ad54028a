"""How much room this process's database takes; a few calls to the file system, no query."""

from pathlib import Path

from django.db import connection

from bazaar.runtime.checks import has_database

PARTS = ("", "-wal")
"""The database's file and its write-ahead log."""


def database_bytes() -> int | None:
    """Return the size of the database in bytes, None where there is none to be seen."""
    name = connection.settings_dict["NAME"]
    if not has_database() or not Path(name).is_file():
        return None
    return sum(_size(Path(f"{name}{part}")) for part in PARTS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the log is gone once nobody has the database open
        return 0
