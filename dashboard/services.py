"""What the dashboard changes: through the cluster's own doors, and in its own database."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction

from bazaar import clock
from bazaar.client.answers import ClientError
from bazaar.core.failures import Failure
from dashboard import wiring
from dashboard.acts import Act
from dashboard.faults import NotStruck
from dashboard.models import TEXT_CHARS_MAX, Deed

ADMIN_NAME = "admin"
PASSWORD_BYTES = 18
TARGET_CHARS_MAX = 255


def act(*, act: Act, username: str) -> tuple[bool, str]:
    """Carry an act out, write down who did what and how it ended; tell whether it was done."""
    if not act.is_valid():
        return False, " ".join(
            str(text) if name == NON_FIELD_ERRORS else f"{name}: {text}"
            for name, texts in act.errors.items()
            for text in texts
        )
    is_done, text = False, "It broke; the log of the dashboard has the details."
    try:
        is_done, text = True, act.carry_out()
    except Failure as failure:
        is_done, text = False, failure.message
    except (ClientError, NotStruck) as error:
        is_done, text = False, str(error)
    finally:
        record(username=username, action=act.action, target=act.target(), result=text)
        wiring.shared().clear()
    return is_done, text


def record(*, username: str, action: str, target: str, result: str) -> None:
    """Write down who did what and how it ended."""
    Deed.objects.create(
        at=datetime.fromtimestamp(clock.wall_s(), UTC),
        username=username,
        action=action,
        target=target[:TARGET_CHARS_MAX],
        result=result[:TEXT_CHARS_MAX],
    )


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
