"""
Make, list and revoke access tokens: what `manage.py token` does.

Each change replaces the whole file under a lock, so two commands at once lose nothing. Front ends
notice it by themselves (`bazaar.runtime.token_file`).
"""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from bazaar import clock
from bazaar.cluster.data_dir import write_whole
from bazaar.cluster.exits import CommandFailed
from bazaar.core.access import (
    ACCESS_TOKENS_MAX,
    TOKEN_NAME_CHARS_MAX,
    AccessList,
    AccessToken,
    Scope,
    hash_token,
    is_token_name,
)
from bazaar.runtime import token_file
from bazaar.runtime.token_file import TokenFileError
from bazaar.settings import client_access, data_folder, env, private

TOKEN_BYTES = 32
"""Random bytes in a token."""
TOKEN_PREFIX = "bazaar_"  # noqa: S105 - what they begin with is known
"""What every token begins with, so that programs that look for lost secrets find it."""
LIFETIME_DAYS_MAX = 3650
_LIFETIME = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class TokenList:
    """The tokens of one data folder."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the file that the environment names, or the one in the data folder."""
        self.path = client_access.tokens_path(environ)
        self._is_in_data_dir = self.path.parent == env.read_data_dir(environ)

    def create(self, name: str, scopes: Sequence[Scope], lifetime_s: int | None) -> str:
        """
        Make a token and return it; only its hash is kept.

        lifetime_s: None, it never expires. Raises CommandFailed, SettingsError, OSError.
        """
        if not is_token_name(name):
            raise CommandFailed(
                f"{name!r} is no name for a token: up to {TOKEN_NAME_CHARS_MAX} letters (a to z), "
                "digits and . _ @ -, beginning with a letter or a digit."
            )
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        now_s = int(clock.wall_s())
        expires_s = None if lifetime_s is None else now_s + lifetime_s
        made = AccessToken(name, hash_token(token), tuple(scopes), now_s, expires_s)
        if self._is_in_data_dir:
            data_folder.check_folder(self.path.parent)
        with self._locked():
            known = self.read()
            if known.get(name):
                raise CommandFailed(
                    f"There is or was a token named {name}: orders name who placed them, so no "
                    "name is used twice. Choose another one."
                )
            if len(known.tokens) >= ACCESS_TOKENS_MAX:
                raise CommandFailed(f"{self.path} has {ACCESS_TOKENS_MAX} tokens, the most it may.")
            self._write(known.add(made))
        return token

    def revoke(self, name: str) -> None:
        """Revoke a token; again is harmless. Raises CommandFailed, OSError."""
        if not self.path.exists():
            raise self._unknown(name)
        with self._locked():
            known = self.read()
            if known.get(name) is None:
                raise self._unknown(name)
            self._write(known.revoke(name, int(clock.wall_s())))

    def read(self) -> AccessList:
        """Return all tokens; none when there is no file. Raises CommandFailed."""
        try:
            return token_file.read(self.path)
        except FileNotFoundError:
            return AccessList()
        except TokenFileError as error:
            raise CommandFailed(str(error)) from error

    def _write(self, tokens: AccessList) -> None:
        write_whole(self.path, token_file.encode(tokens), private.FILE_MODE)

    def _unknown(self, name: str) -> CommandFailed:
        return CommandFailed(f"{self.path} has no token named {name!r}; `token list` shows all.")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait until no other command changes the file."""
        path = self.path.with_name(f"{self.path.name}.lock")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, private.FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_scopes(text: str) -> tuple[Scope, ...]:
    """Return the scopes of a text such as read,trade. Raises CommandFailed."""
    names = [name.strip() for name in text.split(",")]
    if wrong := [name for name in names if name not in tuple(Scope)]:
        raise CommandFailed(
            f"--scope: {wrong[0]!r} is no scope; give {' or '.join(Scope)}, or both with a comma."
        )
    return tuple(scope for scope in Scope if scope in names)


def read_lifetime(text: str | None) -> int | None:
    """Return the seconds of a text such as 30d; None: for ever. Raises CommandFailed."""
    if text is None:
        return None
    found = _LIFETIME.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= LIFETIME_DAYS_MAX * _SECONDS["d"]:
        raise CommandFailed(
            f"--expires must be a time such as 12h, 30d or 8w, at most {LIFETIME_DAYS_MAX}d, "
            f"not {text!r}."
        )
    return seconds


def describe_state(token: AccessToken, now_s: float) -> str:
    """Return whether a token is good, in a word."""
    if token.revoked_s is not None:
        return "revoked"
    return "expired" if token.is_expired(now_s) else "good"


def format_time(seconds: int | None) -> str:
    """Return a time as ISO 8601 in UTC; - for none."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
