"""Which tokens are good, for what, and until when (docs/adr/0038)."""

import pytest

from bazaar.core.access import (
    TOKEN_CHARS_MAX,
    AccessList,
    AccessToken,
    Scope,
    hash_token,
    is_token_name,
)
from bazaar.core.failures import AccessDenied, TokenRefused

GOOD = AccessToken("bob", hash_token("secret of bob"), (Scope.READ, Scope.TRADE), 100)
SHORT = AccessToken("ann", hash_token("secret of ann"), (Scope.READ,), 100, expires_s=200)
LIST = AccessList.of((GOOD, SHORT))


def test_a_token_is_found_by_its_text_and_never_kept() -> None:
    assert LIST.find("secret of bob", 150.0) == GOOD
    assert "secret" not in repr(LIST)


@pytest.mark.parametrize(
    "text",
    ["", "Secret of bob", "secret of bob ", GOOD.sha256, "bob", "x" * (TOKEN_CHARS_MAX + 1)],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused, match="not known"):
        LIST.find(text, 150.0)


def test_a_token_is_good_until_its_time_is_over() -> None:
    assert LIST.find("secret of ann", 199.9) == SHORT
    with pytest.raises(TokenRefused, match="ann has expired"):
        LIST.find("secret of ann", 200.0)


def test_a_revoked_token_is_refused_and_its_name_stays_taken() -> None:
    revoked = LIST.revoke("bob", 300)
    with pytest.raises(TokenRefused, match="bob was revoked"):
        revoked.find("secret of bob", 150.0)
    assert revoked.revoke("bob", 400) == revoked, "the first time stays"
    assert revoked.find("secret of ann", 150.0) == SHORT
    with pytest.raises(ValueError, match="same name"):
        revoked.add(AccessToken("bob", hash_token("another"), (Scope.TRADE,), 500))


def test_a_token_that_may_only_read_cannot_trade() -> None:
    GOOD.check_scope(Scope.TRADE)
    with pytest.raises(AccessDenied, match="its scope is read, and this needs trade"):
        SHORT.check_scope(Scope.TRADE)


@pytest.mark.parametrize("name", ["bob", "B", "0", "bob@example.com", "a.b_c-d", "x" * 64])
def test_names(name: str) -> None:
    assert is_token_name(name)


@pytest.mark.parametrize(
    "name", ["", "-x", ".x", "x" * 65, "a b", "a|b", "bob\n", "bób", "a/b", "a,b", '"x"']
)
def test_what_is_no_name(name: str) -> None:
    """A name is in the text that digests are made of: it has no separator."""
    assert not is_token_name(name)
