"""Everything in a data folder is for its owner only, however it came there."""

import os
import stat
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o077
"""The umask of every process that writes into a data folder."""
FILE_MODE, FOLDER_MODE = 0o600, 0o700
_SHARED_FOLDERS = {Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")}  # noqa: S108 - to refuse them


class NotPrivateError(Exception):
    """A folder cannot be closed to others; the message says why and what to do."""


def close_to_others(folder: Path) -> None:
    """
    Take all rights of others from a folder and from what is directly in it.

    What is deeper cannot be reached then. Links are left alone: they may lead elsewhere. Raises
    NotPrivateError.
    """
    found = folder.stat()
    if found.st_uid != os.geteuid() != 0:
        raise NotPrivateError(
            f"{folder} belongs to another user (uid {found.st_uid}); "
            "name a folder of your own, or run this as that user."
        )
    if _is_shared(folder, found.st_mode):
        raise NotPrivateError(f"{folder} is everybody's; name a folder of your own.")
    _close(folder, found)
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # a log of SQLite, a part of a file being written
                if not entry.is_symlink():
                    _close(Path(entry.path), entry.stat(follow_symlinks=False))


def _is_shared(folder: Path, mode: int) -> bool:
    """Return whether others keep files there; a new file system's empty folder is nobody's yet."""
    if not (mode & stat.S_ISVTX and mode & stat.S_IWOTH):
        return False
    return folder.resolve() in _SHARED_FOLDERS or any(folder.iterdir())


def _close(path: Path, found: os.stat_result) -> None:
    """Take the rights of others from one path. Raises NotPrivateError."""
    mode = stat.S_IMODE(found.st_mode)
    if not mode & OWNER_ONLY:
        return
    try:
        path.chmod(mode & ~OWNER_ONLY)
    except PermissionError as error:
        raise NotPrivateError(
            f"{path} is open to others (mode {mode:04o}) and belongs to another user "
            f"(uid {found.st_uid}); make it yours (chown) or remove it."
        ) from error
