"""
The folder of databases, secret and logs: made, closed to others, and writable.

`private` closes it; this says in a sentence that names the variable why that cannot be done.
"""

import errno
import os
from pathlib import Path

from bazaar.settings import private
from bazaar.settings.env import SettingsError, StorageAwayError


def keep_private(folder: Path, name: str = "BAZAAR_DATA_DIR") -> None:
    """Close a data folder to others. Raises SettingsError."""
    try:
        private.close_to_others(folder)
    except private.NotPrivateError as error:
        raise SettingsError(f"{name}: {error}") from error
    except OSError as error:
        if error.errno != errno.EROFS:  # a read-only disk is closed at the next start
            raise SettingsError(f"{name}: {folder} cannot be used ({error.strerror}).") from error


def check_writable(path: Path, subject: str) -> None:
    """Raise StorageAwayError when the file system of a path is read-only."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise StorageAwayError(
            f"{subject}: {path} is on a file system that is read-only now. See that its disk is "
            "well, and mount it to be written."
        )


def check_folder(folder: Path, name: str = "BAZAAR_DATA_DIR") -> None:
    """Make a folder for databases. Raises SettingsError: it is not one, or not ours to use."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{name}: the folder {folder} cannot be made ({error.strerror})."
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        check_writable(folder, name)
        raise SettingsError(
            f"{name}: the folder {folder} is not readable and writable for this user "
            f"(uid {os.geteuid()}). Run as its owner, or name another folder."
        )
