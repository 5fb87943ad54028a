"""
Access tokens: the name that a client trades under, and what it may do.

A token is a long random text. Only its SHA-256 is kept, so whoever reads the list of tokens can use
none of them (docs/adr/0038). Left out: where the list is stored, and what a request is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Self

from bazaar.core.failures import AccessDenied, TokenRefused

TOKEN_NAME_CHARS_MAX = 64
TOKEN_NAME_PATTERN = rf"^[0-9A-Za-z][0-9A-Za-z._@-]{{0,{TOKEN_NAME_CHARS_MAX - 1}}}\Z"
"""What a token may be called: it is in every order that is placed with it."""
ACCESS_TOKENS_MAX = 10_000
"""Tokens in one list, those that are over among them."""
TOKEN_CHARS_MAX = 512
"""A longer text is no token, and is not looked at."""
_NAME = re.compile(TOKEN_NAME_PATTERN)
_ANOTHER = "`manage.py token create NAME` makes another one."


class Scope(StrEnum):
    """What a token allows."""

    READ = "read"
    """What is open to everybody anyway, under a name with a rate limit of its own."""
    TRADE = "trade"


def is_token_name(text: str) -> bool:
    """Tell whether a token may have this name."""
    return _NAME.match(text) is not None


def hash_token(token: str) -> str:
    """Return what is kept of a token: its SHA-256 in lower-case hex."""
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What is known of one token; times in whole seconds since 1970."""

    name: str
    sha256: str
    """Of the token, in lower-case hex."""
    scopes: tuple[Scope, ...]
    created_s: int
    expires_s: int | None = None
    revoked_s: int | None = None

    def check(self, now_s: float) -> None:
        """Raise TokenRefused (definite) when it is revoked or its time is over."""
        if self.revoked_s is not None:
            raise TokenRefused(f"The token {self.name} was revoked. {_ANOTHER}")
        if self.is_expired(now_s):
            raise TokenRefused(f"The token {self.name} has expired. {_ANOTHER}")

    def check_scope(self, scope: Scope) -> None:
        """Raise AccessDenied (definite) when it does not allow this."""
        if scope not in self.scopes:
            allowed = ", ".join(self.scopes)
            raise AccessDenied(
                f"The token {self.name} does not allow this: its scope is {allowed}, and this "
                f"needs {scope}. `manage.py token create NAME --scope {scope}` makes one that does."
            )

    def is_expired(self, now_s: float) -> bool:
        """Tell whether its time is over."""
        return self.expires_s is not None and now_s >= self.expires_s


@dataclass(frozen=True, slots=True)
class AccessList:
    """All tokens, in the order in which they were made; names and hashes differ."""

    tokens: tuple[AccessToken, ...] = ()
    _by_hash: dict[str, AccessToken] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, tokens: Iterable[AccessToken]) -> Self:
        """Return the list of these tokens. Raises ValueError: two have one name or one hash."""
        made = tuple(tokens)
        by_hash = {one.sha256: one for one in made}
        if not len(made) == len(by_hash) == len({one.name for one in made}):
            raise ValueError("two tokens have the same name or hash")
        return cls(made, by_hash)

    def find(self, token: str, now_s: float) -> AccessToken:
        """
        Return what is known of a token that is good now.

        Raises TokenRefused (definite): it is unknown, revoked or over.
        """
        found = None if len(token) > TOKEN_CHARS_MAX else self._by_hash.get(hash_token(token))
        if found is None:
            raise TokenRefused
        found.check(now_s)
        return found

    def get(self, name: str) -> AccessToken | None:
        """Return the token of this name, if there is or was one."""
        return next((one for one in self.tokens if one.name == name), None)

    def add(self, token: AccessToken) -> Self:
        """Return the list with one more token. Raises ValueError: its name is taken."""
        return self.of((*self.tokens, token))

    def revoke(self, name: str, now_s: int) -> Self:
        """Return the list with a token revoked, for the first time now."""
        return self.of(
            replace(one, revoked_s=now_s) if one.name == name and one.revoked_s is None else one
            for one in self.tokens
        )
