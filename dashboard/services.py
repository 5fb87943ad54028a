"""What the dashboard changes in its own database."""

import os
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

ADMIN_NAME = "admin"
PASSWORD_BYTES = 18


def make_admin(*, password_path: Path) -> str | None:
    """
    Make the first user unless there is one, keep the password in a file, and return it.

    The file is readable by the owner only. It comes first: a user whose password nobody knows would
    be no use, a file without its user is written again.
    """
    users = get_user_model()._default_manager  # noqa: SLF001 - Django's documented name
    with transaction.atomic():
        if users.exists():
            return None
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        _keep(password_path, password)
        users.create_superuser(ADMIN_NAME, password=password)
    return password


def _keep(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    part.replace(path)
