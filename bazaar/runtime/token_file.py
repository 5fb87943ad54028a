"""
The file of access tokens: what a front end knows of it, and how it is read.

JSON, mode 0600; it has hashes only, so no token can be taken from it. Commands replace it whole
(`bazaar.cluster.tokens`), and `TokenWatch` takes that up. While the file cannot be read, is gone or
was not looked at for long, every token is refused: it never opens anything (docs/adr/0038).
"""

import logging
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta, Struct

from bazaar import clock
from bazaar.core.access import (
    ACCESS_TOKENS_MAX,
    TOKEN_NAME_PATTERN,
    AccessList,
    AccessToken,
    Scope,
)
from bazaar.core.failures import TokensUnavailable
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.loops import Loop
from bazaar.runtime.metrics import events

log = get_log("bazaar.tokens")

LOOK_S = 0.5
"""Between two looks at the file."""
UNSEEN_S = 5.0
"""No token is good when the last look is longer ago: a disk may hang."""
FILE_BYTES_MAX = 8 * 1024 * 1024
_FORMAT = 1
_OPEN_TO_OTHERS = 0o077
Time = Annotated[int, Meta(ge=0, le=2**53)]


class TokenFileError(Exception):
    """The file cannot be used; the message is one sentence."""


class StoredToken(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One token in the file; times in seconds since 1970."""

    name: Annotated[str, Meta(pattern=TOKEN_NAME_PATTERN)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=len(Scope))]
    created_s: Time
    expires_s: Time | None = None
    revoked_s: Time | None = None

    @classmethod
    def from_core(cls, token: AccessToken) -> Self:
        """Pack a token."""
        return cls(
            name=token.name,
            sha256=token.sha256,
            scopes=token.scopes,
            created_s=token.created_s,
            expires_s=token.expires_s,
            revoked_s=token.revoked_s,
        )

    def to_core(self) -> AccessToken:
        """Unpack a token."""
        return AccessToken(
            self.name, self.sha256, self.scopes, self.created_s, self.expires_s, self.revoked_s
        )


class StoredTokens(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    format: Annotated[int, Meta(ge=_FORMAT, le=_FORMAT)] = _FORMAT
    tokens: Annotated[tuple[StoredToken, ...], Meta(max_length=ACCESS_TOKENS_MAX)]


def encode(tokens: AccessList) -> str:
    """Return the text of the file."""
    content = StoredTokens(tokens=tuple(map(StoredToken.from_core, tokens.tokens)))
    return msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n"


def read(path: Path) -> AccessList:
    """Return the tokens of a file. Raises FileNotFoundError, TokenFileError."""
    return _read(path)[1]


def _read(path: Path) -> tuple[os.stat_result, AccessList]:
    """Return what the file is and what is in it, of one moment. Raises as `read`."""
    try:
        # Not to wait for somebody to write into a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise TokenFileError(f"{path} is no file: move away what is in its place.")
            if found.st_mode & _OPEN_TO_OTHERS:
                mode = stat.S_IMODE(found.st_mode)
                raise TokenFileError(f"{path} is open to others (mode {mode:04o}); chmod 600 it.")
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TokenFileError(f"{path} cannot be read ({error.strerror}).") from error
    return found, _decode(path, content)


def _decode(path: Path, content: bytes) -> AccessList:
    mend = "Put it back from a copy; or move it away, and make the tokens anew."
    if len(content) > FILE_BYTES_MAX:
        raise TokenFileError(f"{path} is too long for a list of tokens. {mend}")
    try:
        stored = msgspec.json.decode(content, type=StoredTokens)
        return AccessList.of(one.to_core() for one in stored.tokens)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise TokenFileError(f"{path} is damaged ({error}). {mend}") from error


class TokenWatch:
    """The tokens of one process, as the file has them now."""

    def __init__(
        self, path: Path, *, is_expected: bool, now_s: Callable[[], float] = clock.monotonic_s
    ) -> None:
        """is_expected: whether the file must be there; later it must, once it was."""
        self._path, self._is_expected, self._now_s = path, is_expected, now_s
        self._tokens = AccessList()
        self._seen: tuple[int, ...] | None = None
        self._fault = ""
        self._looked_s = -math.inf

    def start(self) -> None:
        """Look now, and again and again in a thread."""
        self.look()
        Loop("tokens", self.look, LOOK_S).start()

    @property
    def tokens(self) -> AccessList:
        """The tokens. Raises TokensUnavailable (definite): the file cannot be read now."""
        if self._fault or self._now_s() - self._looked_s > UNSEEN_S:
            raise TokensUnavailable
        return self._tokens

    def look(self) -> None:
        """Take up what has changed in the file."""
        began_s, fault = self._now_s(), ""
        try:
            self._take()
        except FileNotFoundError:
            self._seen, self._tokens = None, AccessList()
            fault = f"{self._path} is not there." if self._is_expected else ""
        except (TokenFileError, OSError) as error:
            self._seen, fault = None, str(error)
        if fault != self._fault:
            if fault:
                events.emit(log, logging.ERROR, "tokens unreadable", reason=fault)
            else:
                events.emit(log, logging.INFO, "tokens readable", count=len(self._tokens.tokens))
        self._fault, self._looked_s = fault, began_s

    def _take(self) -> None:
        """Read the file unless it is as it was. Raises FileNotFoundError, TokenFileError."""
        if _identify(self._path.stat()) == self._seen:
            return
        found, tokens = _read(self._path)
        is_first = not self._is_expected
        self._seen, self._tokens, self._is_expected = _identify(found), tokens, True
        if not is_first:
            events.emit(log, logging.INFO, "tokens taken up", count=len(tokens.tokens))


def _identify(found: os.stat_result) -> tuple[int, ...]:
    """Return what differs when a file was written, replaced, or opened to others."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
