"""The database of this process: its migrations and size."""

from pathlib import Path

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, connections

from bazaar.runtime import engines

_APPLIED_TABLE = "django_migrations"


def has_database() -> bool:
    """Tell whether the role has one; Django has a dummy engine for a role without."""
    # From the settings: a role without a database does not even load the dummy.
    return str(connections.settings[DEFAULT_DB_ALIAS]["ENGINE"]) != "django.db.backends.dummy"


def has_file() -> bool:
    """Tell whether the role's database is a file, which it looks after itself."""
    return has_database() and engines.current().is_file


def database_path() -> Path | None:
    """Return the file of the role's database; None: it is on a server."""
    return Path(connection.settings_dict["NAME"]) if has_file() else None


def find_missing_migrations() -> list[str]:
    """
    Return the migrations that the role's database lacks; none without a database.

    By their names: to load all of them takes as long as half of a start.
    """
    if not has_database():
        return []
    with connection.cursor() as cursor:
        applied = set[tuple[str, str]]()
        if _APPLIED_TABLE in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT app, name FROM {_APPLIED_TABLE}")  # noqa: S608
            applied = set(cursor.fetchall())
    return [f"{app}.{name}" for app, name in _list_migrations() if (app, name) not in applied]


def _list_migrations() -> list[tuple[str, str]]:
    """Return app and name of each migration of the installed apps, as their files say."""
    return [
        (config.label, file.stem)
        for config in apps.get_app_configs()
        for file in sorted((Path(config.path) / "migrations").glob("[0-9]*.py"))
    ]


def database_bytes() -> int | None:
    """Return the size of the database in bytes; None where there is no file."""
    if not has_file() or not Path(connection.settings_dict["NAME"]).is_file():
        return None
    return sum(file_bytes(path) for path in _paths())


def wal_bytes() -> int:
    """Return the size of the write-ahead log in bytes; 0 when there is none."""
    return file_bytes(_paths()[1])


def _paths() -> tuple[Path, Path]:
    """Return the database's file and its write-ahead log, beside the file that a link leads to."""
    path = Path(connection.settings_dict["NAME"]).resolve()
    return path, path.with_name(f"{path.name}-wal")


def file_bytes(path: Path) -> int:
    """Return the size of a file in bytes; 0 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:  # SQLite removes the log when the last connection is closed
        return 0
