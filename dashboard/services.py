"""What the dashboard changes: the cluster by actions, and its own database."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import DatabaseError, transaction

from bazaar import clock
from bazaar.client.answers import ClientError
from bazaar.core.failures import Failure
from bazaar.runtime.log_lines import get_log
from dashboard import wiring
from dashboard.actions import ActionForm, FaultRefused
from dashboard.models import TEXT_CHARS_MAX, AuditEntry

log = get_log("bazaar.dashboard")

ADMIN_NAME = "admin"
PASSWORD_BYTES = 18
TARGET_CHARS_MAX = 255


def carry_out(*, action: ActionForm, username: str) -> tuple[bool, str]:
    """
    Carry an action out and write the audit entry.

    Returns whether it was done, and what to say on its page.
    """
    if not action.is_valid():
        return False, " ".join(
            str(text) if name == NON_FIELD_ERRORS else f"{name}: {text}"
            for name, texts in action.errors.items()
            for text in texts
        )
    is_done, text = False, "The dashboard failed; its log has the details."
    try:
        is_done, text = True, action.carry_out()
    except Failure as failure:
        text = failure.message
    except (ClientError, FaultRefused) as error:
        text = str(error)
    finally:
        text += _note(action, username, text)
        wiring.render_cache().clear()
    return is_done, text


def _note(action: ActionForm, username: str, text: str) -> str:
    """Write the audit entry; return what to add to the result if that fails."""
    target = action.target()[:TARGET_CHARS_MAX]
    try:
        AuditEntry.objects.create(
            at=datetime.fromtimestamp(clock.wall_s(), UTC),
            username=username,
            action=action.audit_name,
            target=target,
            result=text[:TEXT_CHARS_MAX],
        )
    except DatabaseError as error:  # it is done all the same: the log has it, and its page says so
        log.error(
            "audit entry lost",
            username=username,
            action=action.audit_name,
            target=target,
            result=text,
            reason=str(error),
        )
        return f" The audit lacks it: {error}."
    return ""


def make_admin(*, password_path: Path) -> str | None:
    """
    Make the first user, store the password in a file, and return it.

    None: there are users already. Only the owner can read the file. It is written first: a user
    with an unknown password is of no use, while a file without its user is written again.
    """
    users = get_user_model()._default_manager  # noqa: SLF001 - Django's documented name
    with transaction.atomic():
        if users.exists():
            return None
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        _write_password(password_path, password)
        users.create_superuser(ADMIN_NAME, password=password)
    return password


def _write_password(path: Path, password: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
    part.replace(path)
