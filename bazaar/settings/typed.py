"""Commands as a person types them, for sentences that say what to do."""

import shlex
import sys
from pathlib import Path

from bazaar.topology import Role

ROOT = Path(__file__).resolve().parents[2]
DATA_DIR_DEFAULT = ROOT / "var"
FILE_ENDINGS = ("", "-wal", "-shm", "-journal")
"""Of a database's file, and of what SQLite puts beside it."""


def manage(*words: str, data: Path) -> str:
    """Return a command of `manage.py` for a data folder, typed anywhere."""
    line = [sys.executable, str(ROOT / "manage.py"), *words]
    if data != DATA_DIR_DEFAULT:
        line += ["--data", str(data)]
    return shlex.join(line)


def make_ready(role: Role, node_id: int, data: Path) -> str:
    """Return the command for a database that is not there, or lacks migrations."""
    if role is Role.ORDER:  # init is for clusters that do not run
        return manage("cluster", "rebuild", str(node_id), data=data)
    return manage("cluster", "init", data=data)


def make_tables(role: Role, node_id: int) -> str:
    """Return the command for a database that BAZAAR_DATABASE_URL names, if it is set."""
    names = ["env", f"{role.id_variable}={node_id}"] if role.id_variable else []
    words = ("prepare", "--settings", role.settings_module)
    return shlex.join([*names, sys.executable, str(ROOT / "manage.py"), *words])


def make_mend(role: Role, node_id: int, data: Path) -> str:
    """Return the sentence that says what to do about a database that cannot be used."""
    anew = f"`{make_anew(role, node_id, data)}`"
    if role is Role.ORDER:
        return f"{anew} makes it anew from the others."
    if role is Role.CATALOG:
        return f"{anew} makes it anew from the replicas; cluster restore puts a backup back."
    back = "Put its newest copy back, with its -wal file"
    return f"{back}; or {anew} begins anew, without users and events."


def make_anew(role: Role, node_id: int, data: Path) -> str:
    """Return the commands that make the database of a process anew."""
    if role is Role.ORDER:
        return make_ready(role, node_id, data)
    if role is Role.CATALOG:
        return manage("cluster", "rebuild", "catalog", data=data)
    files, aside = (shlex.quote(str(data / name)) for name in (f"{role}.sqlite3", "aside"))
    return " && ".join(
        (
            manage("cluster", "down", data=data),
            f"mkdir -p {aside}",
            f"mv {files}* {aside}/",
            manage("cluster", "init", data=data),
        )
    )
