"""
Damage to the database of this process.

Whatever reads it may notice; the room acts. Left out: a disk that fails or is full, and locks.
Those pass, and are no damage.
"""

from collections.abc import Callable
from types import TracebackType

from django.db import DatabaseError

from bazaar.core.failures import Unreachable
from bazaar.runtime import engines

_WORDS = (
    *("Could not decode to UTF-8", "Error while building row_cast_map"),
    *("no such table", "no such column"),
)
"""How errors begin that have no code of their own, and that no statement of ours deserves."""


def is_damage(error: BaseException) -> bool:
    """Tell whether an error says that the database itself is damaged."""
    if isinstance(error, UnicodeDecodeError):  # in what SQLite says about a damaged schema
        return True
    if not isinstance(error, DatabaseError):
        return False
    if error.__cause__ is not None and engines.current().is_damage(error.__cause__):
        return True
    return str(error).startswith(_WORDS)


class DamageWatch:
    """The first damage that was found; safe for many threads."""

    def __init__(self) -> None:
        self.where = ""
        """What is damaged, in words; empty: nothing that is known."""
        self.on_found: Callable[[str], None] = _ignore
        """Called once with `where`, by the thread that found it; it may hold locks."""

    def report(self, where: str) -> None:
        """Note damage; later reports change nothing."""
        if not self.where:
            self.where = where
            self.on_found(where)

    def look_at(self, error: BaseException) -> None:
        """Note an error of the database if it is damage."""
        if is_damage(error):
            self.report(f"the file ({error})")

    def refuse(self, where: str) -> Unreachable:
        """Note damage; return what is raised instead of serving it (indefinite)."""
        self.report(where)
        return Unreachable(f"The database of this process is damaged at {where}.")

    def __enter__(self) -> None:
        """Begin a block that damage ends early, and no exception."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Note damage that ended the block."""
        if error is None or not is_damage(error):
            return False
        self.look_at(error)
        return True

    def clear(self) -> None:
        """Forget what was found: the database is another one."""
        self.where = ""


def _ignore(where: str) -> None:
    """Do nothing: no room listens."""


damage = DamageWatch()
